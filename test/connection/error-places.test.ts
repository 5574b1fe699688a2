/** An error of a call says where it belongs: its stack holds the caller's line, its text the method, the limit and whose it is, and the reason. */
import { afterEach, describe, expect, it } from "vitest";
import { type CallContext, type Client, type ClientOptions, createClient, type Interceptor } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { MemoryNetwork, VirtualClock } from "../../src/testing/index.js";
import { EchoRequest, EchoResponse, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeServer } from "../helpers/fake-server.js";
import { testService } from "../helpers/test-service.js";

const ECHO = "test.v1.TestService/Echo";
const NOTE = "test.v1.TestService/Note";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface World {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly server: Server;
  readonly client: Client;
}

/** A client of a server that serves nothing yet, in virtual time. */
function world(options: ClientOptions = {}, given: ServerOptions = {}): World {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock });
  const server = createServer({ clock, logger: false, ...given });
  const client = createClient("ws://memory", {
    clock,
    logger: false,
    random: () => 0.5,
    connector: network.connector(server),
    reconnect: { retries: 2 },
    ...options,
  });
  ends.push(
    () => client.close(),
    () => server.close(),
  );
  return { clock, network, server, client };
}

/** The same, connected. */
async function connected(options: ClientOptions = {}, given: ServerOptions = {}): Promise<World> {
  const made = world(options, given);
  await joined(made);
  return made;
}

async function joined({ clock, client }: World): Promise<void> {
  const connecting = client.connect();
  await clock.advance(10);
  await connecting;
}

/** What `attempt` fails with, awaited in a function of a name that its stack must show, while `meanwhile` lets time pass. */
async function failureOf(
  { clock }: Pick<World, "clock">,
  attempt: () => PromiseLike<unknown> | AsyncIterable<unknown>,
  meanwhile: () => Promise<void> = () => clock.advance(10),
): Promise<FramewireError> {
  async function theCaller(): Promise<void> {
    const result = attempt();
    if (!(Symbol.asyncIterator in result)) return void (await result);
    for await (const _ of result);
  }
  const failed = theCaller().then(
    () => expect.unreachable("it did not fail"),
    (error: FramewireError) => error,
  );
  await meanwhile();
  return failed;
}

const never = () => new Promise<never>(() => {});

