/** One session under seeded chaos, on a clock turned by hand: what was sent, what was handled, what was told. */

import type { CallOptions } from "../../src/calls/call-options.js";
import type { CallContext } from "../../src/calls/context.js";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import type { ServiceClient, ServiceImplementation } from "../../src/protocol/definition.js";
import { createServer, type Server, type ServerConnection, type ServerOptions } from "../../src/server/index.js";
import type { GapEvent } from "../../src/session/events.js";
import { type ChaosStats, type FaultSource, MemoryNetwork, SeededRandom, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";

/** What one end handled. */
export class Handled {
  /** Numbers of the notes, in the order they were handled. */
  readonly notes: number[] = [];
  /** How often each echo's handler ran. */
  readonly echoes = new Map<string, number>();

  /** Echoes that were handled more than once. */
  get doubled(): string[] {
    return [...this.echoes].filter(([, times]) => times > 1).map(([text]) => text);
  }
}

/** Serves every method without timers of its own but the clock's. */
export function handledService(clock: VirtualClock, handled: Handled): ServiceImplementation<TestServiceDefinition, CallContext> {
  return {
    async echo({ text, delayMs, data }) {
      handled.echoes.set(text, (handled.echoes.get(text) ?? 0) + 1);
      if (delayMs > 0) await sleep(clock, delayMs);
      return { text, data };
    },
    async *count({ count, padding }) {
      for (let number = 1; number <= count; number++) {
        if (number % 7 === 0) await sleep(clock, 5);
        yield { number, padding: new Uint8Array(padding) };
      }
    },
    async sum(requests) {
      let sum = 0n;
      for await (const { number } of requests) sum += number;
      return { sum };
    },
    async *chat(requests) {
      for await (const { text } of requests) yield { text: text.toUpperCase() };
    },
    note({ text }) {
      handled.notes.push(Number(text));
    },
    sample: async ({ text }) => ({ text }),
    price: () => {},
  };
}

export function sleep(clock: VirtualClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(ms, resolve));
}

/** How much one end sends. */
export interface Load {
  readonly notes: number;
  readonly echoes: number;
  readonly streams: number;
  /** Everything is started within this time. */
  readonly withinMs: number;
}

/** What came of the calls that one end made. */
export interface Outcome {
  /** Notes whose send was resolved. */
  notesSent: number;
  /** Calls and streams that were opened, and those that have settled. */
  opened: number;
  settled: number;
  /** What must not be: wrong replies. */
  readonly failures: string[];
  /** Sends and calls that ended with an error. */
  readonly broken: { readonly what: string; readonly error: unknown }[];
}

/** Sends a mixed load through `service`; the outcome grows as it goes. Its calls have no deadline. */
export function sendLoad(
  clock: VirtualClock,
  random: SeededRandom,
  service: ServiceClient<TestServiceDefinition, CallOptions>,
  load: Load,
): Outcome {
  const outcome: Outcome = { notesSent: 0, opened: 0, settled: 0, failures: [], broken: [] };
  const start = (what: string, run: () => Promise<void>) => {
    outcome.opened++;
    clock.setTimer(random.between(0, load.withinMs), () => {
      run()
        .catch((error) => outcome.broken.push({ what, error }))
        .finally(() => outcome.settled++);
    });
  };
  const check = (what: string, holds: boolean) => {
    if (!holds) outcome.failures.push(what);
  };
  // Notes are numbered by the order they are sent in.
  let note = 0;
  for (let i = 0; i < load.notes; i++) {
    start("note", async () => {
      await service.note({ text: String(note++) });
      outcome.notesSent++;
    });
  }
  for (let i = 0; i < load.echoes; i++) {
    const data = new Uint8Array(random.between(0, 300)).fill(i);
    const delayMs = random.pick([0, 0, 3, 200]);
    start(`echo ${i}`, async () => {
      const reply = await service.echo({ text: `echo ${i}`, delayMs, data }, { timeoutMs: 0 });
      check(`echo ${i} has another's reply`, reply.text === `echo ${i}` && Buffer.compare(reply.data, data) === 0);
    });
  }
  for (let i = 0; i < load.streams; i++) {
    const count = random.between(1, 60);
    const padding = random.between(0, 200);
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    start(`count ${i}`, async () => {
      const got: number[] = [];
      for await (const item of service.count({ count, padding })) got.push(item.number);
      check(`count ${i} gave ${got}`, got.join() === numbers.join());
    });
    start(`sum ${i}`, async () => {
      const { sum } = await service.sum(
        slowly(
          clock,
          numbers.map((number) => ({ number: BigInt(number) })),
        ),
        { timeoutMs: 0 },
      );
      check(`sum ${i} gave ${sum}`, sum === BigInt((count * (count + 1)) / 2));
    });
    start(`chat ${i}`, async () => {
      const got: string[] = [];
      for await (const { text } of service.chat(
        slowly(
          clock,
          numbers.map((number) => ({ text: `line ${number}` })),
        ),
      ))
        got.push(text);
      check(`chat ${i} gave ${got}`, got.join() === numbers.map((number) => `LINE ${number}`).join());
    });
  }
  return outcome;
}

