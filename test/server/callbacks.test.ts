/** What application callbacks throw, reject with or return harms what they were called for, and nothing else. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { pending } from "../../src/runtime/guard.js";
import type { Server, ServerContext, ServerFailureEvent, ServerOptions } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { recordedLog } from "../helpers/recorded-log.js";
import { testService } from "../helpers/test-service.js";
import { Bench } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
const escaped: unknown[] = [];
const note = (error: unknown) => escaped.push(error);

beforeEach(() => {
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
});
afterEach(async () => {
  await bench.end();
  await turns();
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  expect(escaped.splice(0)).toEqual([]);
});

const boom = new Error("boom");
const THEN = "then";

/** Everything that a callback may do wrong. */
const WRONGS: Readonly<Record<string, () => never>> = {
  throws: () => {
    throw boom;
  },
  rejects: () => Promise.reject(boom) as never,
  "returns a thenable whose then cannot be read": () =>
    Object.defineProperty({}, THEN, {
      get: () => {
        throw boom;
      },
    }) as never,
  "returns a thenable whose then throws": () =>
    thenable(() => {
      throw boom;
    }),
  "returns a thenable that rejects, and then resolves": () =>
    thenable((resolve, reject) => {
      reject(boom);
      reject(new Error("again"));
      resolve(undefined);
    }),
};
const wrongs = Object.entries(WRONGS);

const thenable = (then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void) => ({ [THEN]: then }) as never;

async function served(options: ServerOptions = {}): Promise<{ server: Server; url: string; failures: ServerFailureEvent[] }> {
  const server = bench.server(options);
  server.implement(TestServiceDefinition, testService());
  const failures: ServerFailureEvent[] = [];
  server.on("failure", (failure) => failures.push(failure));
  return { server, url: (await server.listen({ ws: {} })).ws!.url, failures };
}

const connected = (url: string, options = {}): Promise<Client> => bench.client((given) => createClient(url, given), options);

async function echoes(client: Client): Promise<void> {
  expect((await client.service(TestServiceDefinition).echo({ text: "still here" })).text).toBe("still here");
}

/** The items of a method that streams its responses. */
function streamOf(client: Client): AsyncIterable<unknown> {
  const [name] = Object.entries(TestServiceDefinition.methods).find(([, method]) => method.responseStream && !method.requestStream)!;
  const service = client.service(TestServiceDefinition) as unknown as Record<string, (request: object) => AsyncIterable<unknown>>;
  return service[name]!({});
}

describe("a server's hook", () => {
  it.each(wrongs)("authenticate that %s refuses its client, and a failure names it", async (_name, wrong) => {
    const { url, failures } = await served({ authenticate: ({ credentials }) => (credentials.length === 0 ? wrong() : { identity: 1 }) });
    const peer = await RawPeer.connect(url, { protocols: ["framewire.v1"] });
    expect((await peer.ended).code).toBe(4514);
    expect(failures).toEqual([{ hook: "authenticate", error: boom }]);
    await echoes(await connected(url, { credentials: "x" }));
  });

  it.each(wrongs)("clientAddress that %s closes that one connection", async (_name, wrong) => {
    const { server, url, failures } = await served({ clientAddress: ({ headers }) => (headers["x-real-ip"] as string) ?? wrong() });
    const peer = await RawPeer.connect(url, { protocols: ["framewire.v2"] });
    expect((await peer.ended).code).toBe(1011);
    expect(failures).toEqual([{ hook: "clientAddress", error: expect.any(Error) }]);
    await echoes(await connected(url, { headers: { "x-real-ip": "1.2.3.4" } }));
    expect(server.stats.sockets).toBe(1);
  });

  it.each([1, null, {}])("clientAddress that returns %o is a failure of the hook", async (wrong) => {
    const { url, failures } = await served({ clientAddress: () => wrong as never });
    expect((await (await RawPeer.connect(url)).ended).code).toBe(1011);
    expect(failures).toEqual([{ hook: "clientAddress", error: expect.any(TypeError) }]);
  });

  it.each(wrongs)("authorize that %s fails that call with internal", async (_name, wrong) => {
    const { url, failures } = await served({ authorize: ({ metadata }) => (metadata.good === "1" ? true : wrong()) });
    const client = await connected(url);
    const service = client.service(TestServiceDefinition);
    await expect(service.echo({ text: "x" })).rejects.toMatchObject({
      code: "internal",
      message: "test.v1.TestService/Echo: the handler failed (internal)",
    });
    expect(failures).toEqual([{ hook: "authorize", command: "test.v1.TestService/Echo", error: boom, connection: expect.anything() }]);
    expect((await service.echo({ text: "y" }, { metadata: { good: "1" } })).text).toBe("y");
  });

  it("that throws a FramewireError has decided, and has not failed", async () => {
    const refused = (code: "unauthenticated" | "permission-denied") => () => {
      throw new FramewireError(code, "no");
    };
    const first = await served({ authenticate: refused("unauthenticated") });
    expect((await (await RawPeer.connect(first.url, { protocols: ["framewire.v1"] })).ended).code).toBe(4416);
    const second = await served({ authorize: refused("permission-denied") });
    const client = await connected(second.url);
    await expect(client.service(TestServiceDefinition).echo({})).rejects.toMatchObject({ code: "permission-denied" });
    expect([...first.failures, ...second.failures]).toEqual([]);
  });

  it("authenticate that never decides is ended by the handshake's time", async () => {
    const { url, failures } = await served({ authenticate: () => thenable(() => {}), handshakeTimeoutMs: 50 });
    const peer = await RawPeer.connect(url, { protocols: ["framewire.v1"] });
    expect((await peer.ended).code).toBe(4500);
    expect(failures).toEqual([]);
  });
});

