/** What went wrong in other projects, above the frames: each by the name of its report. test/codec/pitfalls.test.ts has those of the codec. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Welcome } from "../../src/gen/framewire/v1/session.js";
import { FrameExt } from "../../src/protocol/control-messages.js";
import { memoryPair } from "../../src/transport/memory.js";
import { connectWebSocket } from "../../src/transport/websocket.js";
import { AllTypes } from "../gen/test/v1/all_types.js";
import { EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { helloFrame, RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
afterEach(async () => {
  vi.unstubAllGlobals();
  await bench.end();
});

const { WELCOME, REQUEST, RESPONSE, ITEM, END, PING, PONG } = {
  WELCOME: FrameKind.FRAME_KIND_WELCOME,
  REQUEST: FrameKind.FRAME_KIND_REQUEST,
  RESPONSE: FrameKind.FRAME_KIND_RESPONSE,
  ITEM: FrameKind.FRAME_KIND_ITEM,
  END: FrameKind.FRAME_KIND_END,
  PING: FrameKind.FRAME_KIND_PING,
  PONG: FrameKind.FRAME_KIND_PONG,
};

/** A peer in memory that has said hello, and what came back. */
async function member(options: Parameters<Bench["server"]>[0] = {}) {
  const server = bench.server(options);
  const [near, far] = memoryPair();
  const kinds: number[] = [];
  const decoder = new FrameDecoder();
  server.accept(far);
  near.open({
    onData: (chunk) =>
      decoder.push(chunk, ({ kindNumber, payload }) => {
        if (kindNumber === WELCOME) decoder.update({ checksumSeed: Welcome.decode(payload).checksumSeed });
        kinds.push(kindNumber);
      }),
    onAlive: () => {},
    onDrain: () => {},
    onClose: () => {},
  });
  near.write(helloFrame());
  await expect.poll(() => kinds).toEqual([WELCOME]);
  return { server, near, kinds };
}

