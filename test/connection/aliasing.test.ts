import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { encodeFrame, FrameDecoder } from "../../src/codec/index.js";
import { Outbox } from "../../src/outbox/outbox.js";
import type { MethodDefinition } from "../../src/protocol/definition.js";
import type { ServerConnection } from "../../src/server/index.js";
import { SeededRandom } from "../../src/testing/random.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { memoryPair } from "../../src/transport/memory.js";
import { EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { MemoryDisk } from "../helpers/memory-storage.js";
import { Bench, JOINTS } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
afterEach(() => bench.end());

/** A codec for text that writes every message to the same memory. `memory`: a Buffer's `slice` is a view, a Uint8Array's a copy. */
function reusing(memory: Uint8Array) {
  return {
    encode(text: string) {
      const { written } = new TextEncoder().encodeInto(text, memory.fill(0x2a));
      return { finish: () => memory.subarray(0, written) };
    },
    decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
  };
}

const CODECS = [
  ["a Uint8Array", () => reusing(new Uint8Array(64))],
  ["a Buffer", () => reusing(Buffer.alloc(64))],
] as const;

const WORDS = ["one", "two", "three"];
const CMD = 1000;

describe.each(CODECS)("a codec that uses %s for all its messages", (_name, make) => {
  const codec = make();
  const [joint] = JOINTS;

  it("has its messages kept as they were while the client is away", async () => {
    const server = bench.server();
    const got: string[] = [];
    server.handle(CMD, codec, (text: string) => void got.push(text));
    server.handle(CMD + 1, codec, (text: string) => `${text}!`);
    const client = (await joint!.open(server))({ reconnect: false });
    for (const text of WORDS) void client.send(CMD, codec, text);
    const replies = WORDS.map((text) => client.request(CMD + 1, codec, text));
    await client.connect();
    expect(await Promise.all(replies)).toEqual(["one!", "two!", "three!"]);
    expect(got).toEqual(WORDS);
    await client.close();
  });

  it("has its replies, items and messages kept as they were while the peer does not read", async () => {
    const server = bench.server({ highWaterMark: 1 });
    const client = await bench.client(await joint!.open(server));
    const got: string[] = [];
    client.handle(CMD, codec, (text: string) => void got.push(text));
    server.handle(CMD + 1, codec, (text: string) => `${text}!`);
    const [connection] = server.connections as [ServerConnection];
    const replies = WORDS.map((text) => client.request(CMD + 1, codec, text));
    for (const text of WORDS) void connection.send(CMD, codec, text);
    expect(await Promise.all(replies)).toEqual(["one!", "two!", "three!"]);
    await expect.poll(() => got).toEqual(WORDS);
  });

  it("streams each item as it was", async () => {
    const { chat } = TestServiceDefinition.methods;
    const methods = { chat: { ...chat, requestType: codec, responseType: codec } as MethodDefinition };
    const definition = { ...TestServiceDefinition, methods };
    const server = bench.server({ highWaterMark: 1 });
    server.implement(definition, {
      chat: async function* (texts: AsyncIterable<string>) {
        for await (const text of texts) yield* [`${text}!`, `${text}?`];
      },
    } as never);
    const client = await bench.client(await joint!.open(server), { highWaterMark: 1 });
    const service = client.service(definition) as unknown as { chat(texts: Iterable<string>): AsyncIterable<string> };
    const got: string[] = [];
    for await (const text of service.chat(WORDS)) got.push(text);
    expect(got).toEqual(WORDS.flatMap((text) => [`${text}!`, `${text}?`]));
  });

  it("has the replies to a version 1 peer kept behind a slow one", async () => {
    const server = bench.server();
    const release: (() => void)[] = [];
    server.handle(CMD, codec, async (text: string) => {
      if (text === "one") await new Promise<void>((resolve) => release.push(resolve));
      return `${text}!`;
    });
    const [near, far] = memoryPair();
    const got: string[] = [];
    const decoder = new FrameDecoder();
    server.accept(far);
    near.open({
      onData: (chunk) => decoder.push(chunk, ({ payload }) => got.push(new TextDecoder().decode(payload))),
      onAlive: () => {},
      onDrain: () => {},
      onClose: () => {},
    });
    for (const text of WORDS) near.write(encodeFrame({ cmd: CMD, payload: new TextEncoder().encode(text) }));
    await turns();
    expect(got).toEqual([]);
    release[0]?.();
    await expect.poll(() => got).toEqual(["one!", "two!", "three!"]);
  });

  it("has a broadcast kept as it was for receivers that do not keep up", async () => {
    const { note } = TestServiceDefinition.methods;
    const server = bench.server({ highWaterMark: 1 });
    const make = await joint!.open(server);
    const got: string[][] = [[], [], []];
    for (const list of got) {
      const client = await bench.client(make);
      client.handle(261, codec, (text: string) => void list.push(text));
    }
    const method = { ...note, requestType: codec } as MethodDefinition;
    for (const text of WORDS) server.broadcast(method, text);
    await expect.poll(() => got).toEqual([WORDS, WORDS, WORDS]);
  });

  it("has its messages kept as they were in an outbox, also for the next process", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const server = bench.server({ clock });
    const got: string[] = [];
    server.handle(CMD, codec, (text: string) => void got.push(text));
    const unreachable = createClient("ws://memory", {
      clock,
      connector: () => new Promise(() => {}),
      outbox: await Outbox.over(disk.open(clock, 1)),
    });
    for (const text of WORDS) void unreachable.send(CMD, codec, text);
    await clock.advance(10);
    codec.encode("something else");
    await clock.advance(10);
    expect([...disk.frames.values()].map(({ payload }) => new TextDecoder().decode(payload))).toEqual(WORDS);
    disk.crash(1);
  });

  it("shows each message as it was to every listener of frames", async () => {
    const server = bench.server();
    const client = await bench.client(await joint!.open(server));
    const shown: string[] = [];
    client.on("frame", () => void codec.encode("what another listener sends"));
    client.on("frame", ({ direction, cmd, payload }) => {
      if (direction === "out" && cmd === CMD) shown.push(new TextDecoder().decode(payload));
    });
    for (const text of WORDS) void client.send(CMD, codec, text);
    expect(shown).toEqual(WORDS);
  });
});

