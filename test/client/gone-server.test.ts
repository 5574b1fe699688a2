import { afterEach, describe, expect, it, vi } from "vitest";
import { createClient as createPageClient } from "../../src/client/browser.js";
import { type Client, type ClientOptions, createClient, type DropEvent, type StateDetail } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import { Outbox } from "../../src/outbox/outbox.js";
import { createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { MemoryNetwork, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeServer } from "../helpers/fake-server.js";
import { MemoryDisk } from "../helpers/memory-storage.js";
import { recordedLog } from "../helpers/recorded-log.js";

const { FRAME_KIND_REQUEST: REQUEST, FRAME_KIND_RESPONSE: RESPONSE, FRAME_KIND_CANCEL: CANCEL } = FrameKind;
/** The command of `Sum`. */
const SUM = 259;
const { RESUME_VERDICT_RESUMED: RESUMED } = ResumeVerdict;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const end of ends.splice(0)) await end();
});

/** A server whose `sum` and `chat` take for as long as they are sent something, and whose `count` counts without end. */
function open(options: ClientOptions = {}, given: ServerOptions = {}, clock = new VirtualClock()) {
  const network = new MemoryNetwork({ clock });
  const aborted: string[] = [];
  const handled: string[] = [];
  const serve = (): Server => {
    const server = createServer({ clock, logger: false, ...given });
    server.implement(TestServiceDefinition, {
      echo: ({ text }) => {
        handled.push(text);
        return text === "never" ? new Promise<never>(() => {}) : { text };
      },
      note: ({ text }) => void handled.push(text),
      sample: ({ text }) => ({ text }),
      async *count(_request, { signal }) {
        signal.addEventListener("abort", () => aborted.push("count at the server"));
        yield { number: 1 };
        await new Promise<never>(() => {});
      },
    });
    ends.push(() => server.close());
    return server;
  };
  let server = serve();
  const client = createClient("ws://memory", {
    clock,
    logger: false,
    random: () => 0.5,
    connector: (...args) => network.connector(server)(...args),
    reconnect: { retries: 2 },
    ...options,
  });
  client.implement(TestServiceDefinition, {
    sum: async (requests, { signal }) => {
      signal.addEventListener("abort", () => aborted.push("sum at the client"));
      for await (const _ of requests);
      return { sum: 0n };
    },
  });
  ends.unshift(() => client.close());
  const connect = async () => {
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    await clock.advance(100);
  };
  const restart = () => {
    server = serve();
  };
  const connection = () => server.connections[0] as Server["connections"][number];
  return { clock, network, client, service: client.service(TestServiceDefinition), connect, restart, connection, aborted, handled };
}

/** What became of a promise so far. */
function watch(promise: Promise<unknown>): { outcome: unknown; error?: FramewireError } {
  const watched: { outcome: unknown; error?: FramewireError } = { outcome: "pending" };
  promise.then(
    (value) => {
      watched.outcome = value;
    },
    (error) => {
      watched.outcome = error instanceof FramewireError ? error.code : String(error);
      watched.error = error;
    },
  );
  return watched;
}

