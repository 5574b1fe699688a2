import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { type CloseErrorCode, closeCodeOf, statusOf } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { DEFAULTS } from "../../src/options.js";
import type { LimitCode, LimitEvent, Server, ServerOptions } from "../../src/server/index.js";
import { EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { helloFrame, RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const UNKNOWN = 0x7777;
/** As a varint. */
const GIBIBYTE = [0x80, 0x80, 0x80, 0x80, 0x04];

interface Scene {
  readonly server: Server;
  readonly clock: HandClock;
  readonly url: string;
  readonly events: LimitEvent[];
}

async function open(options: ServerOptions = {}, kind: "ws" | "tcp" = "tcp", secure = false): Promise<Scene> {
  const clock = new HandClock();
  const server = bench.server({ clock, ...options });
  server.implement(TestServiceDefinition, testService());
  const events: LimitEvent[] = [];
  server.on("limit", (event) => events.push(event));
  const tls = secure ? { tls: { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") } } : {};
  const addresses = await server.listen({ [kind]: tls });
  return { server, clock, url: addresses[kind]!.url, events };
}

/** A peer that said hello. */
async function member(url: string): Promise<RawPeer> {
  const peer = await RawPeer.connect(url);
  await peer.greet();
  return peer;
}

const times = (count: number, frame: (index: number) => Uint8Array) => Buffer.concat(Array.from({ length: count }, (_, i) => frame(i)));
const control = (kind: FrameKind, rest: object = {}) => seededFrame({ cmd: 0, kind, ...rest });
const request = (callId: number, cmd: number, message: Partial<EchoRequest> = {}) =>
  seededFrame({ cmd, kind: FrameKind.FRAME_KIND_REQUEST, callId, payload: EchoRequest.encode(EchoRequest.fromPartial(message)).finish() });

/** What a peer does to reach a limit; resolves with the peer that is closed for it. */
interface Breach {
  readonly code: Exclude<LimitCode, "resource-exhausted">;
  readonly name: string;
  readonly options?: ServerOptions;
  readonly kind?: "ws" | "tcp";
  /** Over TLS. */
  readonly secure?: boolean;
  /** Whether the handshake was done. */
  readonly member: boolean;
  run(scene: Scene): Promise<RawPeer>;
}

/** A WebSocket frame of a client, with a masking key that changes nothing. */
const webSocketFrame = (first: number, ...payload: number[]) => Uint8Array.of(first, 0x80 | payload.length, 0, 0, 0, 0, ...payload);

/** What the WebSocket library keeps to itself. */
const WEBSOCKET_FLOODS: Readonly<Record<string, Uint8Array>> = {
  "a flood of WebSocket pongs": times(2600, () => webSocketFrame(0x8a)),
  "a flood of WebSocket pings": times(2600, () => webSocketFrame(0x89, 1, 2, 3)),
  "a flood of empty messages": times(2600, () => webSocketFrame(0x82)),
  "a flood of empty fragments": Buffer.concat([webSocketFrame(0x02), times(2600, () => webSocketFrame(0x00))]),
  "a flood of fragmented empty messages": times(2600, (i) => webSocketFrame(i % 2 === 0 ? 0x02 : 0x80)),
};

async function sending(scene: Scene, bytes: Uint8Array): Promise<RawPeer> {
  const peer = await member(scene.url);
  peer.send(bytes);
  return peer;
}

const BREACHES: readonly Breach[] = [
  {
    code: "too-many-connections",
    name: "one connection more than maxConnections",
    options: { maxConnections: 2 },
    member: false,
    run: async ({ url }) => {
      for (let i = 0; i < 2; i++) await member(url);
      return RawPeer.connect(url);
    },
  },
  {
    code: "too-many-connections",
    name: "one connection more than maxConnectionsPerAddress",
    options: { maxConnectionsPerAddress: 2 },
    kind: "ws",
    member: false,
    run: async ({ url }) => {
      for (let i = 0; i < 2; i++) await member(url);
      return RawPeer.connect(url);
    },
  },
  {
    code: "too-many-connections",
    name: "one handshake more than maxHandshakes: the oldest goes",
    options: { maxHandshakes: 2 },
    member: false,
    run: async ({ url, server }) => {
      const peers: RawPeer[] = [];
      for (let i = 0; i < 3; i++) {
        peers.push(await RawPeer.connect(url));
        await expect.poll(() => server.stats.accepted).toBe(i + 1);
      }
      return peers[0]!;
    },
  },
  {
    code: "handshake-timeout",
    name: "no handshake",
    member: false,
    run: async ({ url, clock, server }) => {
      const peer = await RawPeer.connect(url);
      await expect.poll(() => server.stats.accepted).toBe(1);
      await clock.advance(DEFAULTS.handshakeTimeoutMs);
      return peer;
    },
  },
  {
    code: "frame-timeout",
    name: "half a frame",
    member: true,
    run: async (scene) => {
      const peer = await sending(scene, Buffer.concat([request(1, 257), request(3, 257).subarray(0, 20)]));
      await expect.poll(() => peer.frames.length).toBe(2);
      await scene.clock.advance(DEFAULTS.frameTimeoutMs);
      return peer;
    },
  },
  {
    code: "heartbeat-timeout",
    name: "silence",
    member: true,
    run: async ({ url, clock }) => {
      const peer = await member(url);
      await clock.advance(DEFAULTS.heartbeatIntervalMs + DEFAULTS.heartbeatTimeoutMs);
      return peer;
    },
  },
  {
    code: "rate-exceeded",
    name: "a flood of unknown messages",
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(2600, () => seededFrame({ cmd: UNKNOWN })),
      ),
  },
  {
    code: "rate-exceeded",
    name: "a flood of unknown requests",
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(2600, (i) => request(i * 2 + 1, UNKNOWN)),
      ),
  },
  {
    code: "rate-exceeded",
    name: "a flood of payloads that cannot be decoded",
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(2600, () => seededFrame({ cmd: 261, payload: Uint8Array.of(0xff) })),
      ),
  },
  {
    code: "rate-exceeded",
    name: "a flood of pings",
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(2600, () => control(FrameKind.FRAME_KIND_PING)),
      ),
  },
  {
    code: "rate-exceeded",
    name: "calls that are cancelled as fast as they are opened (CVE-2023-44487)",
    // Within one chunk no handler hears of the end of its call.
    options: { maxCalls: 10_000 },
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(5200, (i) => (i % 2 === 0 ? request(i + 1, 257, { delayMs: 60_000 }) : control(FrameKind.FRAME_KIND_CANCEL, { callId: i }))),
      ),
  },
  {
    code: "rate-exceeded",
    name: "a flood of requests to send everything again",
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(2600, () => control(FrameKind.FRAME_KIND_ACK, { status: statusOf("data-loss") })),
      ),
  },
  {
    code: "rate-exceeded",
    name: "endless tiny frames of a known command",
    options: { maxFramesPerSecond: 20_000 },
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(25_000, () => seededFrame({ cmd: 261 })),
      ),
  },
  {
    code: "rate-exceeded",
    name: "too many bytes",
    options: { maxBytesPerSecond: 1000 },
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(100, () => seededFrame({ cmd: 261, payload: new Uint8Array(100_000) })),
      ),
  },
  ...["ws", "wss"].flatMap((kind) =>
    Object.entries(WEBSOCKET_FLOODS).map(
      ([name, flood]): Breach => ({
        code: "rate-exceeded",
        name: `${name} over ${kind}`,
        kind: "ws",
        secure: kind === "wss",
        member: true,
        run: async (scene) => {
          const peer = await member(scene.url);
          peer.sendRaw(flood);
          return peer;
        },
      }),
    ),
  ),
  {
    code: "frame-too-large",
    name: "a frame that claims a gibibyte",
    member: true,
    run: (scene) =>
      sending(scene, Uint8Array.of(0x08, 0xf5, 0xf9, 0xf7, 0xf6, 0x07, 0x10, ...GIBIBYTE, 0x18, 2, 0x20, 1, 0x2a, ...GIBIBYTE)),
  },
  {
    code: "resync-budget",
    name: "damage again and again",
    options: { errorRate: 1 },
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(30, (i) => (i % 2 === 0 ? Uint8Array.of(1, 2, 3) : seededFrame({ cmd: 261 }))),
      ),
  },
  {
    code: "error-rate",
    name: "nothing but damage",
    member: true,
    run: (scene) =>
      sending(
        scene,
        times(30, () => encodeFrame({ version: 2, cmd: 261 }, { checksumSeed: 99 })),
      ),
  },
  {
    code: "write-timeout",
    name: "a reader that never reads",
    options: { heartbeatIntervalMs: 0 },
    member: true,
    run: async (scene) => {
      const peer = await member(scene.url);
      peer.pause();
      const connection = scene.server.connections[0]!;
      // As much as the kernel takes on both sides, and more. Frames that are not kept for a resume wait for no acknowledgement.
      const service = connection.service(TestServiceDefinition);
      const text = "x".repeat(1024 * 1024 - 100);
      for (let i = 0; i < 100; i++) {
        service.sample({ text }).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await scene.clock.advance(2 * DEFAULTS.writeTimeoutMs);
      peer.resume();
      return peer;
    },
  },
  {
    code: "slow-consumer",
    name: "answers that are never read",
    options: { maxQueuedBytes: 100_000, maxFramesPerSecond: Number.POSITIVE_INFINITY, highWaterMark: 1000 },
    member: true,
    run: async (scene) => {
      const peer = await member(scene.url);
      peer.pause();
      const data = new Uint8Array(200_000);
      for (let i = 0; i < 100 && scene.events.length === 0; i++) {
        peer.send(request(i * 2 + 1, 257, { data }));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await expect.poll(() => scene.events.length).toBe(1);
      peer.resume();
      return peer;
    },
  },
];

/** A limit's text names the option that it is set with. */
const AN_OPTION = /\b(?:max|heartbeat|frame|write|handshake|resync|error)[A-Z]\w+/;

describe("every limit has a typed close, an event and a counter", () => {
  it.each(BREACHES)("$code: $name", async ({ code, options, kind, secure, member, run }) => {
    const scene = await open(options, kind, secure);
    const peer = await run(scene);
    const { code: closeCode } = await peer.ended;
    // The goaway of a peer that does not read may never arrive.
    if (code !== "write-timeout" && code !== "slow-consumer") expect(closeCode).toBe(closeCodeOf(code as CloseErrorCode));
    expect(scene.events).toEqual([
      { code, message: expect.stringMatching(AN_OPTION), address: "127.0.0.1", connection: member ? expect.anything() : undefined },
    ]);
    expect(scene.server.stats.limits).toEqual({ ...NONE, [code]: 1 });
  });

  it("calls in flight: refused, told and counted, and the connection goes on", async () => {
    const { server, url, events } = await open({ maxCalls: 3 });
    const peer = await member(url);
    for (let i = 0; i < 5; i++) peer.send(request(i * 2 + 1, 257, { delayMs: 60_000 }));
    await expect.poll(() => peer.frames.length).toBe(3);
    const refused = peer.frames.filter(({ kind }) => kind === FrameKind.FRAME_KIND_RESPONSE);
    expect(refused.map(({ callId, status }) => [callId, status])).toEqual([
      [7, statusOf("resource-exhausted")],
      [9, statusOf("resource-exhausted")],
    ]);
    expect(events.map(({ code, connection }) => [code, connection])).toEqual(Array(2).fill(["resource-exhausted", server.connections[0]]));
    expect(server.stats.limits["resource-exhausted"]).toBe(2);
    expect(server.connections).toHaveLength(1);
  });

  it("slow-consumer: what waits for a client that is away", async () => {
    const { server, url, events } = await open({ maxQueuedBytes: 10_000 });
    const peer = await member(url);
    const ended: string[] = [];
    server.on("disconnection", (_connection, { code }) => ended.push(code));
    peer.destroy();
    await expect.poll(() => server.sessions.interrupted).toBe(1);
    const [connection] = server.connections;
    for (let i = 0; i < 20; i++) server.broadcast(TestServiceDefinition.methods.note, { text: "x".repeat(1000) });
    expect(ended).toEqual(["slow-consumer"]);
    expect(events.map(({ code, connection }) => [code, connection])).toEqual([["slow-consumer", connection]]);
    expect(server.stats.limits).toEqual({ ...NONE, "slow-consumer": 1 });
  });

  it("is in this file", async () => {
    const { server } = await open();
    expect(new Set([...BREACHES.map(({ code }) => code), "resource-exhausted"])).toEqual(new Set(Object.keys(server.stats.limits)));
  });
});

const NONE = Object.fromEntries(Object.keys(bench.server().stats.limits).map((code) => [code, 0]));

describe("a message of a gibibyte over WebSocket", () => {
  it("is refused at its header", async () => {
    const { server, url, events } = await open({}, "ws");
    const peer = await member(url);
    peer.sendRaw(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4));
    expect((await peer.ended).code).toBe(1009);
    await expect.poll(() => events.map(({ code }) => code)).toEqual(["frame-too-large"]);
    expect(server.stats.limits["frame-too-large"]).toBe(1);
  });

  it("that begins and does not go on is an incomplete frame", async () => {
    const { url, events, clock } = await open({}, "ws");
    const peer = await member(url);
    peer.sendRaw(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4, 0x55));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await clock.advance(DEFAULTS.frameTimeoutMs);
    expect((await peer.ended).code).toBe(4501);
    expect(events.map(({ code }) => code)).toEqual(["frame-timeout"]);
  });
});