describe("the stack of a failed call holds the caller's line", () => {
  async function* twoOfThree() {
    yield { number: 1 };
    throw new Error("no more");
  }

  it.each<[string, (world: World) => ReturnType<typeof failureOf>]>([
    ["that a handler has refused", (made) => failureOf(made, () => made.client.service(TestServiceDefinition).echo({ text: "refuse" }))],
    ["that nothing handles", (made) => failureOf(made, () => made.client.request(77, EchoRequest, {}))],
    [
      "that was made with others",
      (made) => failureOf(made, () => Promise.all([never(), made.client.service(TestServiceDefinition).echo({ text: "refuse" })])),
    ],
    ["whose stream of requests has failed", (made) => failureOf(made, () => made.client.service(TestServiceDefinition).sum(twoOfThree()))],
    [
      "whose request cannot be encoded",
      (made) => failureOf(made, () => made.client.service(TestServiceDefinition).echo({ data: "text" as never })),
    ],
    [
      "that was made after the end of the client",
      async (made) => {
        await made.client.close();
        return failureOf(made, () => made.client.service(TestServiceDefinition).echo({}));
      },
    ],
    ["by the server", (made) => failureOf(made, () => made.server.connections[0]!.request(77, EchoRequest, {}))],
  ])("%s", async (_, run) => {
    const made = await connected();
    made.server.implement(TestServiceDefinition, testService());
    expect((await run(made)).stack).toContain("theCaller");
  });

  it.each<[string, (world: World) => Promise<void>]>([
    ["that took too long", ({ clock }) => clock.advance(1000)],
    ["whose client is closed", ({ client }) => client.close()],
    [
      "whose server is gone",
      async ({ clock, network }) => {
        network.reachable = false;
        network.cut();
        await clock.advance(200_000);
      },
    ],
  ])("%s", async (what, meanwhile) => {
    const made = await connected();
    const { clock, client, server } = made;
    server.implement(TestServiceDefinition, {
      echo: never,
      async *count() {
        yield { number: 1 };
        await never();
      },
    });
    const service = client.service(TestServiceDefinition);
    const options = { timeoutMs: what === "that took too long" ? 1000 : 0 };
    const calls = [failureOf(made, () => service.echo({}, options)), failureOf(made, () => service.count({}, options))];
    await clock.advance(10);
    await meanwhile(made);
    for (const call of calls) expect((await call).stack).toContain("theCaller");
  });

  it("through interceptors", async () => {
    const made = await connected();
    const { client, server } = made;
    server.implement(TestServiceDefinition, {
      ...testService(),
      count: async function* () {
        yield { number: 1 };
        throw new FramewireError("aborted", "no");
      },
    });
    const plain: Interceptor = (_, next) => next();
    const waiting: Interceptor = async (_, next) => await next();
    client.intercept(plain);
    client.intercept(waiting);
    const service = client.service(TestServiceDefinition);
    for (const attempt of [() => service.echo({ text: "refuse" }), () => service.count({})])
      expect((await failureOf(made, attempt)).stack).toContain("theCaller");
  });

  it("where a send has waited in vain", async () => {
    const made = world({ maxQueuedMs: 1000 });
    const sends = [() => made.client.service(TestServiceDefinition).note({}), () => made.client.send(263, NoteRequest, {})];
    for (const send of sends) {
      const error = await failureOf(made, send, () => made.clock.advance(1000));
      expect(error).toMatchObject({ code: "queue-expired" });
      expect(error.stack).toContain("theCaller");
    }
  });

  it("where it is refused at once and never awaited", async () => {
    const { client } = world();
    const errors: FramewireError[] = [];
    function theHandler(): void {
      client
        .service(TestServiceDefinition)
        .echo({}, { timeoutMs: -1 })
        .catch((error) => errors.push(error));
    }
    theHandler();
    await expect.poll(() => errors[0]?.stack).toContain("theHandler");
  });

  it("and each of many has an error of its own", async () => {
    const { client } = world();
    const service = client.service(TestServiceDefinition);
    const failing = Promise.allSettled([service.echo({}), service.echo({})]);
    await client.close();
    const [first, second] = (await failing) as PromiseRejectedResult[];
    expect(first!.reason).not.toBe(second!.reason);
  });
});