/** Takes a stream for as long as it goes. */
async function take(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

/** A stream of requests that never ends; `state.closed` tells whether it was closed. */
function source() {
  const state = { closed: false };
  const results = [{ done: false, value: { number: 1n } } as const];
  const numbers: AsyncIterable<{ number: bigint }> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => results.pop() ?? new Promise<never>(() => {}),
      return: async () => {
        state.closed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  return { state, numbers };
}

describe("when the retries are used up", () => {
  it("sends, calls and streams that wait fail with what ended it, and nothing is left that would hold the process", async () => {
    const { clock, network, client, service } = open();
    network.reachable = false;
    const { state, numbers } = source();
    const waiting = [
      service.note({ text: "note" }),
      client.send(0x0999, { encode: () => ({ finish: () => new Uint8Array(3) }), decode: () => ({}) }, {}),
      service.echo({ text: "echo" }),
      service.sum(numbers, { timeoutMs: 60_000 }),
      take(service.count({ count: 1 })),
      client.connect(),
    ].map(watch);
    await clock.advance(3900);
    expect(waiting.map(({ outcome }) => outcome)).toEqual([...Array(6).fill("pending")]);
    await clock.advance(1000);
    expect(waiting.map(({ outcome }) => outcome)).toEqual([...Array(5).fill("unavailable"), "connect-failed"]);
    for (const { error } of waiting.slice(0, 5)) {
      expect(error).toMatchObject({
        message: expect.stringMatching(/the client is disconnected: .*network is down/),
        cause: waiting[5]?.error,
      });
    }
    expect([client.state, state.closed, clock.pendingTimers]).toEqual(["disconnected", true, 0]);
  });

  it("after a connection, nothing is left of that either", async () => {
    const server = new FakeServer((link) => (server.links.length === 1 ? link.welcome() : link.close(1006)));
    const { clock, client, service, connect } = open({ connector: server.connector });
    await connect();
    const calls = [service.echo({ text: "never" }), take(service.count({ count: 1 }))].map(watch);
    await clock.advance(100);
    server.last.close(1006);
    await clock.advance(5000);
    expect([client.state, ...calls.map(({ outcome }) => outcome), clock.pendingTimers]).toEqual([
      "disconnected",
      "unavailable",
      "unavailable",
      0,
    ]);
  });

  it("a client of version 1 does the same", async () => {
    const { clock, network, client, service } = open({ version: 1 });
    network.reachable = false;
    const calls = [service.echo({ text: "echo" }, { timeoutMs: 0 }), service.note({ text: "note" }), client.connect()].map(watch);
    await clock.advance(5000);
    expect([...calls.map(({ outcome }) => outcome), clock.pendingTimers]).toEqual(["unavailable", "unavailable", "connect-failed", 0]);
  });

  it("what is sent then fails at once; from connect on it waits again", async () => {
    const { clock, network, client, service, handled, connect } = open();
    network.reachable = false;
    const drops: DropEvent[] = [];
    client.on("drop", (event) => drops.push(event));
    watch(client.connect());
    await clock.advance(5000);
    const late = [service.note({ text: "late" }), service.echo({ text: "late" }), service.sample({ text: "late" })].map(watch);
    await service.price({ price: 1n });
    await clock.runUntilIdle();
    expect(late.map(({ outcome }) => outcome)).toEqual(["unavailable", "unavailable", "unavailable"]);
    expect([drops, clock.pendingTimers]).toMatchObject([[{ reason: "not-connected" }], 0]);
    network.reachable = true;
    const connected = connect();
    const note = service.note({ text: "in time" });
    await connected;
    await note;
    expect(handled).toEqual(["in time"]);
  });

  it("calls in flight fail, in both directions; a session that is resumed later ends them at the server", async () => {
    const { clock, network, client, service, aborted, connect, connection } = open();
    await connect();
    const calls = [service.echo({ text: "never" }, { timeoutMs: 0 }), take(service.count({ count: 1 }))].map(watch);
    const served = watch(connection().service(TestServiceDefinition).sum(source().numbers, { timeoutMs: 0 }));
    await clock.advance(100);
    network.reachable = false;
    network.cut();
    await clock.advance(5000);
    expect([client.state, ...calls.map(({ outcome }) => outcome)]).toEqual(["disconnected", "unavailable", "unavailable"]);
    expect(aborted).toEqual(["sum at the client"]);
    network.reachable = true;
    await connect();
    expect([aborted, served.outcome]).toEqual([["sum at the client", "count at the server"], "unavailable"]);
  });

  it("an outbox keeps what it has and takes more; it goes out after connect, and calls get their replies", async () => {
    const clock = new VirtualClock();
    const outbox = await Outbox.over(new MemoryDisk().open(clock, 0));
    const { network, client, service, handled, connect } = open({ outbox }, {}, clock);
    network.reachable = false;
    const accepted = watch(service.note({ text: "before" }));
    const reply = watch(service.echo({ text: "call" }, { timeoutMs: 0 }));
    const stream = watch(take(service.count({ count: 1 })));
    watch(client.connect());
    await clock.advance(5000);
    const late = watch(service.note({ text: "after" }));
    await clock.advance(1000);
    expect([accepted.outcome, reply.outcome, stream.outcome, late.outcome]).toEqual([{}, "pending", "unavailable", {}]);
    expect(clock.pendingTimers).toBe(0);
    network.reachable = true;
    await connect();
    expect([handled, reply.outcome]).toMatchObject([["before", "call", "after"], { text: "call" }]);
  });

  it.each(["online", "pageshow", "visibilitychange"])("a page's %s has the client try again, until it is closed", async (type) => {
    const page = new EventTarget();
    vi.stubGlobal("document", Object.assign(page, { visibilityState: "visible" }));
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    const { clock, network, client, service } = open();
    network.reachable = false;
    watch(client.connect());
    await clock.advance(5000);
    expect(client.state).toBe("disconnected");
    network.reachable = true;
    page.dispatchEvent(Object.assign(new Event(type), { persisted: true }));
    expect(client.state).toBe("connecting");
    const [echo] = await Promise.all([service.echo({ text: "back" }), clock.advance(100)]);
    expect(echo).toMatchObject({ text: "back" });
    network.reachable = false;
    network.cut();
    await clock.advance(5000);
    await client.close();
    page.dispatchEvent(Object.assign(new Event(type), { persisted: true }));
    expect(client.state).toBe("disconnected");
  });
});

it("after a final code calls in flight and sends fail as well, with the server's reason", async () => {
  const { clock, service, connect, connection, client } = open();
  await connect();
  const call = watch(take(service.count({ count: 1 })));
  await clock.advance(100);
  connection().close(4000, "banned");
  await clock.advance(100);
  const late = watch(service.note({ text: "late" }));
  await clock.runUntilIdle();
  expect([client.state, call.outcome, late.outcome]).toEqual(["disconnected", "unavailable", "unavailable"]);
  expect(call.error).toMatchObject({ message: expect.stringContaining("banned") });
});

describe("when the session cannot be resumed any more", () => {
  const FOREVER = { reconnect: { retries: Number.POSITIVE_INFINITY } };
  const SERVER = { resumeWindowMs: 2000, heartbeatIntervalMs: 3000, heartbeatTimeoutMs: 1000 };

  /** A connected client with calls in flight, whose server is gone for it. */
  async function gone(options: ClientOptions = {}, clock?: VirtualClock) {
    const bed = open({ ...FOREVER, ...options }, SERVER, clock);
    await bed.connect();
    const calls = [bed.service.echo({ text: "never" }, { timeoutMs: 0 }), take(bed.service.count({ count: 1 }))].map(watch);
    const served = watch(bed.connection().service(TestServiceDefinition).sum(source().numbers, { timeoutMs: 0 }));
    await bed.clock.advance(100);
    bed.network.reachable = false;
    return { ...bed, calls, served };
  }

  it("calls and streams fail: after the server's window, heartbeat interval and timeout, with no server to say so", async () => {
    const { clock, network, client, calls, aborted } = await gone();
    network.cut();
    await clock.advance(5990);
    expect([...calls.map(({ outcome }) => outcome), aborted]).toEqual(["pending", "pending", ["count at the server"]]);
    await clock.advance(20);
    expect([...calls.map(({ outcome }) => outcome), aborted]).toEqual([
      "unavailable",
      "unavailable",
      ["count at the server", "sum at the client"],
    ]);
    expect(calls[1]?.error?.message).toMatch(/Count: the session could not be resumed within 6000 ms/);
    expect(client.state).toBe("retry-pending");
  });

  it("what had not gone out waits for the next session", async () => {
    const { clock, network, service, restart, handled } = await gone();
    network.cut();
    await clock.advance(10);
    const waiting = [service.echo({ text: "waits" }, { timeoutMs: 0 }), service.note({ text: "too" })].map(watch);
    await clock.advance(10_000);
    restart();
    network.reachable = true;
    await clock.advance(60_000);
    expect([waiting[0]?.outcome, handled]).toMatchObject([{ text: "waits" }, ["never", "waits", "too"]]);
  });

  it("a server that resumes it all the same is told of calls that nobody waits for", async () => {
    const server = new FakeServer((link) =>
      link.welcome(server.links.length === 1 ? SERVER : { ...SERVER, verdict: RESUMED, received: 1n }),
    );
    const { clock, client, service, connect } = open({ connector: server.connector, reconnect: { baseMs: 10_000, retries: 9 } });
    await connect();
    const call = watch(service.echo({ text: "never" }, { timeoutMs: 0 }));
    server.last.send({ cmd: SUM, kind: REQUEST, callId: 2, sequence: 1n });
    await clock.advance(100);
    server.last.close(1006);
    await clock.advance(6100);
    expect([client.state, call.outcome]).toEqual(["retry-pending", "unavailable"]);
    await clock.advance(5000);
    expect(server.last.received.slice(0, 2).map(({ kind, sequence }) => [kind, sequence])).toEqual([
      [CANCEL, 2],
      [RESPONSE, 3],
    ]);
  });

  it("`rejected` says so at once", async () => {
    const { clock, network, calls, restart, client } = await gone();
    network.cut();
    restart();
    network.reachable = true;
    await clock.advance(2000);
    expect([client.state, ...calls.map(({ outcome }) => outcome)]).toEqual(["connected", "unavailable", "unavailable"]);
  });

  it("a connection in time keeps them, however often it happens", async () => {
    const { clock, network, calls, client } = await gone({ reconnect: { baseMs: 500, maxMs: 500, retries: 99 } });
    for (let i = 0; i < 5; i++) {
      network.reachable = false;
      network.cut();
      await clock.advance(1500);
      network.reachable = true;
      await clock.runUntil(() => client.state === "connected");
      await clock.advance(4000);
    }
    expect(calls.map(({ outcome }) => outcome)).toEqual(["pending", "pending"]);
  });

  it("calls that an outbox keeps are made again in the next session, and get their replies", async () => {
    const clock = new VirtualClock();
    const outbox = await Outbox.over(new MemoryDisk().open(clock, 0));
    const { network, service, restart, handled, calls } = await gone({ outbox }, clock);
    const kept = watch(service.echo({ text: "kept" }, { timeoutMs: 0 }));
    network.cut();
    await clock.advance(10_000);
    expect([...calls, kept].map(({ outcome }) => outcome)).toEqual(["pending", "unavailable", "pending"]);
    restart();
    network.reachable = true;
    await clock.advance(60_000);
    expect([kept.outcome, handled.filter((text) => text === "kept").length]).toMatchObject([{ text: "kept" }, 1]);
  });
});

describe("connect", () => {
  it("tells of each attempt that fails, with its error, its number and the delay, by `state`; a log tells of the first", async () => {
    const logger = recordedLog();
    const { clock, network, client } = open({ logger, reconnect: { retries: 3 } });
    network.reachable = false;
    const told: StateDetail[] = [];
    client.on("state", (state, detail) => state === "retry-pending" && told.push(detail));
    watch(client.connect());
    await clock.advance(10_000);
    expect(told.map(({ error, retries, delayMs }) => [error?.code, retries, delayMs])).toEqual([
      ["connect-failed", 1, 1500],
      ["connect-failed", 2, 2500],
      ["connect-failed", 3, 4500],
    ]);
    expect(logger.texts("warn")).toEqual(["the client's state", "the client has given up"]);
  });

  it.each<readonly [string, typeof createClient, string]>([
    ["in browsers and React Native without end", createPageClient, "retry-pending"],
    ["on Node five times", createClient, "disconnected"],
  ])("is tried again %s by default", async (_name, create, state) => {
    const clock = new VirtualClock();
    const connector = () => Promise.reject(new FramewireError("connect-failed", "nobody is there"));
    for (const reconnect of [undefined, {}, { retries: undefined as never }, { baseMs: 1000 }]) {
      const client: Client = create("ws://nowhere", { clock, connector, logger: false, ...(reconnect && { reconnect }) });
      ends.push(() => client.close());
      watch(client.connect());
      await clock.advance(36_000);
      expect(client.state === "disconnected").toBe(state === "disconnected");
      await clock.advance(3_600_000);
      expect(client.state).toBe(state);
    }
  });
});
