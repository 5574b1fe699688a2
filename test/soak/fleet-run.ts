/** Thousands of clients that lose their server together, on a clock turned by hand: when they come back, and as what. */
import { type Client, createClient, type ReconnectOptions } from "../../src/client/index.js";
import { createServer, type Server } from "../../src/server/index.js";
import { MemoryNetwork, SeededRandom, VirtualClock } from "../../src/testing/index.js";

/** What happens to the server of a fleet. */
export type Outage =
  /** Its process is gone for this long; another one takes its place and knows nobody. */
  | { readonly kind: "crash"; readonly ms: number }
  /** Nobody reaches it for this long; it still has all sessions. */
  | { readonly kind: "network"; readonly ms: number }
  /** It closes after a drain and tells its clients to come back spread over this time, to another one. */
  | { readonly kind: "drain"; readonly spreadMs: number };

/** What came of it. */
export interface FleetReport {
  /** When each client was back, in milliseconds since somebody could be reached; in order. */
  readonly arrivals: readonly number[];
  /** Clients that are connected in the end, and whether their session went on. */
  readonly resumed: number;
  readonly anew: number;
  /** Clients that are not connected. */
  readonly lost: number;
  /** The most attempts that one client needed. */
  readonly mostRetries: number;
}

/** Lets `clients` clients lose their server together and waits until none is on its way any more. */
export async function runFleet(clients: number, outage: Outage, reconnect: ReconnectOptions, seed = 1): Promise<FleetReport> {
  const clock = new VirtualClock();
  const random = new SeededRandom(seed);
  const network = new MemoryNetwork({ clock, seed });
  // In memory all clients have one address.
  const options = { clock, maxConnectionsPerAddress: clients };
  let server = createServer(options);
  const connector = network.connector({ accept: (transport) => server.accept(transport) });
  const fleet: Client[] = [];
  const back = new Map<Client, { readonly at: number; readonly resumed: boolean }>();
  let mostRetries = 0;
  for (let i = 0; i < clients; i++) {
    const client = createClient("ws://memory", {
      logger: false,
      clock,
      random: random.fork().next,
      connector,
      reconnect: { retries: Number.POSITIVE_INFINITY, ...reconnect },
    });
    fleet.push(client);
    client.connect().catch(() => {});
    if (i % 1_000 === 999) await clock.runUntilIdle();
  }
  await clock.advance(1_000);
  if (!fleet.every(({ state }) => state === "connected")) throw new Error("the fleet did not connect to begin with");
  for (const client of fleet) {
    client.on("state", (state, { resumed = false, retries = 0 }) => {
      if (state === "connected") back.set(client, { at: clock.now(), resumed });
      mostRetries = Math.max(mostRetries, retries);
    });
  }
  const reachable = await breakDown(outage, clock, network, fleet, server, () => {
    server = createServer(options);
  });
  // Whoever is not back by then has given up.
  await clock.runUntil(() => back.size === clients || clock.now() > reachable + 200_000);
  await clock.advance(1_000);
  const arrivals = [...back.values()].map(({ at }) => at - reachable).sort((a, b) => a - b);
  const resumed = [...back.values()].filter((each) => each.resumed).length;
  const lost = fleet.filter(({ state }) => state !== "connected").length;
  for (const client of fleet) await client.close();
  await server.close();
  await clock.advance(30_000);
  return { arrivals, resumed, anew: back.size - resumed, lost, mostRetries };
}

/** Gives the time from which on the clients can be back. */
async function breakDown(
  outage: Outage,
  clock: VirtualClock,
  network: MemoryNetwork,
  fleet: readonly Client[],
  server: Server,
  replace: () => void,
): Promise<number> {
  if (outage.kind === "drain") {
    void server.close({ drainMs: 5_000, reconnectSpreadMs: outage.spreadMs });
    replace();
    await clock.runUntil(() => fleet.every(({ state }) => state === "retry-pending"), 10_000);
    return clock.now();
  }
  if (outage.kind === "crash") replace();
  network.reachable = false;
  network.cut();
  await clock.advance(outage.ms);
  network.reachable = true;
  return clock.now();
}

/** When the clients of a crash that lasts `outageMs` would be back if each waited as full jitter says, from a generator of its own. */
export function fullJitterModel(clients: number, outageMs: number, baseMs: number, maxMs: number, seed: number): number[] {
  const random = new SeededRandom(seed);
  const arrivals: number[] = [];
  for (let i = 0; i < clients; i++) {
    let at = 0;
    for (let retry = 0; at < outageMs; retry++) at += Math.min(maxMs, baseMs * 2 ** retry) * random.next();
    arrivals.push(at - outageMs);
  }
  return arrivals.sort((a, b) => a - b);
}

/** Kolmogorov and Smirnov's distance of two samples, each in order: 0 = the same distribution, 1 = nothing in common. */
export function distance(a: readonly number[], b: readonly number[]): number {
  let largest = 0;
  let j = 0;
  for (let i = 0; i < a.length; i++) {
    while (j < b.length && b[j]! <= a[i]!) j++;
    largest = Math.max(largest, Math.abs((i + 1) / a.length - j / b.length));
  }
  return largest;
}

/** Arrivals in the busiest second, and on average over the seconds from 0 to the last arrival. */
export function peakOf(arrivals: readonly number[]): { peak: number; mean: number; windowMs: number } {
  const windowMs = arrivals.at(-1) ?? 0;
  let peak = 0;
  let first = 0;
  for (let last = 0; last < arrivals.length; last++) {
    while (arrivals[last]! - arrivals[first]! >= 1_000) first++;
    peak = Math.max(peak, last - first + 1);
  }
  return { peak, mean: arrivals.length / (windowMs / 1_000), windowMs };
}
