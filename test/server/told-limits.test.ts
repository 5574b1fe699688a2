/** What a peer says of itself in hello and welcome cannot harm this side, whatever it is. */

import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { encodeFrame, FrameDecoder } from "../../src/codec/index.js";
import { FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway, type Limits } from "../../src/gen/framewire/v1/session.js";
import { cutText } from "../../src/protocol/cut-text.js";
import { createServer, type Server } from "../../src/server/index.js";
import { readHello } from "../../src/session/handshake.js";
import { memoryPair } from "../../src/transport/memory.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { codePoint } from "../helpers/code-points.js";
import { fc } from "../helpers/fast-check.js";
import { heldBytes } from "../helpers/memory.js";
import { helloFrame, type RawKind, RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { ScriptedPeer } from "../helpers/scripted-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const KINDS: readonly RawKind[] = ["WebSocket", "TCP", "TLS"];
const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };
const limitsOf = (limits: Partial<Limits>): Limits => ({ maxPayload: 0, maxCalls: 0, initialCredit: 0, maxTrailer: 0, ...limits });

async function open(kind: RawKind, server: Server = bench.server()): Promise<{ server: Server; url: string }> {
  if (kind === "WebSocket") return { server, url: (await server.listen({ ws: {} })).ws!.url };
  return { server, url: (await server.listen({ tcp: kind === "TLS" ? { tls: TLS } : {} })).tcp!.url };
}

/** A message of an odd call id in use twice: a violation. */
const request = seededFrame({ cmd: 0x201, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2, sequence: 1 });

describe.each(KINDS)("over %s", (kind) => {
  it.each([1, 5, 1023])(
    "a client that takes payloads of %i is told why its connection closes, and the server goes on",
    async (maxPayload) => {
      const { server, url } = await open(kind);
      const peer = await RawPeer.connect(url);
      await peer.greet({ limits: limitsOf({ maxPayload, maxTrailer: 1 }) });
      peer.send(request);
      expect(await peer.ended).toEqual({ code: 4402, reason: "the call id 2 is in use or has the wrong parity" });
      await (await RawPeer.connect(url)).greet();
      expect(server.stats.sockets).toBe(1);
    },
  );

  it("its pings are answered, also with the largest payload", async () => {
    const { url } = await open(kind);
    const peer = await RawPeer.connect(url);
    await peer.greet({ limits: limitsOf({ maxPayload: 1 }) });
    peer.send(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_PING, payload: new Uint8Array(125).fill(7) }));
    await expect.poll(() => peer.frames.at(-1)?.payload).toEqual(new Uint8Array(125).fill(7));
  });

  it("a drain tells every client, those that take the least included", async () => {
    const { server, url } = await open(kind);
    const limits = [{ maxPayload: 1, maxTrailer: 1 }, {}, { maxPayload: 1 }];
    const peers = await Promise.all(limits.map(() => RawPeer.connect(url)));
    for (const [i, peer] of peers.entries()) await peer.greet({ limits: limitsOf(limits[i]!) });
    await server.close({ drainMs: 1 });
    for (const peer of peers) {
      expect((await peer.ended).code).toBe(4509);
      expect(peer.frames.filter((frame) => frame.kind === FrameKind.FRAME_KIND_GOAWAY).length).toBeGreaterThan(0);
    }
  });

  it("a broadcast that is too large for one client reaches the others, and that client's connection goes on", async () => {
    const { server, url } = await open(kind);
    const failures: unknown[] = [];
    server.on("failure", ({ error }) => failures.push(error));
    const [small, large] = [await RawPeer.connect(url), await RawPeer.connect(url)];
    await small.greet({ limits: limitsOf({ maxPayload: 1024 }) });
    await large.greet();
    for (const text of ["x".repeat(2000), "short"]) server.broadcast(TestServiceDefinition.methods.note, { text });
    const lengths = (peer: RawPeer) => peer.frames.filter(({ cmd }) => cmd !== 0).map(({ payload }) => (payload?.length ?? 0) > 100);
    await expect.poll(() => lengths(large)).toEqual([true, false]);
    await expect.poll(() => lengths(small)).toEqual([false]);
    expect(failures).toEqual([expect.objectContaining({ code: "frame-too-large" })]);
    expect(server.stats.sockets).toBe(2);
  });

  it.each([1024, 1 << 21])("probes of a client that takes trailers of %i bytes are followed by a few KiB at most", async (maxTrailer) => {
    const clock = new HandClock();
    const { server, url } = await open(kind, bench.server({ clock }));
    const peer = await RawPeer.connect(url);
    await peer.greet({ limits: limitsOf({ maxTrailer }) });
    server.broadcast(TestServiceDefinition.methods.note, { text: "never acknowledged" });
    const pings = () => peer.frames.filter(({ kind: each }) => each === FrameKind.FRAME_KIND_PING).length;
    // The first asks only; the later ones, without an answer, also settle what may be undecided.
    for (const ms of [100, 200, 400]) await clock.advance(ms);
    await expect.poll(pings).toBe(3);
    await expect.poll(() => server.connections[0]?.inFlight).toBe(0);
    expect(peer.frames.length).toBeLessThan(2000);
  });

  it("a hello that is longer than the server's maxPayload is taken, up to 64 KiB; no later frame is", async () => {
    const credentials = new Uint8Array(65_536 - 40).fill(9);
    const seen: number[] = [];
    const server = bench.server({ maxPayload: 1024, authenticate: ({ credentials: { length } }) => ({ identity: seen.push(length) }) });
    const { url } = await open(kind, server);
    const peer = await RawPeer.connect(url);
    await peer.greet({ credentials });
    expect(seen).toEqual([credentials.length]);
    peer.send(seededFrame({ cmd: 1, payload: new Uint8Array(1025), sequence: 1 }));
    expect((await peer.ended).code).toBe(4401);
  });

  it("a first frame of version 1 is no longer than the server's maxPayload", async () => {
    const { url } = await open(kind, bench.server({ maxPayload: 1024 }));
    const peer = await RawPeer.connect(url);
    peer.send(encodeFrame({ cmd: 1, payload: new Uint8Array(1025) }));
    expect((await peer.ended).code).toBe(4401);
  });
});

