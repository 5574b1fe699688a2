/**
 * Hostile peers: our server against hostile clients and our client against hostile servers, in memory and in virtual time. A run passes if no
 * error escapes from the library, what it sends keeps to the wire's rules, every link is closed at the end, every call has settled and no timer
 * is left. One seed is one run; the same seed does the same again.
 */
import { type Client, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { createServer, type ServerConnection, type ServerOptions } from "../../src/server/index.js";
import { memoryPair, type Transport, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { Random } from "../helpers/random.js";
import { HostilePeer, newMemory } from "./hostile-peer.js";
import type { SeedTarget } from "./target.js";

/** Every run is over by then, the longest waits for handlers and resumes included, in virtual milliseconds. */
const END_MS = 400_000;
const BYTES = { encode: (bytes: Uint8Array) => ({ finish: () => bytes }), decode: (bytes: Uint8Array) => bytes.slice() };
/** Longer than any wait for a resume. */
const LONG_PAUSE_MS = 130_000;
const PAUSES = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 5, 10, 10, 30, 30, 100, 100, 700, 700, 5000, 40_000];
const REASONS = ["", "bye", "€".repeat(500), "\u001b[31m", "x".repeat(5000)];

const THEN = "then";

function throws(message: string): never {
  throw new Error(message);
}

/** What an application's hook or listener may do by mistake: throw, reject, or give a thenable that breaks the rules. */
function mistake(random: Random): unknown {
  switch (random.from(0, 5)) {
    case 0:
      return throws("a hook's mistake");
    case 1:
      throw undefined;
    case 2:
      return Promise.reject(new Error("a hook's late mistake"));
    case 3:
      return Object.defineProperty({}, THEN, { value: () => throws("a thenable's mistake") });
    case 4:
      return Object.defineProperty({}, THEN, { value: (resolve: () => void, reject: () => void) => [resolve(), reject(), resolve()] });
    default:
      return Object.defineProperty({}, THEN, { get: () => throws("a getter's mistake") });
  }
}

/** What a run has in common, whichever side is under test. */
class Scene {
  readonly clock = new VirtualClock(1000);
  readonly random: Random;
  readonly peers: HostilePeer[] = [];
  readonly escaped: string[] = [];
  readonly #note: (line: string) => void;
  /** Promises of the application that must settle before the run ends. */
  #open = 0;
  readonly #names = new Map<number, string>();
  #nextName = 0;

  constructor(seed: number, note: (line: string) => void) {
    this.random = new Random(seed);
    this.#note = note;
  }

  note(line: string): void {
    this.#note(`${this.clock.now() - 1000} ms: ${line}`);
  }

  /** Two ends whose deliveries run on the clock; a delivery that throws is an error that escaped. */
  pair(): [Transport, Transport] {
    const { random, clock } = this;
    const messages = random.oneIn(2);
    const protocol = random.pick([undefined, undefined, undefined, 2, 2, 1] as const);
    const ends = memoryPair({
      messages,
      ...(protocol === undefined ? {} : { protocol }),
      schedule: (deliver) =>
        clock.defer(() => {
          try {
            deliver();
          } catch (error) {
            this.escaped.push(describe("out of the transport's callback", error));
          }
        }),
    });
    const kind = messages ? "ws" : random.pick(["tcp", "tls", "memory"] as const);
    const remoteAddress = `10.0.0.${random.from(1, 3)}`;
    for (const end of ends) Object.defineProperty(end, "info", { value: { ...end.info, kind, remoteAddress } });
    return ends;
  }

  peer(transport: Transport, role: "client" | "server", memory = newMemory()): HostilePeer {
    const name = `${role} ${this.peers.length}`;
    const peer = new HostilePeer(transport, role, memory, this.random, (line) => this.note(`${name}: ${line}`));
    this.peers.push(peer);
    return peer;
  }

  /** The application waits for `promise`, whatever comes of it. */
  settles(what: string, promise: Promise<unknown>): void {
    const name = this.#nextName++;
    this.#open++;
    this.#names.set(name, what);
    const settled = () => {
      this.#open--;
      this.#names.delete(name);
    };
    promise.then(settled, settled);
  }

  /** Runs a step of the application. None of them may throw: what is refused is refused by a promise. */
  try(what: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.escaped.push(describe(`out of ${what}`, error));
    }
  }

  async pause(): Promise<void> {
    await this.#advance(this.random.oneIn(200) ? LONG_PAUSE_MS : this.random.pick(PAUSES));
  }

  /** Time passes until all is over; what must not be. */
  async end(): Promise<string[]> {
    for (let round = 0; round < 4; round++) {
      for (const peer of this.peers) peer.hear();
      await this.#advance(END_MS / 4);
    }
    await new Promise((resolve) => setImmediate(resolve));
    const wrong = [...this.escaped, ...this.peers.flatMap(({ broken }) => broken)];
    const left = this.peers.filter(({ closed }) => !closed).length;
    if (left > 0) wrong.push(`${left} of ${this.peers.length} links were not closed`);
    if (this.#open > 0) wrong.push(`never settled: ${[...this.#names.values()].slice(0, 5).join(", ")}`);
    if (this.clock.pendingTimers > 0) wrong.push(`${this.clock.pendingTimers} timers were forgotten`);
    return wrong;
  }

  async #advance(ms: number): Promise<void> {
    try {
      await this.clock.advance(ms);
    } catch (error) {
      this.escaped.push(describe("out of a timer", error));
    }
  }

  /** A listener that makes a mistake now and then; `undefined` = there is none in this run. */
  listener(): (() => void) | undefined {
    const { random } = this;
    const often = random.pick([0, 0, 0, 1, 4]);
    return often === 0 ? undefined : () => (random.oneIn(often) ? (mistake(random) as undefined) : undefined);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(ms, resolve));
  }

  get frames(): number {
    return this.peers.reduce((sum, { frames }) => sum + frames, 0);
  }
}

