/** Bad networks in virtual time: what both ends send each other meanwhile, when a break is noticed, and when the session goes on. */
import { type ClientOptions, createClient } from "../../src/client/index.js";
import { createServer, type ServerConnection, type ServerOptions } from "../../src/server/index.js";
import { type FaultSource, MemoryNetwork, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "./test-service.js";

export interface NetworkRunOptions {
  readonly name: string;
  readonly faults: FaultSource;
  readonly seed: number;
  /** How long both ends send a note every 200 ms. */
  readonly forMs: number;
  /** After this time every byte vanishes, and nobody is told. */
  readonly breakAtMs?: number;
  /** And no connection can be made for so long. Default 0: another network is there at once. */
  readonly unreachableMs?: number;
  readonly server?: ServerOptions;
  readonly client?: ClientOptions;
}

export interface NetworkReport {
  readonly name: string;
  /** From the break to when the client gives its connection up; undefined = it never did. */
  readonly detectMs: number | undefined;
  /** From when a connection can be made again to when notes go through. */
  readonly resumeMs: number | undefined;
  /** Connections behind the first that went on with the session, and that began a new one. */
  readonly resumed: number;
  readonly anew: number;
  readonly sent: number;
  /** Notes that were not handled, and their sender was told. */
  readonly told: number;
  /** Notes that were not handled, and nobody was told. */
  readonly lost: number;
  readonly doubled: number;
}

const EVERY_MS = 200;

/** One direction: what was sent, and what became of it. */
class Ledger {
  readonly sent = new Set<string>();
  readonly told = new Set<string>();
  readonly handled = new Map<string, number>();

  send(text: string, sending: Promise<unknown>): void {
    this.sent.add(text);
    sending.catch(() => this.told.add(text));
  }

  note(text: string): void {
    this.handled.set(text, (this.handled.get(text) ?? 0) + 1);
  }

  get missing(): string[] {
    return [...this.sent].filter((text) => !this.handled.has(text));
  }
}

export async function runNetwork(options: NetworkRunOptions): Promise<NetworkReport> {
  const { name, faults, seed, forMs, breakAtMs = Number.POSITIVE_INFINITY, unreachableMs = 0 } = options;
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock, seed, faults });
  const [up, down] = [new Ledger(), new Ledger()];
  const server = createServer({ clock, ...options.server });
  server.implement(TestServiceDefinition, { ...testService(), note: ({ text }) => up.note(text) });
  let connections: ServerConnection[] = [];
  /** Of the client's notes, in ranges that the client was told of. */
  let gaps = 0;
  server.on("connection", (connection) => {
    connections = [connection];
  });
  const client = createClient("ws://memory", {
    clock,
    connector: network.connector(server),
    random: () => 0.5,
    ...options.client,
    reconnect: { retries: Number.POSITIVE_INFINITY, ...options.client?.reconnect },
  });
  client.implement(TestServiceDefinition, { ...testService(), note: ({ text }) => down.note(text) });
  client.on("gap", ({ direction, from, to }) => {
    if (direction === "out") gaps += to - from + 1;
  });
  // The server's application learns that a session has ended, and so that what it sent there may be lost.
  server.on("disconnection", () => {
    for (const text of down.sent) down.told.add(text);
  });
  const seen = { detectedAt: undefined as number | undefined, resumed: 0, anew: 0, throughAt: undefined as number | undefined };
  const zero = clock.now();
  const passed = () => clock.now() - zero;
  let first = true;
  client.on("state", (state, detail) => {
    if (state === "retry-pending" && passed() >= breakAtMs) seen.detectedAt ??= passed();
    if (state !== "connected") return;
    if (!first) seen[detail.resumed ? "resumed" : "anew"]++;
    first = false;
    if (seen.detectedAt !== undefined) seen.throughAt ??= passed();
  });
  void client.connect().catch(() => {});
  let broken = false;
  let back = false;
  for (let number = 0; passed() < forMs; number++) {
    if (!broken && passed() >= breakAtMs) {
      broken = true;
      network.halfOpen();
      network.reachable = unreachableMs === 0;
    }
    if (broken && !back && passed() >= breakAtMs + unreachableMs) {
      back = true;
      network.reachable = true;
    }
    up.send(`up ${number}`, client.service(TestServiceDefinition).note({ text: `up ${number}` }));
    for (const connection of connections) {
      down.send(`down ${number}`, connection.service(TestServiceDefinition).note({ text: `down ${number}` }));
    }
    await clock.advance(EVERY_MS);
  }
  await clock.advance(180_000);
  const told = [up, down].flatMap(({ missing, told }) => missing.filter((text) => told.has(text))).length;
  const untold = [up, down].flatMap(({ missing, told }) => missing.filter((text) => !told.has(text))).length;
  const report: NetworkReport = {
    name,
    detectMs: seen.detectedAt === undefined ? undefined : Math.round(seen.detectedAt - breakAtMs),
    resumeMs: seen.throughAt === undefined ? undefined : Math.round(seen.throughAt - breakAtMs - unreachableMs),
    resumed: seen.resumed,
    anew: seen.anew,
    sent: up.sent.size + down.sent.size,
    told: told + Math.min(gaps, untold),
    lost: Math.max(0, untold - gaps),
    doubled: [up, down].flatMap(({ handled }) => [...handled.values()]).filter((count) => count > 1).length,
  };
  await Promise.all([client.close(), clock.advance(5000)]);
  await Promise.all([server.close(), clock.advance(5000)]);
  return report;
}
