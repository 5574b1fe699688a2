/** What becomes of the sources of streams: each is closed, whatever ends its call, or keeps it from beginning. */
import { Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import type { Server } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

async function join(implementation = {}): Promise<{ server: Server; client: Client }> {
  const server = bench.server();
  server.implement(TestServiceDefinition, { ...testService(), ...implementation });
  return { server, client: await bench.client(await JOINTS[0]!.open(server)) };
}

/** Items of these numbers; `ended` becomes true in the generator's `finally`. */
function source(items: readonly unknown[]) {
  const state = { ended: false, given: 0 };
  async function* give() {
    try {
      for (const number of items) {
        state.given++;
        yield { number: number as never };
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, items: give() };
}

/** A source of one's own making that says whether it was closed. */
function closable() {
  const state = { asked: 0, closed: 0 };
  return {
    state,
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false as const, value: { number: BigInt(++state.asked) } }),
      return: async () => ({ done: true as const, value: state.closed++ }),
    }),
  };
}

const later = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("an item that cannot be encoded", () => {
  it("ends the call and the generator, whose finally runs, on the client", async () => {
    const { client } = await join();
    const { state, items } = source([1n, "no number", 3n]);
    await expect(client.service(TestServiceDefinition).sum(items)).rejects.toMatchObject({ code: "cancelled" });
    await later();
    expect(state).toEqual({ ended: true, given: 2 });
  });

  it("ends the call and the generator, whose finally runs, on the server", async () => {
    const { state, items } = source([1, "no number", 3]);
    const { client } = await join({ count: () => items });
    const read = async () => {
      for await (const _ of client.service(TestServiceDefinition).count({}));
    };
    await expect(read()).rejects.toMatchObject({ code: "internal" });
    await later();
    expect(state).toEqual({ ended: true, given: 2 });
  });
});

describe("the source of a call that never begins is closed", () => {
  it.each([
    ["its signal has aborted before", { signal: AbortSignal.abort() }],
    ["its metadata is not made of strings", { metadata: { user: 42 as never } }],
  ])("as %s", async (_, options) => {
    const { client } = await join();
    const requests = closable();
    await expect(client.service(TestServiceDefinition).sum(requests, options)).rejects.toThrow();
    await later();
    expect(requests.state).toEqual({ asked: 0, closed: 1 });
  });

  it("as a version 1 peer knows no streams", async () => {
    const server = bench.server();
    const client = await bench.client(await JOINTS[0]!.open(server), { version: 1 });
    const requests = closable();
    await expect(client.service(TestServiceDefinition).sum(requests)).rejects.toMatchObject({ code: "unimplemented" });
    await later();
    expect(requests.state.closed).toBe(1);
  });

  it("as the client is closed; a readable stream of Node is destroyed", async () => {
    const client = createClient("tcp://127.0.0.1:9");
    await client.close();
    const stream = Readable.from([{ number: 1n }]);
    await expect(client.service(TestServiceDefinition).sum(stream)).rejects.toMatchObject({ code: "connection-closed" });
    await later();
    expect(stream.destroyed).toBe(true);
  });

  it("as an interceptor refuses it", async () => {
    const { client } = await join();
    client.intercept(async () => {
      throw new Error("not today");
    });
    const requests = closable();
    await expect(client.service(TestServiceDefinition).sum(requests)).rejects.toThrow("not today");
    await later();
    expect(requests.state).toEqual({ asked: 0, closed: 1 });
  });

  it("as its call is over when the handler returns it", async () => {
    const responses = closable();
    let answer = () => {};
    const { client } = await join({
      count: () =>
        new Promise((resolve) => {
          answer = () => resolve(responses);
        }),
    });
    const reader = client.service(TestServiceDefinition).count({})[Symbol.asyncIterator]();
    const first = reader.next();
    await later();
    await reader.return?.();
    expect((await first).done).toBe(true);
    await later();
    answer();
    await later();
    expect(responses.state).toEqual({ asked: 0, closed: 1 });
  });
});

describe("the stream of a client's call", () => {
  it("has throw: the call is cancelled, and the error comes back", async () => {
    const { state, items } = source([1, 2, 3]);
    const { client } = await join({ count: () => items });
    const reader = client.service(TestServiceDefinition).count({})[Symbol.asyncIterator]();
    await reader.next();
    await expect(reader.throw?.(new Error("enough"))).rejects.toThrow("enough");
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    await later();
    expect(state.ended).toBe(true);
  });

  it("is left by a generator around it as any other", async () => {
    const { client } = await join();
    async function* around() {
      yield* client.service(TestServiceDefinition).count({ count: 3 });
    }
    const reader = around();
    await reader.next();
    await expect(reader.throw(new Error("enough"))).rejects.toThrow("enough");
  });
});