describe("a client", () => {
  it("of a server that takes payloads of 1 says why it closes, and is not harmed", async () => {
    const [near, far] = memoryPair();
    const peer = new ScriptedPeer(far);
    const client = createClient("ws://memory", { connector: async () => near, reconnect: false });
    const connecting = client.connect();
    await expect.poll(() => peer.frames.length).toBe(1);
    peer.sayWelcome({ limits: limitsOf({ maxPayload: 1, maxTrailer: 1 }) });
    await connecting;
    const states: unknown[] = [];
    client.on("state", (state, { closeCode }) => states.push([state, closeCode]));
    peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_HELLO });
    await expect.poll(() => states).toEqual([["disconnected", 4402]]);
    const goaway = Goaway.decode(peer.ofKind(FrameKind.FRAME_KIND_GOAWAY)[0]!.payload!);
    expect(goaway).toMatchObject({ closeCode: 4402, reason: "a second handshake on one connection" });
  });

  it("with credentials that no server takes fails at once, with the limit in the text", async () => {
    const { server, url } = await open("WebSocket");
    const client = createClient(url, { credentials: "x".repeat(65_536) });
    const error = await client.connect().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FramewireError);
    expect(error).toMatchObject({ code: "frame-too-large", message: expect.stringContaining("at most 65536") });
    expect(client.state).toBe("disconnected");
    await expect.poll(() => server.stats.sockets).toBe(0);
  });

  it("of small limits of its own has credentials as long as any", async () => {
    const { url } = await open("WebSocket", bench.server({ authenticate: ({ credentials }) => ({ identity: credentials.length }) }));
    const client = await bench.client((options) => createClient(url, options), { maxPayload: 1024, credentials: "x".repeat(9000) });
    expect(client.state).toBe("connected");
  });
});

describe("metadata", () => {
  it("that is longer than the peer's trailer fails its call alone", async () => {
    const { server, url } = await open("TCP", bench.server({ maxTrailer: 256 }));
    server.implement(TestServiceDefinition, testService());
    const client = await bench.client((options) => createClient(url, options));
    const service = client.service(TestServiceDefinition);
    await expect(service.echo({ text: "a" }, { metadata: { token: "x".repeat(400) } })).rejects.toMatchObject({ code: "frame-too-large" });
    expect((await service.echo({ text: "b" }, { metadata: { token: "x".repeat(100) } })).text).toBe("b");
  });
});