async function* slowly<T>(clock: VirtualClock, items: readonly T[]): AsyncGenerator<T> {
  for (const [index, item] of items.entries()) {
    if (index % 9 === 8) await sleep(clock, 4);
    yield item;
  }
}

/** A server and a client over a network of faults. */
export interface Stage {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly server: Server;
  readonly client: Client;
  readonly atServer: Handled;
  readonly atClient: Handled;
  readonly gaps: { readonly client: GapEvent[]; readonly server: GapEvent[] };
  /** Sessions that the server opened. */
  readonly sessions: ServerConnection[];
  end(): Promise<void>;
}

/** Sets one up; nothing is connected yet. */
export function stage(
  seed: number,
  faults: FaultSource,
  options: { readonly messages?: boolean; readonly server?: ServerOptions; readonly client?: ClientOptions } = {},
): Stage {
  const clock = new VirtualClock(1_000);
  const random = new SeededRandom(seed);
  const network = new MemoryNetwork({ clock, seed, faults, messages: options.messages ?? false });
  const server = createServer({ clock, logger: false, ...options.server });
  const client = createClient("ws://memory", {
    logger: false,
    clock,
    random: random.next,
    connector: network.connector(server),
    reconnect: { retries: Number.POSITIVE_INFINITY, baseMs: 20, maxMs: 200 },
    ...options.client,
  });
  const atServer = new Handled();
  const atClient = new Handled();
  const gaps = { client: [] as GapEvent[], server: [] as GapEvent[] };
  const sessions: ServerConnection[] = [];
  server.implement(TestServiceDefinition, handledService(clock, atServer));
  client.implement(TestServiceDefinition, handledService(clock, atClient));
  client.on("gap", (gap) => gaps.client.push(gap));
  server.on("connection", (connection) => {
    sessions.push(connection);
    connection.on("gap", (gap) => gaps.server.push(gap));
  });
  const end = async () => {
    await client.close();
    await server.close();
    // What is still under way, such as the close itself, arrives or is given up.
    await clock.advance(30_000);
  };
  return { clock, network, server, client, atServer, atClient, gaps, sessions, end };
}

/** One run in which nothing may be lost; `wrong` is empty if all holds. */
export interface Report {
  readonly seed: number;
  /** Links that broke, and those of them that broke before the welcome. */
  readonly links: number;
  readonly beforeWelcome: number;
  /** Links that broke less than 20 ms after the welcome: while what was kept went out again. */
  readonly inReplay: number;
  readonly sessions: number;
  readonly notes: number;
  readonly calls: number;
  readonly virtualMs: number;
  readonly stats: ChaosStats;
  readonly wrong: string[];
}

/** Faults of a run: the first `links` break early and anywhere, later ones hold. */
export function breaksAtRandomBytes(links: number, mostBytes: number): FaultSource {
  return (link, random) => {
    if (link > links) return "clean";
    const at = random.pick([random.between(0, 250), random.between(0, mostBytes), random.between(0, mostBytes)]);
    const latencyMs = random.pick([0, 0, 2, 40]);
    const direction = { latencyMs, jitterMs: latencyMs / 2 };
    const fault = random.pick(["cut", "cut", "cut", "cut", "silent"] as const);
    const broken = fault === "cut" ? { ...direction, cutAtByte: at } : { ...direction, silentAtByte: at };
    return random.pick([
      { up: broken, down: direction },
      { up: direction, down: broken },
    ]);
  };
}

