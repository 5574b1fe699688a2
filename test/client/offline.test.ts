import { afterEach, describe, expect, it } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { MemoryNetwork, type MemoryNetworkOptions, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { sleep } from "../helpers/session-run.js";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Bed {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly client: Client;
  server: Server;
  /** Texts of the notes and echoes that the server handled. */
  readonly handled: string[];
  /** Connects, or has the client come back. */
  connect(): Promise<void>;
  serve(): Server;
}

function open(options: ClientOptions = {}, given: ServerOptions = {}, network: MemoryNetworkOptions = {}): Bed {
  const clock = new VirtualClock();
  const bed = { clock, network: new MemoryNetwork({ clock, ...network }), handled: [] as string[] } as unknown as Bed & { server: Server };
  const serve = (): Server => {
    const server = createServer({ clock, ...given });
    server.implement(TestServiceDefinition, {
      note: ({ text }) => void bed.handled.push(text),
      echo: async ({ text, delayMs }) => {
        bed.handled.push(text);
        if (delayMs > 0) await sleep(clock, delayMs);
        return { text };
      },
      sum: async (requests) => {
        let sum = 0n;
        for await (const { number } of requests) sum += number;
        return { sum };
      },
      sample: ({ text }) => ({ text }),
    });
    ends.push(() => server.close());
    bed.server = server;
    return server;
  };
  serve();
  const client = createClient("ws://memory", {
    clock,
    connector: (...args) => bed.network.connector(bed.server)(...args),
    random: () => 0.5,
    reconnect: { retries: Number.POSITIVE_INFINITY },
    ...options,
  });
  ends.unshift(() => client.close());
  const connect = async () => {
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    await clock.advance(100);
  };
  return Object.assign(bed, { client, connect, serve });
}

/** What becomes of each promise, in the order they were made. */
function outcomes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map((promise) => promise.catch((error) => (error instanceof FramewireError ? error.code : error))));
}

describe("sends and calls without a connection", () => {
  it("wait for one and go out in order", async () => {
    const { client, handled, connect } = open();
    const service = client.service(TestServiceDefinition);
    const sent = [0, 1, 2].flatMap((i) => [service.note({ text: `note ${i}` }), service.echo({ text: `echo ${i}` })]);
    await connect();
    await Promise.all(sent);
    expect(handled).toEqual(["note 0", "echo 0", "note 1", "echo 1", "note 2", "echo 2"]);
  });

  it("are refused one by one when as many wait as may, and those before them still go out", async () => {
    const { client, handled, connect } = open({ maxQueuedFrames: 2 });
    const service = client.service(TestServiceDefinition);
    const sent = outcomes([
      service.note({ text: "a" }),
      service.echo({ text: "b" }),
      service.note({ text: "c" }),
      service.echo({ text: "d" }),
    ]);
    await connect();
    const [, echo, third, fourth] = await sent;
    expect([echo, third, fourth]).toMatchObject([{ text: "b" }, "queue-full", "queue-full"]);
    expect(handled).toEqual(["a", "b"]);
  });

  it("are refused when as many bytes wait as may; the error says how many and what the limits are", async () => {
    const { client } = open({ maxQueuedBytes: 1000, maxQueuedFrames: 50 });
    const service = client.service(TestServiceDefinition);
    service.note({ text: "x".repeat(600) }).catch(() => {});
    await expect(service.note({ text: "y".repeat(600) })).rejects.toMatchObject({
      code: "queue-full",
      message: expect.stringMatching(
        /^test\.v1\.TestService\/Note: 1 frames and 7\d\d bytes .*; maxQueuedFrames is 50, maxQueuedBytes 1000$/,
      ),
    });
  });

  it("are refused after they have waited too long, each at its own time", async () => {
    const { client, clock, handled, connect } = open({ maxQueuedMs: 1000 });
    const service = client.service(TestServiceDefinition);
    const log: string[] = [];
    const watch = (name: string, promise: Promise<unknown>) =>
      promise.catch((error: FramewireError) => log.push(`${name} ${error.code} at ${clock.now()}`));
    watch("note", service.note({ text: "note" }));
    await clock.advance(300);
    watch("echo", service.echo({ text: "echo" }, { timeoutMs: 0 }));
    watch("sum", service.sum([{ number: 1n }], { timeoutMs: 0 }));
    await clock.advance(300);
    const late = service.note({ text: "late" });
    await clock.advance(800);
    expect(log).toEqual(["note queue-expired at 1000", "echo queue-expired at 1300", "sum queue-expired at 1300"]);
    await connect();
    await late;
    expect(handled).toEqual(["late"]);
    expect(clock.pendingTimers).toBeLessThan(10);
  });

  it("are never sent once they were given up", async () => {
    const { client, clock, handled, connect } = open();
    const service = client.service(TestServiceDefinition);
    const abort = new AbortController();
    const calls = outcomes([
      service.echo({ text: "aborted" }, { signal: abort.signal }),
      service.echo({ text: "timed out" }, { timeoutMs: 50 }),
    ]);
    await clock.advance(10);
    abort.abort();
    await clock.advance(100);
    expect(await calls).toEqual(["cancelled", "deadline-exceeded"]);
    await connect();
    expect(handled).toEqual([]);
  });

  it("fail when the client is closed", async () => {
    const { client } = open();
    const service = client.service(TestServiceDefinition);
    const sent = outcomes([service.note({ text: "a" }), service.echo({ text: "b" })]);
    await client.close();
    expect(await sent).toEqual(["connection-closed", "connection-closed"]);
  });

  it("do not wait if their command is sent at most once", async () => {
    const { client, clock, connect } = open();
    const service = client.service(TestServiceDefinition);
    await expect(service.sample({ text: "s" })).rejects.toMatchObject({ code: "unavailable" });
    await service.price({ price: 1n });
    await connect();
    const [reply] = await Promise.all([service.sample({ text: "s" }), clock.advance(10)]);
    expect(reply).toEqual({ text: "s" });
  });
});