it.each(wrongs)("a client's credentials that %s end that attempt", async (_name, wrong) => {
  const { url } = await served();
  let attempts = 0;
  const client = createClient(url, {
    logger: false,
    credentials: () => (++attempts === 1 ? wrong() : "x"),
    reconnect: { baseMs: 1, jitter: "full" },
  });
  const failures: unknown[] = [];
  client.on("failure", (failure) => failures.push(failure));
  await client.connect();
  await echoes(client);
  expect([attempts, failures]).toEqual([2, [{ hook: "credentials", error: boom }]]);
  await client.close();
});

describe("a listener", () => {
  it.each(wrongs)("that %s stops no other, and is told by a failure", async (_name, wrong) => {
    const { server, url, failures } = await served();
    const heard: string[] = [];
    for (const event of ["connection", "disconnection", "frame"] as const) {
      server.on(event, () => wrong());
      server.on(event, () => heard.push(event));
    }
    server.on("connection", (connection) => void connection.on("frame", () => wrong()));
    const client = await connected(url);
    const own: unknown[] = [];
    client.on("failure", (failure) => own.push(failure));
    client.on("state", () => wrong());
    client.on("frame", () => wrong());
    await echoes(client);
    await client.close();
    await expect.poll(() => new Set(heard)).toEqual(new Set(["connection", "frame", "disconnection"]));
    await expect
      .poll(() => new Set(own.map((failure) => (failure as ServerFailureEvent).hook)))
      .toEqual(new Set(['on("state")', 'on("frame")']));
    const hooks = failures.map(({ hook, error, connection }) => [hook, error === boom, connection !== undefined]);
    for (const expected of [
      ['on("connection")', true, false],
      ['on("disconnection")', true, false],
      ['on("frame")', true, false],
      ['on("frame")', true, true],
    ]) {
      expect(hooks).toContainEqual(expected);
    }
  });

  it.each(wrongs)("of failures that %s is logged, and loops never", async (_name, wrong) => {
    const logger = recordedLog();
    const { server, url } = await served({ logger });
    server.on("failure", () => wrong());
    server.on("connection", (connection) => {
      connection.on("failure", () => wrong());
      return wrong();
    });
    const client = await connected(url);
    await echoes(client);
    const hooks = () => logger.lines.filter(({ level }) => level === "error").map(({ facts }) => facts.hook);
    await expect.poll(hooks).toEqual(['on("connection")', 'on("failure")']);
    await expect(client.service(TestServiceDefinition).echo({ text: "throw" })).rejects.toMatchObject({ code: "internal" });
    // The connection's listener fails, and the server's for each of the two.
    await expect.poll(() => hooks().length).toBe(6);
  });
});