describe("a message in fragments of one byte over WebSocket", () => {
  const fragments = (count: number) => times(count, (i) => webSocketFrame(i === 0 ? 0x02 : 0x00, 0));

  it("ends its connection at more than 256, and one for each 4 KiB of the largest message", async () => {
    const { server, url, events } = await open({ maxPayload: 4096 }, "ws");
    const peer = await member(url);
    peer.sendRaw(fragments(256 + 33));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toEqual([]);
    peer.sendRaw(times(1, () => webSocketFrame(0x00, 0)));
    expect((await peer.ended).code).toBe(1008);
    await expect.poll(() => events.map(({ code }) => code)).toEqual(["rate-exceeded"]);
    expect(server.stats.limits["rate-exceeded"]).toBe(1);
  });
});

describe("the rate of an address", () => {
  it("outlives its last socket: one after the other may send no more than two at once", async () => {
    const { server, url, events } = await open();
    const useless = (count: number) => times(count, () => seededFrame({ cmd: UNKNOWN }));
    for (const count of [2600, 2600, 20]) {
      const peer = await member(url);
      peer.send(useless(count));
      expect((await peer.ended).code).toBe(4506);
      await expect.poll(() => server.stats.sockets).toBe(0);
    }
    expect(events.map(({ message }) => message.includes("one address"))).toEqual([false, true, true]);
  });
});