describe("an error names the method, the limit and whose it is, and the reason", () => {
  it("of a method that the server does not know, by its name", async () => {
    const made = await connected();
    const failed = await failureOf(made, () => made.client.service(TestServiceDefinition).echo({}));
    expect(failed).toMatchObject({ code: "unimplemented", message: `no handler for the command ${ECHO}` });
  });

  it("of a request that is larger than the server takes", async () => {
    const made = await connected({}, { maxPayload: 1024 });
    const { client } = made;
    const tooLarge = { code: "frame-too-large", message: expect.stringContaining("bytes; maxPayload is 1024 (the receiver's limit)") };
    const failed = await failureOf(made, () => client.service(TestServiceDefinition).echo({ text: "x".repeat(2000) }));
    expect(failed).toMatchObject(tooLarge);
    expect(failed.message).toMatch(new RegExp(`^${ECHO}: payload of 2\\d{3} bytes`));
    await expect(client.send(263, NoteRequest, { text: "x".repeat(2000) })).rejects.toMatchObject(tooLarge);
  });

  it("of a reply that is larger than the client takes: on both ends", async () => {
    const made = await connected({ maxPayload: 1024 });
    made.server.implement(TestServiceDefinition, { ...testService(), echo: () => ({ text: "x".repeat(2000) }) });
    const failures: unknown[] = [];
    made.server.on("failure", ({ command, error }) => failures.push(command, (error as Error).message));
    const text = expect.stringMatching(/payload of 2\d{3} bytes; maxPayload is 1024 \(the receiver's limit\)$/);
    const failed = await failureOf(made, () => made.client.service(TestServiceDefinition).echo({}));
    expect(failed).toMatchObject({ code: "resource-exhausted", message: text });
    expect(failures).toEqual([ECHO, text]);
  });

  it("of a full queue", async () => {
    const { client } = world({ maxQueuedFrames: 1 });
    const { note } = client.service(TestServiceDefinition);
    void note({});
    await expect(note({})).rejects.toMatchObject({
      code: "queue-full",
      message: expect.stringMatching(
        /^test\.v1\.TestService\/Note: 1 frames and \d+ bytes wait to be sent; maxQueuedFrames is 1, maxQueuedBytes 4194304$/,
      ),
    });
  });

  it("of a message or request that its codec refuses", async () => {
    const { client } = await connected();
    const picky = { ...EchoRequest, encode: () => expect.fail("no such shape") as never };
    const refused = {
      code: "invalid-argument",
      message: expect.stringMatching(/^0x004d: the message could not be encoded: no such shape/),
    };
    await expect(client.request(77, picky, {})).rejects.toMatchObject(refused);
    await expect(client.send(77, picky, {})).rejects.toMatchObject(refused);
  });

  it("of a reply that its codec cannot read", async () => {
    const made = await connected();
    made.server.implement(TestServiceDefinition, testService());
    const reply = {
      ...EchoResponse,
      decode: () => {
        throw new Error("no such shape");
      },
    };
    const failed = await failureOf(made, () => made.client.request(257, EchoRequest, {}, { reply }));
    expect(failed).toMatchObject({ code: "internal", message: "the reply of 0x0101 could not be read: no such shape" });
  });

  it("of a call that was cancelled, also before it was made", async () => {
    const { client } = await connected();
    const service = client.service(TestServiceDefinition);
    const abort = new AbortController();
    const cancelled = { code: "cancelled", message: `${ECHO} was cancelled: the window was closed` };
    const call = service.echo({}, { signal: abort.signal });
    abort.abort(new Error("the window was closed"));
    await expect(call).rejects.toMatchObject(cancelled);
    await expect(service.echo({}, { signal: abort.signal })).rejects.toMatchObject(cancelled);
  });

  it("of a stream of requests that has failed", async () => {
    const made = await connected();
    made.server.implement(TestServiceDefinition, testService());
    const cause = new Error("the disk is gone");
    const error = await failureOf(made, () =>
      made.client.service(TestServiceDefinition).sum(
        (async function* () {
          yield { number: 1 };
          throw cause;
        })(),
      ),
    );
    expect(error).toMatchObject({ message: "the request stream of test.v1.TestService/Sum failed: the disk is gone", cause });
  });

  it("whatever was thrown", () => {
    const texts = [Object.create(null), Symbol("s"), null, { message: 7 }, new Error("")].map(
      (thrown) => FramewireError.from(thrown).message,
    );
    expect(texts).toEqual(["an error without a text", "Symbol(s)", "null", "[object Object]", ""]);
  });
});

describe("a call that took too long says whether it was sent, and what became of the connection", () => {
  /** What an `echo` of a second says. */
  async function late(made: Pick<World, "client" | "clock">, options: { timeoutMs?: number } = { timeoutMs: 1000 }): Promise<string> {
    const call = () => made.client.service(TestServiceDefinition).echo({}, options);
    return (await failureOf(made, call, () => made.clock.advance(1000))).message;
  }
  const took = `${ECHO} took longer than 1000 ms (timeoutMs of the call); `;

  it("never: nobody has connected the client", async () => {
    expect(await late(world())).toBe(`${took}it was never sent: the client was never connected: connect() was not called`);
  });

  it("never: the client was never connected, and why", async () => {
    const made = world();
    made.network.reachable = false;
    made.client.connect().catch(() => {});
    await made.clock.advance(10);
    expect(await late(made)).toBe(
      `${took}it was never sent: the client was never connected (retry-pending: could not connect to ws://memory/: the network is down)`,
    );
  });

  it("never: the client is no longer connected", async () => {
    const made = await connected();
    made.network.reachable = false;
    made.network.cut();
    await made.clock.advance(10);
    expect(await late(made)).toMatch(/it was never sent: the client is no longer connected \((retry-pending|connecting): /);
  });

  it("it was, and then the connection was lost", async () => {
    const made = await connected();
    made.server.implement(TestServiceDefinition, { ...testService(), echo: never });
    const failed = failureOf(made, () => made.client.service(TestServiceDefinition).echo({}, { timeoutMs: 1000 }));
    await made.clock.advance(10);
    made.network.reachable = false;
    made.network.cut();
    await made.clock.advance(1000);
    expect((await failed).message).toMatch(/it was sent, but the client is no longer connected \(/);
  });

  it("it was, and no reply came", async () => {
    const clock = new VirtualClock();
    const server = new FakeServer();
    const client = createClient("ws://fake", { connector: server.connector, clock, logger: false, timeoutMs: 1000 });
    ends.push(() => client.close());
    const connecting = client.connect();
    await clock.advance(10);
    await connecting;
    expect(await late({ client, clock }, {})).toBe(
      `${ECHO} took longer than 1000 ms (timeoutMs of this side); it was sent, and no reply came`,
    );
  });

  it("never: the server serves no more calls at once", async () => {
    const made = await connected({}, { maxCalls: 1 });
    made.server.implement(TestServiceDefinition, { ...testService(), echo: never });
    made.client
      .service(TestServiceDefinition)
      .echo({})
      .catch(() => {});
    expect(await late(made)).toBe(`${took}it was never sent: the receiver's maxCalls is 1`);
  });

  it("and whose limit it was, if it is that of the call that it was made for", async () => {
    const made = await connected();
    made.server.implement(TestServiceDefinition, { ...testService(), echo: never });
    const parent = { remainingMs: 500, signal: new AbortController().signal, trace: undefined } as CallContext;
    const call = () => made.client.service(TestServiceDefinition).echo({}, { parent, timeoutMs: 1000 });
    expect((await failureOf(made, call, () => made.clock.advance(500))).message).toBe(
      `${ECHO} took longer than 500 ms (what was left of the call that it was made for); it was sent, and no reply came`,
    );
  });

  it("so does one of the server to a client that is away", async () => {
    const made = await connected();
    const connection = made.server.connections[0]!;
    made.network.reachable = false;
    made.network.cut();
    await made.clock.advance(10);
    const failed = failureOf(made, () => connection.request(9, NoteRequest, {}, { timeoutMs: 1000 }));
    await made.clock.advance(1000);
    expect((await failed).message).toBe(
      "0x0009 took longer than 1000 ms (timeoutMs of the call); it was never sent: the client has no connection now",
    );
  });

  it("and so does an at-most-once call without a connection, and a frame that has waited too long", async () => {
    const made = world({ maxQueuedMs: 1000 });
    const { client } = made;
    const why = "the client was never connected: connect() was not called";
    await expect(client.service(TestServiceDefinition).sample({})).rejects.toMatchObject({
      code: "unavailable",
      message: `test.v1.TestService/Sample: ${why}`,
    });
    const waiting = await failureOf(
      made,
      () => client.service(TestServiceDefinition).note({}),
      () => made.clock.advance(1000),
    );
    expect(waiting.message).toBe(`${NOTE}: waited longer than 1000 ms (maxQueuedMs) to be sent: ${why}`);
  });
});