describe("what the peer knows of already", () => {
  it("waits as long as the session does: no item of a stream and no reply is taken out of the middle", async () => {
    const { client, clock, network, connect } = open({ maxQueuedMs: 1000, reconnect: { baseMs: 20_000 } }, { maxQueuedMs: 1000 });
    await connect();
    const service = client.service(TestServiceDefinition);
    const numbers = async function* () {
      for (let i = 0; i < 10; i++) {
        yield { number: 1n };
        await sleep(clock, 100);
      }
    };
    const calls = Promise.all([service.sum(numbers(), { timeoutMs: 0 }), service.echo({ text: "slow", delayMs: 5000 }, { timeoutMs: 0 })]);
    await clock.advance(350);
    network.cut();
    await clock.advance(30_000);
    expect(await calls).toMatchObject([{ sum: 10n }, { text: "slow" }]);
  });

  it("does not reach the calls of another session that have the same numbers", async () => {
    const { client, clock, network, connect, server, serve, handled } = open();
    let replies = 0;
    client.implement(TestServiceDefinition, {
      echo: async ({ text }) => {
        replies++;
        await sleep(clock, 500);
        return { text: `the client's ${text}` };
      },
    });
    await connect();
    const first = server.connections[0]!.service(TestServiceDefinition).echo({ text: "first" });
    first.catch(() => {});
    await clock.advance(100);
    network.reachable = false;
    network.cut();
    await clock.advance(600);
    const next = serve();
    network.reachable = true;
    let second: Promise<{ text: string }> | undefined;
    next.on("connection", (connection) => {
      queueMicrotask(() => {
        second = connection.service(TestServiceDefinition).echo({ text: "second" });
      });
    });
    await clock.advance(5000);
    expect(await second).toMatchObject({ text: "the client's second" });
    expect([replies, handled]).toEqual([2, []]);
  });
});

