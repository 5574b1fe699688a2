/** Values of another make: lazy thenables, classes, other copies of the package, other realms, codecs around codecs. */
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { useInPlace } from "../../src/accel/in-place.js";
import type { Client } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Server } from "../../src/server/index.js";
import { connectWebSocket } from "../../src/transport/websocket.js";
import { EchoRequest, EchoResponse, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

async function join(): Promise<{ server: Server; client: Client }> {
  const server = bench.server();
  return { server, client: await bench.client(await JOINTS[0]!.open(server)) };
}

/** A query builder: nothing happens before `then` is called. */
class Query<T> implements PromiseLike<T> {
  runs = 0;
  readonly #result: () => T;
  constructor(result: () => T) {
    this.#result = result;
  }
  // biome-ignore lint/suspicious/noThenProperty: that is what a query builder is
  then<A, B>(resolve?: ((value: T) => A | PromiseLike<A>) | null, reject?: ((error: unknown) => B | PromiseLike<B>) | null) {
    this.runs++;
    return new Promise<T>((done) => done(this.#result())).then(resolve, reject);
  }
}

const refuse = (): never => {
  throw new FramewireError("not-found", "no such row");
};

/** Promises of a `vm` context are promises, and none of ours. */
function foreignPromise<T>(value: T): Promise<T> {
  return runInNewContext("Promise.resolve(value)", { value });
}

describe("a thenable of any make is awaited", () => {
  it.each([
    ["a query builder", (text: string) => new Query(() => ({ text }))],
    ["a promise of another realm", (text: string) => foreignPromise({ text })],
  ])("as a handler's result: %s", async (_, make) => {
    const { server, client } = await join();
    server.implement(TestServiceDefinition, { echo: ({ text }) => make(text.toUpperCase()) });
    server.handle(0x0400, NoteRequest, ({ text }) => make(`bare ${text}`));
    expect(await client.service(TestServiceDefinition).echo({ text: "a" })).toMatchObject({ text: "A" });
    expect(await client.request(0x0400, NoteRequest, { text: "b" })).toEqual({ text: "bare b" });
  });

  it("as a handler's result that rejects", async () => {
    const { server, client } = await join();
    server.implement(TestServiceDefinition, { echo: () => new Query(refuse) });
    await expect(client.service(TestServiceDefinition).echo({})).rejects.toMatchObject({ code: "not-found", message: "no such row" });
  });

  it("as the result of a one-way handler, once", async () => {
    const { server, client } = await join();
    const query = new Query(() => undefined);
    server.implement(TestServiceDefinition, { note: () => query });
    await client.service(TestServiceDefinition).note({ text: "x" });
    await vi.waitFor(() => expect(query.runs).toBe(1));
  });

  it("as what middleware and interceptors give", async () => {
    const { server, client } = await join();
    server.implement(TestServiceDefinition, testService());
    server.use((_context, next) => new Query(() => next()));
    client.intercept((_call, next) => new Query(() => next()));
    expect(await client.service(TestServiceDefinition).echo({ text: "a" })).toMatchObject({ text: "a" });
  });

  it("as what an iterator gives: its results and its items", async () => {
    const { server, client } = await join();
    const lazy = (number: number) => new Query(() => ({ number, padding: new Uint8Array(0) }));
    server.implement(TestServiceDefinition, {
      ...testService(),
      count: () => ({
        [Symbol.asyncIterator]: () => {
          let given = 0;
          return {
            next: () => new Query(() => (given++ < 2 ? { done: false, value: lazy(given) } : { done: true, value: undefined })) as never,
          };
        },
      }),
    });
    const service = client.service(TestServiceDefinition);
    const numbers: number[] = [];
    for await (const { number } of service.count({})) numbers.push(number);
    expect(numbers).toEqual([1, 2]);
    const items = [new Query(() => ({ number: 4n })), Promise.resolve({ number: 5n })] as never as { number: bigint }[];
    expect(await service.sum(items)).toEqual({ sum: 9n });
  });

  it("but a query that is a source of items too is read as a stream", async () => {
    const { server, client } = await join();
    class Cursor extends Query<never> {
      async *[Symbol.asyncIterator]() {
        yield { number: 1, padding: new Uint8Array(0) };
      }
    }
    const cursor = new Cursor(refuse);
    server.implement(TestServiceDefinition, { count: () => cursor });
    const numbers: number[] = [];
    for await (const { number } of client.service(TestServiceDefinition).count({})) numbers.push(number);
    expect([numbers, cursor.runs]).toEqual([[1], 0]);
  });
});

describe("implement", () => {
  class Base {
    readonly house = "house";
    note(): void {}
  }
  class Service extends Base {
    readonly log: string[] = [];
    #secret = 1;
    helper(): number {
      return this.#secret;
    }
    echo({ text }: { text: string }) {
      return { text: `${this.house} ${text} ${this.helper()}` };
    }
  }

  it("finds the methods of a class and its bases, bound to the object", async () => {
    const { server, client } = await join();
    server.implement(TestServiceDefinition, new Service());
    const service = client.service(TestServiceDefinition);
    expect(await service.echo({ text: "of" })).toMatchObject({ text: "house of 1" });
    await service.note({});
    await expect(service.sum([])).rejects.toMatchObject({ code: "unimplemented" });
  });

  it("refuses an object of a class without any of the methods, and a literal with one that is none", async () => {
    const { server } = await join();
    class Nothing {
      toString() {
        return "nothing";
      }
    }
    expect(() => server.implement(TestServiceDefinition, new Nothing() as never)).toThrow(/no method of test\.v1\.TestService: echo/);
    expect(() => server.implement(TestServiceDefinition, { ecko: () => ({}) } as never)).toThrow(/has no method ecko/);
  });
});

describe("a codec around a generated one", () => {
  const request = 0x0400;
  const wrapped = { ...NoteRequest, encode: (message: NoteRequest) => NoteRequest.encode(message) };
  const shouting = {
    ...NoteRequest,
    encode: (message: NoteRequest) => ({ finish: () => NoteRequest.encode({ text: message.text.toUpperCase() }).finish() }),
  };
  const seen: unknown[] = [];
  const counting = {
    ...NoteRequest,
    decode: (bytes: Uint8Array) => {
      seen.push(bytes.length);
      return NoteRequest.decode(bytes);
    },
  };
  /** Writes some messages with the writer it is given, and others with one of its own. */
  const fickle = {
    ...NoteRequest,
    encode: (message: NoteRequest, writer?: Parameters<typeof NoteRequest.encode>[1]) =>
      message.text === "" ? NoteRequest.encode(message, writer) : NoteRequest.encode(message),
  };

  it.each([
    ["that ignores the writer", wrapped, "text"],
    ["that changes what it writes", shouting, "TEXT"],
    ["that measures what it reads", counting, "text"],
    ["that uses the writer it is given for some messages", fickle, "text"],
  ])("%s sends the message: on a link, and while it waits for one", async (_, codec, expected) => {
    useInPlace();
    const server = bench.server();
    server.handle(request, codec, (message) => message);
    const client = (await JOINTS[0]!.open(server))({ reconnect: false });
    const waiting = client.request(request, codec, { text: "text" });
    await client.connect();
    expect((await waiting).text).toBe(expected);
    expect((await client.request(request, codec, { text: "text" })).text).toBe(expected);
    expect((await client.request(request, codec, {})).text).toBe("");
    await client.close();
    for (const length of seen.splice(0)) expect(length).toBeTypeOf("number");
  });

  it("that gives an ArrayBuffer, or bytes of another realm, sends them", async () => {
    const { server, client } = await join();
    const bytes = EchoResponse.encode({ text: "a", id: 0n, data: new Uint8Array(0) }).finish();
    for (const code of ["Uint8Array.from(bytes)", "Uint8Array.from(bytes).buffer", "new DataView(Uint8Array.from(bytes).buffer)"]) {
      const codec = { encode: () => ({ finish: () => runInNewContext(code, { bytes }) }), decode: EchoResponse.decode };
      const cmd = 0x0500 + code.length;
      server.handle(cmd, EchoRequest, () => ({}), { reply: codec });
      expect((await client.request(cmd, EchoRequest, {}, { reply: EchoResponse })).text).toBe("a");
    }
  });
});

describe("a FramewireError", () => {
  it("of another copy of the package is recognised: the caller gets its code and text", async () => {
    vi.resetModules();
    const copy = (await import("../../src/errors.js")).FramewireError;
    expect(copy).not.toBe(FramewireError);
    const { server, client } = await join();
    server.implement(TestServiceDefinition, {
      echo: () => {
        throw new copy("not-found", "gone", { metadata: { hint: "look elsewhere" } });
      },
    });
    const error = await client
      .service(TestServiceDefinition)
      .echo({})
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "not-found", message: "gone", metadata: { hint: "look elsewhere" } });
    expect(new copy("internal", "x")).toBeInstanceOf(FramewireError);
    expect(FramewireError.from(error)).toBe(error);
  });

  it("is made of anything else by from", () => {
    const foreign = runInNewContext("new TypeError('no such thing')");
    expect(FramewireError.from(foreign)).toMatchObject({ code: "unknown", message: "no such thing", cause: foreign });
    expect(FramewireError.from("gone", "unavailable")).toMatchObject({ code: "unavailable", message: "gone" });
    expect(FramewireError.from(AbortSignal.abort().reason)).toMatchObject({ code: "cancelled" });
    expect(FramewireError.from(new DOMException("late", "TimeoutError"))).toMatchObject({ code: "deadline-exceeded" });
    expect(FramewireError.from(undefined)).toMatchObject({ code: "unknown", message: "undefined" });
    expect(new Error("x")).not.toBeInstanceOf(FramewireError);
  });

  it("of a subclass is told from others", () => {
    class Mine extends FramewireError {}
    expect(new Mine("internal", "x")).toBeInstanceOf(FramewireError);
    expect(new Mine("internal", "x")).toBeInstanceOf(Mine);
    expect(new FramewireError("internal", "x")).not.toBeInstanceOf(Mine);
  });
});

describe("a WebSocket of another realm", () => {
  it("gives its messages as bytes, not as text", async () => {
    class Socket {
      static OPEN = 1;
      readyState = 1;
      bufferedAmount = 0;
      protocol = "framewire.v2";
      onopen: (() => void) | null = null;
      onmessage: ((event: { data: unknown }) => void) | null = null;
      constructor() {
        queueMicrotask(() => this.onopen?.());
        sockets.push(this);
      }
      close() {}
    }
    const sockets: Socket[] = [];
    vi.stubGlobal("WebSocket", Socket);
    try {
      const transport = await connectWebSocket("ws://there", [2], new AbortController().signal);
      const heard: unknown[] = [];
      transport.open({
        onData: (bytes: Uint8Array) => heard.push([...bytes]),
        onViolation: (what: string) => heard.push(what),
      } as never);
      sockets[0]!.onmessage?.({ data: runInNewContext("Uint8Array.of(1, 2, 3).buffer") });
      sockets[0]!.onmessage?.({ data: "text" });
      expect(heard).toEqual([[1, 2, 3], "text messages are not taken"]);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