function describe(where: string, error: unknown): string {
  return `${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

/** Serves every method, now well, now badly. */
function service(scene: Scene) {
  const { random } = scene;
  const trouble = () => {
    if (random.oneIn(20)) throw new Error("a handler's mistake");
    if (random.oneIn(20)) throw new FramewireError("not-found", "no".repeat(random.pick([1, 3000])), { metadata: { "": "€" } });
  };
  return {
    echo: async (
      { text, delayMs }: { text: string; delayMs: number },
      context: { responseMetadata: Record<string, string> | undefined },
    ) => {
      trouble();
      if (delayMs > 0) await scene.sleep(Math.min(delayMs, 30_000));
      if (random.oneIn(6)) context.responseMetadata = random.pick(BAD_METADATA) as Record<string, string>;
      return { text, data: new Uint8Array(random.pick([0, 10, 2000])) };
    },
    async *count({ count, padding }: { count: number; padding: number }) {
      for (let number = 1; number <= Math.min(count, 50); number++) {
        if (number % 7 === 0) await scene.sleep(3);
        trouble();
        yield { number, padding: new Uint8Array(Math.max(0, Math.min(padding, 3000))) };
      }
    },
    sum: async (requests: AsyncIterable<{ number: bigint }>) => {
      let sum = 0n;
      // In one of four cases nobody reads what is streamed.
      if (!random.oneIn(4)) for await (const { number } of requests) sum += number;
      else await scene.sleep(20);
      return { sum: BigInt.asIntN(64, sum) };
    },
    async *chat(requests: AsyncIterable<{ text: string }>) {
      for await (const { text } of requests) {
        trouble();
        yield { text };
      }
    },
    note: () => trouble(),
    sample: ({ text }: { text: string }) => ({ text }),
    price: () => {},
  };
}

/** What handlers may leave by mistake where a map of strings is wanted. */
const BAD_METADATA: readonly unknown[] = [
  { a: "b" },
  { "": "" },
  { long: "x".repeat(3000) },
  ["a"],
  { n: 1 },
  { u: undefined },
  "text",
  5,
  null,
];

/** Calls and sends of one side, each of which has to settle. */
function useService(scene: Scene, side: ServerConnection | Client): void {
  const { random } = scene;
  const service = side.service(TestServiceDefinition);
  const options = random.oneIn(2) ? {} : { timeoutMs: random.pick([1, 50, 30_000]) };
  const all = async (items: AsyncIterable<unknown>) => {
    let left = random.pick([1, 1000]);
    for await (const _ of items) if (--left === 0) return;
  };
  async function* items<T>(item: T) {
    for (let i = random.pick([0, 1, 5, 300]); i > 0; i--) {
      if (i % 50 === 0) await scene.sleep(2);
      yield item;
    }
  }
  const text = random.pick(["", "hello", "€".repeat(400), "x".repeat(5000)]);
  switch (random.from(0, 6)) {
    case 0:
      return scene.settles("echo", service.echo({ text }, options));
    case 1:
      return scene.settles("count", all(service.count({ count: 20, padding: 100 }, options)));
    case 2:
      return scene.settles("sum", service.sum(items({ number: 5n }), { timeoutMs: 60_000, ...options }));
    case 3:
      return scene.settles("chat", all(service.chat(items({ text }), { timeoutMs: 60_000, ...options })));
    case 4:
      return scene.settles("note", service.note({ text }));
    case 5:
      return scene.settles("request", side.request(0x301, BYTES, new Uint8Array(random.pick([0, 10, 5000])), options));
    default:
      return scene.settles("send", side.send(0x302, BYTES, new Uint8Array(random.pick([0, 10, 5000]))));
  }
}

function options(random: Random): ServerOptions {
  const few = <T>(of: Record<string, readonly T[]>) =>
    Object.fromEntries(
      Object.entries(of)
        .filter(() => random.oneIn(6))
        .map(([name, values]) => [name, random.pick(values)]),
    );
  return {
    ...few({
      maxPayload: [1024, 65_536],
      maxCalls: [1, 3],
      initialCredit: [1, 100, 2000],
      highWaterMark: [1, 1000],
      maxQueuedBytes: [1000, 20_000],
      maxQueuedFrames: [1, 20],
      replayBytes: [0, 1000],
      replayFrames: [1, 8],
      resumeWindowMs: [0, 500, 120_000],
      ackDelayMs: [0, 1000],
      heartbeatIntervalMs: [0, 2000, 20_000],
      heartbeatTimeoutMs: [500, 2000],
      frameTimeoutMs: [10, 500],
      writeTimeoutMs: [10, 500],
      closeTimeoutMs: [10, 500],
      handshakeTimeoutMs: [10, 500],
    }),
    ...few({ recovery: ["resync", "close"] as const }),
  };
}

async function attackServer(scene: Scene): Promise<string[]> {
  const { random, clock } = scene;
  const think = random.pick([undefined, undefined, 0, 5, 300]);
  const server = createServer({
    clock,
    logger: false,
    ...options(random),
    ...(random.oneIn(4) ? { maxSessions: random.pick([0, 1, 3]), maxSessionBytes: random.pick([0, 1000]) } : {}),
    ...(random.oneIn(6) ? { maxHandshakes: 1 } : {}),
    ...(think === undefined
      ? {}
      : {
          authenticate: async () => {
            if (think > 0) await scene.sleep(think);
            if (random.oneIn(10)) return mistake(random) as never;
            return { identity: { name: "a" }, subject: random.pick(["a", "b"]) };
          },
        }),
    ...(random.oneIn(3)
      ? {
          authorize: async () => {
            if (random.oneIn(4)) await scene.sleep(10);
            if (random.oneIn(10)) throw new FramewireError("permission-denied", "no");
            if (random.oneIn(20)) return mistake(random) as boolean;
            return !random.oneIn(10);
          },
        }
      : {}),
  });
  server.implement(TestServiceDefinition, service(scene));
  server.handle(0x301, BYTES, (message) => message);
  server.handle(0x302, BYTES, () => undefined);
  // Without a listener the library prints what hooks and listeners do wrong.
  server.on("failure", () => {});
  for (const event of ["frame", "connection", "disconnection", "refused", "limit", "drop"] as const) {
    const listener = scene.listener();
    if (listener !== undefined) server.on(event, listener);
  }
  if (random.oneIn(8)) server.use((_context, next) => (random.oneIn(8) ? (mistake(random) as never) : next()));
  const pick = () => {
    const { connections } = server;
    return connections.length === 0 ? undefined : random.pick(connections);
  };
  const memories = [newMemory(), newMemory()];
  const join = () => {
    const [near, far] = scene.pair();
    server.accept(far);
    scene.peer(near, "client", random.pick(memories)).begin();
  };
  join();
  for (let step = random.pick([5, 20, 60]); step > 0; step--) {
    if (random.oneIn(10) && scene.peers.length < 6) join();
    for (let count = random.from(0, 12); count > 0; count--) random.pick(scene.peers).act();
    if (random.oneIn(3)) scene.try("an application's step", () => applicationStep(scene, server, pick()));
    await scene.pause();
    if (scene.escaped.length > 0) break;
  }
  const drainMs = random.pick([0, 0, 50, 5000]);
  scene.note(`the server closes, drainMs ${drainMs}`);
  const closed = server.close({ drainMs, ...(random.oneIn(3) ? { reconnectSpreadMs: random.pick([0, 60_000]) } : {}) });
  scene.settles(
    "server.close()",
    closed.catch((error) => scene.escaped.push(describe("out of server.close()", error))),
  );
  for (let step = random.from(0, 5); step > 0; step--) {
    random.pick(scene.peers).act();
    await scene.pause();
  }
  const wrong = await scene.end();
  const { sockets, handshakes, sessions, heldBytes } = server.stats;
  if (sockets + handshakes + sessions > 0) wrong.push(`left: ${sockets} sockets, ${handshakes} handshakes, ${sessions} sessions`);
  if (heldBytes !== 0) wrong.push(`${heldBytes} bytes are still on the account`);
  if (server.connections.length > 0) wrong.push(`left: ${server.connections.length} connections`);
  return wrong;
}

function applicationStep(scene: Scene, server: ReturnType<typeof createServer>, connection: ServerConnection | undefined): void {
  const { random } = scene;
  if (random.oneIn(5)) {
    scene.note("the server broadcasts");
    if (random.oneIn(2)) server.broadcast(TestServiceDefinition.methods.note, { text: "to all" });
    else server.to("room").send(TestServiceDefinition.methods.note, { text: "to a room" });
  }
  if (connection === undefined) return;
  switch (random.from(0, 9)) {
    case 0:
      connection.join("room");
      return;
    case 1:
      connection.leave("room");
      return;
    case 2: {
      const code = random.pick([1000, 3000, 4000, 4399]);
      scene.note(`the server closes a connection with ${code}`);
      return connection.close(code, random.pick(REASONS));
    }
    default:
      return useService(scene, connection);
  }
}

async function attackClient(scene: Scene): Promise<string[]> {
  const { random, clock } = scene;
  const memory = newMemory();
  const client = createClient("ws://memory", {
    clock,
    logger: false,
    random: () => random.uint32() / 2 ** 32,
    reconnect: random.oneIn(3) ? false : { retries: random.pick([1, 5, Number.POSITIVE_INFINITY]), baseMs: 500, maxMs: 20_000 },
    ...options(random),
    ...(random.oneIn(3) ? { credentials: random.pick(["", "secret", "x".repeat(60_000), () => mistake(random) as string]) } : {}),
    connector: async () => {
      if (random.oneIn(10)) throw new FramewireError("connect-failed", "nobody is there");
      if (random.oneIn(4)) await scene.sleep(20);
      const [near, far] = scene.pair();
      scene.peer(far, "server", memory);
      return near;
    },
  });
  client.implement(TestServiceDefinition, service(scene));
  client.handle(0x301, BYTES, (message) => message);
  client.handle(0x302, BYTES, () => undefined);
  client.on("failure", () => {});
  for (const event of ["frame", "state", "gap", "goaway"] as const) {
    const listener = scene.listener();
    if (listener !== undefined) client.on(event, listener);
  }
  const connect = () => scene.settles("connect()", client.connect());
  connect();
  for (let step = random.pick([5, 20, 60]); step > 0; step--) {
    const last = scene.peers.at(-1);
    for (let count = random.from(0, 12); count > 0; count--) last?.act();
    if (random.oneIn(3)) scene.try("a call", () => useService(scene, client));
    if (random.oneIn(15)) scene.try("connect()", connect);
    await scene.pause();
    if (scene.escaped.length > 0) break;
  }
  scene.note("the client closes");
  scene.settles(
    "client.close()",
    client.close().catch((error) => scene.escaped.push(describe("out of client.close()", error))),
  );
  const wrong = await scene.end();
  if (client.state !== "disconnected") wrong.push(`the client is ${client.state}`);
  return wrong;
}

export const peersTarget: SeedTarget = {
  name: "peers",
  async run(seed, note) {
    const scene = new Scene(seed, note);
    const escapes = (error: unknown) => scene.escaped.push(describe("out of a promise or a later turn", error));
    process.on("uncaughtException", escapes);
    process.on("unhandledRejection", escapes);
    try {
      const wrong = await (scene.random.oneIn(2) ? attackServer(scene) : attackClient(scene));
      if (wrong.length > 0) throw new Error(wrong.join("\n"));
      return scene.frames;
    } finally {
      process.off("uncaughtException", escapes);
      process.off("unhandledRejection", escapes);
    }
  },
};