describe("calls made while the server says that it is about to close", () => {
  it("wait for the next connection, streams and all; those in flight go on, and messages are still sent", async () => {
    const { client, clock, connect, server, serve, handled } = open();
    await connect();
    const service = client.service(TestServiceDefinition);
    const running = service.sum(
      (async function* () {
        for (let i = 0; i < 10; i++) {
          yield { number: 1n };
          await sleep(clock, 100);
        }
      })(),
      { timeoutMs: 0 },
    );
    await clock.advance(200);
    const closed = server.close({ drainMs: 10_000, reconnectSpreadMs: 4000 });
    await clock.advance(10);
    const calls = Promise.all([service.echo({ text: "later" }), service.sum([{ number: 7n }]), service.note({ text: "now" })]);
    const givenUp = outcomes([service.echo({ text: "given up" }, { timeoutMs: 100 })]);
    await clock.advance(500);
    expect([handled, client.state, await givenUp]).toEqual([["now"], "connected", ["deadline-exceeded"]]);
    serve();
    await clock.advance(5000);
    await closed;
    expect([await running, ...(await calls)]).toMatchObject([{ sum: 10n }, { text: "later" }, { sum: 7n }, {}]);
    expect(handled).toEqual(["now", "later"]);
  });

  it("are refused after they have waited too long", async () => {
    const { client, clock, connect, server } = open({ maxQueuedMs: 1000 });
    await connect();
    const hang = client.service(TestServiceDefinition).echo({ text: "hangs", delayMs: 60_000 }, { timeoutMs: 0 });
    hang.catch(() => {});
    await clock.advance(10);
    const closed = server.close({ drainMs: 5000 });
    await clock.advance(10);
    const late: unknown[] = [];
    outcomes([client.service(TestServiceDefinition).echo({ text: "later" }, { timeoutMs: 0 })]).then((codes) => late.push(...codes));
    // The server has closed, and nobody takes its place.
    await clock.advance(5900);
    await closed;
    expect(late).toEqual([]);
    await clock.advance(200);
    expect(late).toEqual(["queue-expired"]);
  });
});

describe("a client of version 1", () => {
  it("makes calls before it is connected and gets each its own reply", async () => {
    const { client, connect, handled } = open({ version: 1 });
    const service = client.service(TestServiceDefinition);
    const calls = outcomes([service.echo({ text: "a" }), service.echo({ text: "b" }), service.sample({ text: "c" })]);
    await connect();
    expect(await calls).toMatchObject([{ text: "a" }, { text: "b" }, { text: "c" }]);
    expect(handled).toEqual(["a", "b"]);
  });

  it("does not send a call that was given up before, and no later call gets its reply", async () => {
    const { client, clock, connect, handled } = open({ version: 1 });
    const service = client.service(TestServiceDefinition);
    const early = outcomes([service.echo({ text: "early" }, { timeoutMs: 50 })]);
    await clock.advance(100);
    const call = service.echo({ text: "late" });
    await connect();
    expect([await early, await call]).toMatchObject([["deadline-exceeded"], { text: "late" }]);
    expect(handled).toEqual(["late"]);
  });

  it("refuses calls that stream, in either direction, at once", async () => {
    const { client, connect } = open({ version: 1 });
    await connect();
    const service = client.service(TestServiceDefinition);
    const first = service.count({ count: 3 })[Symbol.asyncIterator]().next();
    expect(await outcomes([service.sum([]), first])).toEqual(["unimplemented", "unimplemented"]);
  });

  it("gives the same errors as one of version 2 for what cannot be encoded and for a signal that is aborted", async () => {
    const { client, connect, handled } = open({ version: 1 });
    await connect();
    const service = client.service(TestServiceDefinition);
    const broken = service.echo({
      get text(): string {
        throw new Error("no text");
      },
    });
    const signal = AbortSignal.abort();
    expect(await outcomes([broken, service.echo({ text: "aborted" }, { signal })])).toEqual(["invalid-argument", "cancelled"]);
    expect(handled).toEqual([]);
  });

  it("loses with a connection what was sent on it, and keeps what was not", async () => {
    const { client, clock, network, connect, handled } = open({ version: 1 });
    await connect();
    const service = client.service(TestServiceDefinition);
    const sent = outcomes([service.echo({ text: "sent", delayMs: 1000 })]);
    await clock.advance(100);
    network.cut();
    await clock.runUntilIdle();
    const waiting = service.echo({ text: "waiting" });
    await clock.advance(3000);
    expect([await sent, await waiting]).toMatchObject([["unavailable"], { text: "waiting" }]);
    expect(handled).toEqual(["sent", "waiting"]);
  });
});

it("calls that waited for a server which speaks version 1 only are told to be made again", async () => {
  const { client, clock, connect, handled } = open({}, {}, { protocol: 1 });
  const service = client.service(TestServiceDefinition);
  const calls = outcomes([service.echo({ text: "a" }), service.note({ text: "b" })]);
  await connect();
  expect(await calls).toMatchObject(["unavailable", {}]);
  const [again] = await Promise.all([service.echo({ text: "again" }), clock.advance(10)]);
  expect(again).toMatchObject({ text: "again" });
  expect(handled).toEqual(["b", "again"]);
});