const LOAD: Load = { notes: 25, echoes: 8, streams: 1, withinMs: 1_500 };

/** One run: both ends send a mixed load while links are cut at random bytes. Nothing may be lost, doubled or out of order. */
export async function runSession(
  seed: number,
  load: Load = LOAD,
  links = 10,
  faults: FaultSource = breaksAtRandomBytes(links, 4_000),
): Promise<Report> {
  const random = new SeededRandom(seed);
  const act = stage(seed, faults, { messages: random.pick([false, true]) });
  const { clock, client, atServer, atClient, sessions } = act;
  const wrong: string[] = [];
  const started = clock.now();
  act.server.on("failure", ({ command, error }) => wrong.push(`server: ${command}: ${error}`));
  client.on("failure", ({ command, error }) => wrong.push(`client: ${command}: ${error}`));
  const broken = { links: 0, beforeWelcome: 0, inReplay: 0 };
  let since = { state: "connecting", at: 0 };
  client.on("state", (state) => {
    if (state === "retry-pending") {
      broken.links++;
      if (since.state === "connecting") broken.beforeWelcome++;
      else if (clock.now() - since.at < 20) broken.inReplay++;
    }
    since = { state, at: clock.now() };
  });
  let down: Outcome | undefined;
  let up: Outcome | undefined;
  client
    .connect()
    .then(() => {
      up = sendLoad(clock, random, client.service(TestServiceDefinition), load);
      // The server may have opened sessions whose welcome never came; the newest is the client's.
      down = sendLoad(clock, random, sessions.at(-1)!.service(TestServiceDefinition), load);
    })
    .catch((error) => wrong.push(`connect: ${error}`));
  const done = (outcome: Outcome | undefined) => outcome !== undefined && outcome.settled === outcome.opened;
  try {
    await clock.runUntil(
      () => wrong.length > 0 || (done(up) && done(down) && atServer.notes.length >= load.notes && atClient.notes.length >= load.notes),
      600_000,
    );
  } catch (error) {
    wrong.push(`${(error as Error).message}; up ${JSON.stringify(up)}, down ${JSON.stringify(down)}, state ${client.state}`);
  }
  // Anything that comes twice comes soon.
  await clock.advance(2_000);
  const inOrder = Array.from({ length: load.notes }, (_, i) => i).join();
  if (atServer.notes.join() !== inOrder) wrong.push(`notes at the server: ${atServer.notes}`);
  if (atClient.notes.join() !== inOrder) wrong.push(`notes at the client: ${atClient.notes}`);
  for (const [side, outcome] of Object.entries({ client: up, server: down })) {
    wrong.push(...(outcome?.failures ?? [`the ${side} sent nothing`]));
    wrong.push(...(outcome?.broken ?? []).map(({ what, error }) => `${what} of the ${side}: ${error}`));
  }
  for (const [where, handled] of Object.entries({ server: atServer, client: atClient })) {
    if (handled.doubled.length > 0) wrong.push(`doubled at the ${where}: ${handled.doubled}`);
    if (handled.echoes.size !== load.echoes) wrong.push(`${handled.echoes.size} echoes at the ${where}`);
  }
  for (const gap of [...act.gaps.client, ...act.gaps.server]) wrong.push(`gap ${JSON.stringify(gap)}`);
  const virtualMs = clock.now() - started;
  await act.end();
  // A closing socket waits for its peer as long as its closeTimeoutMs.
  await clock.advance(5_000);
  if (clock.pendingTimers > 0) wrong.push(`${clock.pendingTimers} timers were forgotten`);
  return {
    seed,
    ...broken,
    sessions: sessions.length,
    notes: atServer.notes.length + atClient.notes.length,
    calls: (up?.settled ?? 0) + (down?.settled ?? 0),
    virtualMs,
    stats: act.network.stats,
    wrong,
  };
}