describe("backpressure", () => {
  it("a ping is answered while replies wait for room (uWebSockets#1876)", async () => {
    const { server, near, kinds } = await member({ highWaterMark: 1000 });
    server.implement(TestServiceDefinition, testService());
    near.pause();
    const request = EchoRequest.encode(EchoRequest.fromPartial({ data: new Uint8Array(2000) })).finish();
    for (let i = 0; i < 20; i++) near.write(seededFrame({ cmd: 257, kind: REQUEST, callId: 2 * i + 1, payload: request }));
    await turns();
    near.write(seededFrame({ cmd: 0, kind: PING }));
    await turns();
    near.resume();
    await expect.poll(() => kinds.filter((kind) => kind === RESPONSE)).toHaveLength(20);
    // Before the replies that wait, not behind them.
    expect(kinds.indexOf(PONG)).toBeGreaterThan(-1);
    expect(kinds.indexOf(PONG)).toBeLessThan(kinds.lastIndexOf(RESPONSE) - 5);
  });

  it.each(JOINTS)(
    "a reader that stops stops the producer at its credit, over $name, and no other stream (whatwg/websockets#17)",
    async (joint) => {
      const server = bench.server();
      let made = 0;
      server.implement(TestServiceDefinition, {
        ...testService(),
        async *count({ padding }) {
          for (let number = 1; ; number++) {
            made = number;
            yield { number, padding: new Uint8Array(padding) };
          }
        },
      });
      const client = await bench.client(await joint.open(server), { initialCredit: 10_000 });
      const service = client.service(TestServiceDefinition);
      const slow = service.count({ padding: 100 })[Symbol.asyncIterator]();
      await slow.next();
      await expect.poll(() => made).toBeGreaterThan(50);
      let stood = 0;
      await expect.poll(() => stood === (stood = made)).toBe(true);
      // An item costs its payload and 64: about 60 of them; one more may be on its way.
      expect(made).toBeLessThan(70);
      const texts: string[] = [];
      for await (const { text } of service.chat(Array.from({ length: 500 }, (_, i) => ({ text: `t${i}` })))) texts.push(text);
      expect(texts).toHaveLength(500);
      expect((await service.echo({ text: "x" })).text).toBe("x");
      expect(made).toBe(stood);
      for (let i = 0; i < 100; i++) await slow.next();
      expect(made).toBeGreaterThan(stood);
      await slow.return?.();
    },
  );

  it("messages that their handlers do not get on with are not read on (appwrite#13415, socket.io#3158)", async () => {
    const { server, near } = await member({ maxCalls: 10 });
    let running = 0;
    let free = () => {};
    const gate = new Promise<void>((resolve) => (free = resolve));
    server.handle(0x0201, EchoRequest, async () => {
      running++;
      await gate;
    });
    for (let i = 0; i < 100; i++) {
      near.write(seededFrame({ cmd: 0x0201, payload: new Uint8Array(0) }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(running).toBe(10);
    free();
    await expect.poll(() => running).toBe(100);
  });
});

describe("browsers", () => {
  it("messages are asked for as array buffers before any can come: blobs would overtake each other (crossws#198)", async () => {
    const types: string[] = [];
    class Socket {
      binaryType = "blob";
      protocol = "framewire.v2";
      onopen: () => void = () => {};
      constructor() {
        queueMicrotask(() => {
          types.push(this.binaryType);
          this.onopen();
        });
      }
    }
    vi.stubGlobal("WebSocket", Socket);
    await connectWebSocket("ws://example", [2], new AbortController().signal);
    expect(types).toEqual(["arraybuffer"]);
  });
});

describe("length and allocation attacks", () => {
  it("a message nested a hundred thousand deep fails its call and nothing else (protobuf.js#2121, ts-proto#1269)", async () => {
    const server = bench.server();
    server.handle(0x0201, AllTypes, () => {}, { reply: EchoRequest });
    server.implement(TestServiceDefinition, testService());
    const { tcp } = await server.listen({ tcp: {} });
    const peer = await RawPeer.connect(tcp!.url);
    await peer.greet();
    peer.send(seededFrame({ cmd: 0x0201, kind: REQUEST, callId: 1, payload: nested(100_000) }));
    peer.send(seededFrame({ cmd: 257, kind: REQUEST, callId: 3, payload: new Uint8Array(0) }));
    await expect
      .poll(() => peer.frames.filter(({ kind }) => kind === RESPONSE).map(({ callId, status = 0 }) => [callId, status]))
      .toEqual([
        [1, 3],
        [3, 0],
      ]);
  });

  it("items of no bytes at all cost credit too (js-libp2p-mplex#234)", async () => {
    const { server, near } = await member({ initialCredit: 640 });
    let free = () => {};
    const gate = new Promise<void>((resolve) => (free = resolve));
    server.implement(TestServiceDefinition, { ...testService(), sum: () => gate.then(() => ({ sum: 0n })) });
    near.write(seededFrame({ cmd: 259, kind: REQUEST, callId: 1 }));
    for (let i = 0; i < 10; i++) near.write(seededFrame({ cmd: 259, kind: ITEM, callId: 1 }));
    await turns();
    expect(server.connections).toHaveLength(1);
    near.write(seededFrame({ cmd: 259, kind: ITEM, callId: 1 }));
    near.write(seededFrame({ cmd: 259, kind: END, callId: 1 }));
    await expect.poll(() => server.stats.disconnects["protocol-violation"]).toBe(1);
    expect(server.stats.sockets).toBe(0);
    free();
  });

  it("names that a peer chooses are names and nothing else (protobuf.js CVE-2022-25878, #2125)", async () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const metadata = Object.defineProperties(
      {} as Record<string, string>,
      Object.fromEntries(names.map((name) => [name, { value: `the peer's ${name}`, enumerable: true }])),
    );
    const seen: unknown[] = [];
    const server = bench.server();
    server.handle(0x0201, EchoRequest, (_request, context) => {
      seen.push(
        names.map((name) => context.metadata[name]),
        Object.getPrototypeOf(context.metadata),
      );
    });
    const { tcp } = await server.listen({ tcp: {} });
    const peer = await RawPeer.connect(tcp!.url);
    await peer.greet();
    for (const ext of [FrameExt.encode({ metadata, message: "" }), undefined]) {
      peer.send(seededFrame({ cmd: 0x0201, kind: REQUEST, callId: 2 * seen.length + 1, payload: new Uint8Array(0), ext }));
      const before = seen.length;
      await expect.poll(() => seen.length).toBe(before + 2);
    }
    expect(seen).toEqual([names.map((name) => `the peer's ${name}`), null, names.map(() => undefined), null]);
    const map = AllTypes.encode(AllTypes.fromPartial({ mInt32Message: {} })).finish();
    // map<string, uint64> with the key `__proto__`: whatever the generated code makes of it, it is one message's affair.
    AllTypes.decode(Uint8Array.from([...map, ...mapEntry("__proto__")]));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it("the libraries are behind their known holes", () => {
    const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}/package.json`, import.meta.url), "utf8"));
    const { dependencies, peerDependencies } = read(".");
    expect(dependencies.ws).toMatch(/^\^8\.(2[1-9]|[3-9]\d)\./);
    expect(peerDependencies["ts-proto"]).toMatch(/^>=2\.(12\.[1-9]|1[3-9]\.|[2-9]\d\.)/);
  });
});

/** A message in a message, so often. */
function nested(depth: number): Uint8Array {
  const head = [...AllTypes.encode(AllTypes.fromPartial({ nested: {} })).finish()].slice(0, -1);
  let length = 0;
  const parts: number[][] = [];
  for (let i = 0; i < depth; i++) {
    const size: number[] = [];
    for (let left = length; ; left >>>= 7) {
      size.push(left > 0x7f ? (left & 0x7f) | 0x80 : left);
      if (left <= 0x7f) break;
    }
    parts.push([...head, ...size]);
    length += head.length + size.length;
  }
  return Uint8Array.from(parts.reverse().flat());
}

/** One entry of `m_string_uint64` with this key. */
function mapEntry(key: string): number[] {
  const encoded = AllTypes.encode(AllTypes.fromPartial({ mStringUint64: { ["x".repeat(key.length)]: 1n } })).finish();
  const bytes = Buffer.from(encoded);
  bytes.write(key, bytes.indexOf("x".repeat(key.length)), "latin1");
  return [...bytes];
}