describe("what is kept of a hello", () => {
  it.each(["x", "é", "日", "😀"])("is 256 bytes of name, version and platform each, cut between two characters: %s", async (character) => {
    const { server, url } = await open("TCP");
    const long = `y${character.repeat(1500)}`;
    await (await RawPeer.connect(url)).greet({ peer: { name: long, version: long, platform: long } });
    const { peer } = server.connections[0]!;
    for (const text of [peer.name, peer.version, peer.platform]) {
      expect(long.startsWith(text!)).toBe(true);
      const bytes = Buffer.byteLength(text!);
      expect(bytes).toBeLessThanOrEqual(256);
      expect(bytes).toBeGreaterThan(256 - Buffer.byteLength(character));
    }
  });

  it("does not keep the rest of a long text in memory", () => {
    const before = heldBytes();
    const kept = Array.from({ length: 300 }, (_, i) => cutText(Buffer.alloc(50_000, 97 + (i % 26)).toString(), 256));
    expect(heldBytes() - before).toBeLessThan(3_000_000);
    expect(kept).toHaveLength(300);
  });
});

it("a text is cut to as many bytes as fit, between two code points", () => {
  fc.assert(
    fc.property(fc.string({ unit: codePoint, maxLength: 30 }), fc.nat({ max: 80 }), (text, maxBytes) => {
      const cut = cutText(text, maxBytes);
      expect(text.startsWith(cut)).toBe(true);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxBytes);
      const next = [...text.slice(cut.length)][0];
      if (next !== undefined) expect(Buffer.byteLength(cut + next)).toBeGreaterThan(maxBytes);
    }),
  );
});

describe("control frames", () => {
  const control = (kind: FrameKind, length: number) =>
    seededFrame({
      cmd: 0,
      kind,
      payload:
        kind === FrameKind.FRAME_KIND_GOAWAY
          ? Goaway.encode({ reason: "r".repeat(length - 3), reconnectSpreadMs: 0, closeCode: 0 }).finish()
          : new Uint8Array(length),
    });

  it.each([
    ["a goaway", FrameKind.FRAME_KIND_GOAWAY],
    ["an ack", FrameKind.FRAME_KIND_ACK],
    ["a pong", FrameKind.FRAME_KIND_PONG],
  ])("%s may have 1,024 bytes of payload, and no more", async (_name, kind) => {
    const { url } = await open("TCP");
    const peer = await RawPeer.connect(url);
    await peer.greet();
    peer.send(control(kind, 1024));
    peer.send(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_PING }));
    await expect.poll(() => peer.frames.length).toBe(2);
    peer.send(control(kind, 1025));
    expect((await peer.ended).code).toBe(4402);
  });

  it("a long reason is cut to what fits, and so is a long name of the server", async () => {
    const long = "é".repeat(4000);
    const { server, url } = await open("TCP", bench.server({ peer: { name: long, version: long, platform: long } }));
    const peer = await RawPeer.connect(url);
    await peer.greet({ limits: limitsOf({ maxPayload: 1 }) });
    server.connections[0]!.close(4000, long);
    const { reason } = await peer.ended;
    expect(long.startsWith(reason)).toBe(true);
    expect(reason.length).toBe(448);
    for (const { payload } of peer.frames) expect(payload!.length).toBeLessThanOrEqual(1024);
  });
});

it("a hello's fingerprint is none unless it is 64 hex digits", () => {
  const read = (schemaFingerprint: string) => {
    const bytes = helloFrame({ schemaFingerprint });
    let told: string | undefined;
    new FrameDecoder().push(bytes, (frame) => {
      told = readHello(frame).schemaFingerprint;
    });
    return told;
  };
  const digits = "0123456789abcdefABCDEF0123456789".repeat(2);
  expect(read(digits)).toBe(digits);
  for (const other of ["", "ab", `${digits}0`, `${digits.slice(1)}g`, `${digits}\n`, "٠".repeat(64)]) expect(read(other)).toBe("");
});

it.each([{ maxPayload: 1023 }, { maxPayload: 0 }, { maxTrailer: 255 }])(
  "own limits that no peer could keep to are refused: %o",
  (options) => {
    for (const make of [() => createServer(options), () => createClient("ws://x", options)]) {
      expect(make).toThrow(expect.objectContaining({ code: "invalid-option" }));
    }
  },
);
