/** A session over real sockets through a proxy that breaks, damages and stalls them: what was sent, and what was handled. */
import { createHash } from "node:crypto";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { createServer, type ServerConnection, type ServerOptions } from "../../src/server/index.js";
import { type ChaosStats, createChaosProxy, type FaultSource } from "../../src/testing/index.js";
import { type EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";

/** How a run goes. */
export interface SocketRunOptions {
  readonly kind: "tcp" | "ws";
  /** Notes that each end sends to the other. Behind every hundredth goes a call, behind every thousandth a stream. */
  readonly frames: number;
  readonly seed: number;
  /** Length that the texts of notes stay below, but for some 20 characters. Default 120. */
  readonly below?: number;
  readonly faults: FaultSource;
  readonly server?: ServerOptions;
  readonly client?: ClientOptions;
  /** Called now and then while it goes on. */
  readonly onProgress?: (handled: number) => void;
}

/** What came of one direction. */
export interface DirectionReport {
  handled: number;
  doubled: number;
  outOfOrder: number;
  /** Notes whose text is not what was sent. */
  damaged: number;
  /** Calls and streams that ended as they should, and those that did not. */
  calls: number;
  readonly failures: string[];
}

export interface SocketRunReport {
  readonly up: DirectionReport;
  readonly down: DirectionReport;
  /** Why connections ended, and how often. */
  readonly endings: Readonly<Record<string, number>>;
  /** Times that a client was back with its session, and with a new one. */
  readonly resumed: number;
  readonly anew: number;
  readonly gaps: number;
  readonly stats: ChaosStats;
  readonly ms: number;
  /** Whatever the process could not place: unhandled rejections and exceptions. */
  readonly exceptions: string[];
}

const SHORT = 120;

/** A text that says which note it is and cannot be mistaken for another if a byte of it changes. */
function textOf(number: number, below: number): string {
  const body = `${number} ${"x".repeat((number * 7919) % below)}`;
  return `${body}#${createHash("md5").update(body).digest("hex").slice(0, 12)}`;
}

class Receiver {
  readonly report: DirectionReport = { handled: 0, doubled: 0, outOfOrder: 0, damaged: 0, calls: 0, failures: [] };
  #next = 0;
  readonly #echoes = new Set<string>();
  readonly #below: number;

  constructor(below: number) {
    this.#below = below;
  }

  note(text: string): void {
    const number = Number.parseInt(text, 10);
    const { report } = this;
    if (text !== textOf(number, this.#below)) report.damaged++;
    else if (number === this.#next) this.#next++;
    else if (number < this.#next) report.doubled++;
    else {
      report.outOfOrder++;
      this.#next = number + 1;
    }
    report.handled++;
  }

  echo(text: string): void {
    if (this.#echoes.has(text)) this.report.doubled++;
    this.#echoes.add(text);
  }
}

function serviceOf(receiver: Receiver) {
  return {
    note: ({ text }: { text: string }) => receiver.note(text),
    echo: async ({ text }: EchoRequest) => {
      receiver.echo(text);
      return { text };
    },
    async *count({ count }: { count: number }) {
      for (let number = 1; number <= count; number++) yield { number };
    },
  };
}

/** Sends all notes in order, with calls in between; resolves when they are out and the calls have settled. */
async function sendAll(
  connection: { service: Client["service"] },
  { frames, below = SHORT }: SocketRunOptions,
  report: DirectionReport,
): Promise<void> {
  const service = connection.service(TestServiceDefinition);
  const calls: Promise<void>[] = [];
  const call = (what: string, run: () => Promise<boolean>) => {
    calls.push(
      run().then(
        (right) => void (right ? report.calls++ : report.failures.push(`${what} got a wrong reply`)),
        (error) => void report.failures.push(`${what}: ${error}`),
      ),
    );
  };
  for (let i = 0; i < frames; i++) {
    await service.note({ text: textOf(i, below) });
    if (i % 100 === 99) call(`echo ${i}`, async () => (await service.echo({ text: `echo ${i}` }, { timeoutMs: 0 })).text === `echo ${i}`);
    if (i % 1_000 === 999) {
      call(`count ${i}`, async () => {
        let last = 0;
        for await (const { number } of service.count({ count: 50 })) if (number === last + 1) last++;
        return last === 50;
      });
    }
  }
  await Promise.all(calls);
}

/** One run. Nothing may be lost, doubled, damaged or out of order; that is for the caller to judge. */
export async function runOverSockets(options: SocketRunOptions): Promise<SocketRunReport> {
  const { kind, frames, seed, faults, below = SHORT } = options;
  const started = performance.now();
  const exceptions: string[] = [];
  const note = (error: unknown) => void exceptions.push(String(error));
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  const server = createServer({ logger: false, ...options.server });
  const atServer = new Receiver(below);
  const atClient = new Receiver(below);
  server.implement(TestServiceDefinition, serviceOf(atServer));
  const addresses = await server.listen(kind === "tcp" ? { tcp: {} } : { ws: {} });
  const proxy = await createChaosProxy({ target: (addresses.tcp ?? addresses.ws)!.url, faults, seed });
  const client = createClient(proxy.url, {
    logger: false,
    reconnect: { retries: Number.POSITIVE_INFINITY, baseMs: 5, maxMs: 60 },
    ...options.client,
  });
  client.implement(TestServiceDefinition, serviceOf(atClient));
  const endings: Record<string, number> = {};
  const counts = { resumed: 0, anew: 0, gaps: 0 };
  client.on("state", (state, detail) => {
    if (state === "connected") counts[detail.resumed ? "resumed" : "anew"]++;
    if (state === "retry-pending" || state === "disconnected") {
      const ending = detail.error?.code ?? detail.reason;
      endings[ending] = (endings[ending] ?? 0) + 1;
    }
  });
  client.on("gap", () => counts.gaps++);
  const sessions: ServerConnection[] = [];
  server.on("connection", (connection) => {
    sessions.push(connection);
    connection.on("gap", () => counts.gaps++);
  });
  await client.connect();
  const progress = setInterval(() => options.onProgress?.(atServer.report.handled + atClient.report.handled), 5_000);
  await Promise.all([sendAll(client, options, atServer.report), sendAll(sessions.at(-1) as never, options, atClient.report)]);
  // What went out is not what arrived: the last notes may still be on their way through another cut.
  const deadline = performance.now() + 60_000;
  while ((atServer.report.handled < frames || atClient.report.handled < frames) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // Anything that comes twice comes soon.
  await new Promise((resolve) => setTimeout(resolve, 200));
  clearInterval(progress);
  const { stats } = proxy;
  await client.close();
  await server.close();
  await proxy.close();
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  const ms = Math.round(performance.now() - started);
  return { up: atServer.report, down: atClient.report, endings, ...counts, stats, ms, exceptions };
}

/** Links that break at a random byte of either direction, about every `everyBytes`; one in twenty goes silent instead. */
export function breaksEvery(everyBytes: number): FaultSource {
  return (_link, random) => {
    const fault = () => {
      // Of two directions one is the first: its share is two thirds of an even choice.
      const at = random.between(0, everyBytes * 3);
      return random.between(1, 20) === 1 ? { silentAtByte: at } : { cutAtByte: at };
    };
    return { up: fault(), down: fault() };
  };
}

/** What is wrong with a run in which nothing may be lost; empty if all holds. */
export function wrongIn({ up, down, gaps, anew, exceptions }: SocketRunReport, frames: number): string[] {
  const wrong: string[] = [...up.failures, ...down.failures, ...exceptions];
  for (const [name, direction] of Object.entries({ up, down })) {
    if (direction.handled !== frames) wrong.push(`${name}: ${direction.handled} of ${frames} handled`);
    for (const fault of ["doubled", "outOfOrder", "damaged"] as const) {
      if (direction[fault] > 0) wrong.push(`${name}: ${direction[fault]} ${fault}`);
    }
  }
  if (gaps > 0) wrong.push(`${gaps} gaps`);
  if (anew !== 1) wrong.push(`${anew} sessions`);
  return wrong;
}