describe("what an application changes after it gave it", () => {
  it("a message, its bytes and its metadata are sent as they were at the call", async () => {
    const server = bench.server();
    const got: unknown[] = [];
    server.implement(TestServiceDefinition, {
      echo: ({ text, data }, { metadata }) => {
        got.push([text, [...data], { ...metadata }]);
        return { text, data };
      },
    });
    const client = (await JOINTS[0]!.open(server))({ reconnect: false });
    const message = { text: "as it was", data: Uint8Array.of(1, 2, 3) };
    const metadata: Record<string, string> = { key: "value" };
    const reply = client.service(TestServiceDefinition).echo(message, { metadata });
    message.text = "changed";
    message.data.fill(9);
    metadata.key = "changed";
    await client.connect();
    expect(await reply).toMatchObject({ text: "as it was", data: Uint8Array.of(1, 2, 3) });
    expect(got).toEqual([["as it was", [1, 2, 3], { key: "value" }]]);
    await client.close();
  });

  it("credentials are shown as they were when they were given, however long the socket takes", async () => {
    const seen: number[][] = [];
    const server = bench.server({
      authenticate: ({ credentials }) => {
        seen.push([...credentials]);
        return { identity: "somebody", subject: "somebody" };
      },
    });
    const secret = Buffer.from([1, 2, 3]);
    const client = createClient("ws://memory", {
      reconnect: false,
      credentials: () => secret,
      connector: async () => {
        secret.fill(0);
        const [near, far] = memoryPair();
        server.accept(far);
        return near;
      },
    });
    await client.connect();
    expect(seen).toEqual([[1, 2, 3]]);
    await client.close();
  });

  it("a message received keeps its bytes, whatever memory the next ones arrive in", async () => {
    const bytes = { encode: (data: Uint8Array) => ({ finish: () => data }), decode: (data: Uint8Array) => data };
    const random = new SeededRandom(5);
    for (const { name, open } of JOINTS.filter(({ name }) => ["memory messages", "WebSocket", "TCP"].includes(name))) {
      const server = bench.server();
      const got: Uint8Array[] = [];
      server.handle(CMD, bytes, (data: Uint8Array) => void got.push(data));
      server.handle(CMD + 1, EchoRequest, ({ data }: EchoRequest) => void got.push(data));
      const client = await bench.client(await open(server));
      const sent = Array.from({ length: 20 }, () => Uint8Array.from({ length: 5000 }, () => random.next() * 256));
      for (const [i, data] of sent.entries()) {
        if (i % 2 === 0) void client.send(CMD, bytes, data);
        else void client.send(CMD + 1, EchoRequest, { data });
      }
      await expect.poll(() => got.length).toBe(20);
      expect(
        got.map((data) => Buffer.from(data).toString("hex")),
        name,
      ).toEqual(sent.map((data) => Buffer.from(data).toString("hex")));
    }
  });
});