describe("a handler", () => {
  async function withHandler(handler: (context: ServerContext) => unknown) {
    const server = bench.server();
    const all: Record<string, unknown> = testService();
    const names = Object.keys(all);
    const bad = Object.fromEntries(names.map((name) => [name, (_request: unknown, context: ServerContext) => handler(context)]));
    server.implement(TestServiceDefinition, bad as never);
    server.handle(0x7001, TestServiceDefinition.methods.echo.requestType, () => ({ text: "bare" }), {
      reply: TestServiceDefinition.methods.echo.responseType,
    });
    const failures: ServerFailureEvent[] = [];
    server.on("failure", (failure) => failures.push(failure));
    const client = await connected((await server.listen({ tcp: {} })).tcp!.url);
    const alive = async () =>
      expect(
        await client.request(
          0x7001,
          TestServiceDefinition.methods.echo.requestType,
          {},
          { reply: TestServiceDefinition.methods.echo.responseType },
        ),
      ).toMatchObject({ text: "bare" });
    return { client, failures, alive };
  }

  it.each(wrongs)("that %s fails its call with internal", async (_name, wrong) => {
    const { client, failures, alive } = await withHandler(() => wrong());
    await expect(client.service(TestServiceDefinition).echo({})).rejects.toMatchObject({ code: "internal" });
    await client.service(TestServiceDefinition).note({});
    await expect.poll(() => failures.map(({ error }) => error)).toEqual([boom, boom]);
    await alive();
  });

  it.each([
    ["an array", ["a"]],
    ["an array of numbers", [1]],
    ["a string", "x"],
    ["a value that is no string", { user: 42 }],
    ["a value that is undefined", { user: undefined }],
    ["a getter that throws", Object.defineProperty({}, "user", { enumerable: true, get: WRONGS.throws! })],
  ])("whose responseMetadata is %s fails its call with internal, and the call is answered", async (_name, metadata) => {
    for (const late of [false, true]) {
      const { client, failures, alive } = await withHandler((context) => {
        context.responseMetadata = metadata as never;
        return late ? Promise.resolve({ text: "x" }) : { text: "x" };
      });
      await expect(client.service(TestServiceDefinition).echo({}, { timeoutMs: 2000 })).rejects.toMatchObject({ code: "internal" });
      expect(failures).toHaveLength(1);
      await alive();
    }
  });

  it("whose responseMetadata throws when it is read, and that fails, is answered with its error", async () => {
    const { client, failures, alive } = await withHandler((context) => {
      Object.defineProperty(context, "responseMetadata", { get: WRONGS.throws! });
      throw new FramewireError("not-found", "no such thing", { metadata: { id: 7 as never } });
    });
    await expect(client.service(TestServiceDefinition).echo({}, { timeoutMs: 2000 })).rejects.toMatchObject({
      code: "not-found",
      message: "no such thing",
    });
    expect(failures).toHaveLength(1);
    await alive();
  });

  it("that throws a code that does not exist fails its call with internal", async () => {
    const { client, alive } = await withHandler(() => {
      throw new FramewireError("no-such-code" as never, "x");
    });
    await expect(client.service(TestServiceDefinition).echo({}, { timeoutMs: 2000 })).rejects.toMatchObject({ code: "internal" });
    await alive();
  });

  it.each(wrongs)("whose stream's clean-up %s is told by a failure, and its call is cancelled all the same", async (_name, wrong) => {
    const items = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: {} }), return: () => wrong() }) };
    const { client, failures, alive } = await withHandler(() => items);
    for await (const _item of streamOf(client)) break;
    await expect.poll(() => failures.map(({ error }) => error)).toEqual([boom]);
    await alive();
  });

  it.each(wrongs)("whose stream's next %s fails its call", async (_name, wrong) => {
    const { client, failures, alive } = await withHandler(() => ({ [Symbol.asyncIterator]: () => ({ next: () => wrong() }) }));
    await expect(streamOf(client)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "internal" });
    expect(failures.map(({ error }) => error)).toEqual([boom]);
    await alive();
  });

  it.each([undefined, null, 5, {}])("that gives %o in place of a stream fails its call", async (wrong) => {
    const { client, alive } = await withHandler(() => wrong);
    await expect(streamOf(client)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "internal" });
    await alive();
  });
});

describe("code around calls", () => {
  it("middleware may leave what next gives un-awaited", async () => {
    const { server, url } = await served({ authorize: () => false });
    server.use((_context, next) => {
      next();
      throw boom;
    });
    const client = await connected(url);
    await expect(client.service(TestServiceDefinition).echo({})).rejects.toMatchObject({ code: "permission-denied" });
    const other = await served();
    other.server.use((_context, next) => {
      next();
      return { text: "without waiting" };
    });
    other.server.use(() => WRONGS.rejects!());
    const second = await connected(other.url);
    expect((await second.service(TestServiceDefinition).echo({})).text).toBe("without waiting");
  });

  it("interceptors too, and a send may be left un-awaited on both ends", async () => {
    const { server, url } = await served();
    const client = await connected(url);
    client.intercept(async (call, next) => {
      next();
      if (call.options.metadata === undefined) throw boom;
      return undefined;
    });
    await expect(client.service(TestServiceDefinition).echo({})).rejects.toBe(boom);
    await client.close();
    client.send(0x7002, TestServiceDefinition.methods.echo.requestType, {});
    client.service(TestServiceDefinition).note({});
    const [connection] = server.connections;
    connection?.close(4000, "gone");
    connection?.send(0x7002, TestServiceDefinition.methods.echo.requestType, {});
  });
});

it("a call that a peer opens right before a violation is answered or dropped, and nothing escapes", async () => {
  const { url } = await served();
  const peer = await RawPeer.connect(url);
  await peer.greet({ limits: { maxPayload: 1, maxCalls: 1, initialCredit: 1, maxTrailer: 1 } });
  peer.send(seededFrame({ cmd: 1, kind: FrameKind.FRAME_KIND_REQUEST, callId: 1, sequence: 1 }));
  peer.send(seededFrame({ cmd: 1, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2, sequence: 2 }));
  expect((await peer.ended).code).toBe(4402);
});

describe("pending", () => {
  it("reads then once and calls it once", async () => {
    let reads = 0;
    let calls = 0;
    const value = Object.defineProperty({}, THEN, {
      get: () => {
        reads++;
        return (resolve: (value: unknown) => void) => {
          calls++;
          resolve(1);
          resolve(2);
        };
      },
    });
    expect(await pending(value)).toBe(1);
    expect([reads, calls]).toEqual([1, 1]);
  });

  it("is undefined for plain values, and a promise of the platform itself", () => {
    for (const value of [undefined, null, 0, "", {}, [], () => {}, { [THEN]: 1 }]) expect(pending(value)).toBeUndefined();
    const promise = Promise.resolve();
    expect(pending(promise)).toBe(promise);
  });
});