describe("addresses", () => {
  it("are those that clientAddress gives, where a proxy stands in front", async () => {
    const { server, url, events } = await open(
      { maxConnectionsPerAddress: 1, clientAddress: ({ headers }) => String(headers["x-forwarded-for"]).split(", ").at(-1) },
      "ws",
    );
    const from = (address: string) => RawPeer.connect(url, { headers: { "X-Forwarded-For": address } });
    await (await from("198.51.100.1")).greet();
    await (await from("forged, 198.51.100.2")).greet();
    expect((await (await from("198.51.100.1")).ended).code).toBe(4507);
    expect(events.map(({ address }) => address)).toEqual(["198.51.100.1"]);
    expect(server.connections.map(({ transport }) => transport.remoteAddress)).toEqual(["198.51.100.1", "198.51.100.2"]);
  });

  it("are free again when their connections have ended, in whatever way", async () => {
    const { server, url } = await open({ maxConnectionsPerAddress: 1 });
    for (let i = 0; i < 5; i++) {
      const peer = await member(url);
      if (i % 2 === 0) peer.destroy();
      else server.connections.at(-1)!.close(4000, "enough");
      await expect.poll(() => server.stats.sockets).toBe(0);
    }
  });
});

describe("who is in the handshake", () => {
  it("is not sent away while the server itself still thinks", async () => {
    let asked = 0;
    const authenticate = () => {
      asked++;
      return new Promise<never>(() => {});
    };
    const { server, url } = await open({ maxHandshakes: 2, authenticate });
    const thinking = await RawPeer.connect(url);
    thinking.send(helloFrame());
    await expect.poll(() => asked).toBe(1);
    const idle = [await RawPeer.connect(url), await RawPeer.connect(url)];
    expect((await idle[0]!.ended).code).toBe(4507);
    expect(server.stats.handshakes).toBe(2);
    expect(thinking.frames).toEqual([]);
  });
});
