/** Everything that waits is counted when it comes and uncounted when it goes, and there are marks on what one connection and all of them hold. */

import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import type { LimitEvent, Server, ServerOptions } from "../../src/server/index.js";
import { ChatRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { BYTES } from "../helpers/attacks/attacked-server.js";
import { HandClock } from "../helpers/clocks.js";
import { fc } from "../helpers/fast-check.js";
import { helloFrame, RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
afterEach(() => bench.end());

const TAKE = 0x0301;
const LARGE = 0x0302;
const SLOW = 0x0303;
const CHAT = 260;

/** Until it is opened, whoever waits for it waits. */
class Gate {
  open!: () => void;
  readonly passed = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

interface Scene {
  readonly server: Server;
  readonly gate: Gate;
  readonly events: LimitEvent[];
  readonly url: (kind?: "ws" | "tcp") => string;
  readonly held: () => number;
}

async function scene(options: ServerOptions = {}, gate = new Gate()): Promise<Scene> {
  const server = bench.server({ resumeWindowMs: 0, ...options });
  server.implement(TestServiceDefinition, {
    ...testService(),
    async *chat(requests) {
      await gate.passed;
      for await (const _ of requests);
      yield* [];
    },
  });
  server.handle(TAKE, BYTES, () => undefined);
  server.handle(LARGE, BYTES, () => new Uint8Array(100_000));
  server.handle(SLOW, BYTES, async (message) => {
    if (message.length > 0) await gate.passed;
    return new Uint8Array(message.length === 1000 ? 10 : 1000);
  });
  const events: LimitEvent[] = [];
  server.on("limit", (event) => events.push(event));
  const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
  return { server, gate, events, url: (kind = "tcp") => (kind === "ws" ? ws : tcp)!.url, held: () => server.stats.heldBytes };
}

async function member(url: string, headers: Record<string, string> = {}): Promise<RawPeer> {
  const peer = await RawPeer.connect(url, { headers });
  await peer.greet();
  return peer;
}

const request = (callId: number, cmd: number, payload = new Uint8Array(0)) =>
  seededFrame({ cmd, kind: FrameKind.FRAME_KIND_REQUEST, callId, payload });
const item = (callId: number) =>
  seededFrame({
    cmd: CHAT,
    kind: FrameKind.FRAME_KIND_ITEM,
    callId,
    payload: ChatRequest.encode(ChatRequest.fromPartial({ text: "x".repeat(100) })).finish(),
  });
const end = (callId: number) => seededFrame({ cmd: CHAT, kind: FrameKind.FRAME_KIND_END, callId });
const take = (bytes: number) => seededFrame({ cmd: TAKE, payload: new Uint8Array(bytes) });
const times = (count: number, frame: Uint8Array) => Buffer.concat(Array<Uint8Array>(count).fill(frame));

/** A frame of a WebSocket client, with a masking key of 0. */
function fragment(first: number, bytes: number): Uint8Array {
  const head = bytes < 126 ? [0x80 | bytes] : [0xfe, bytes >> 8, bytes & 0xff];
  return Uint8Array.of(first, ...head, 0, 0, 0, 0, ...new Uint8Array(bytes));
}

interface Kind {
  readonly name: string;
  readonly options?: (gate: Gate) => ServerOptions;
  /** Bytes that must be counted at least. */
  readonly least: number;
  readonly come: (scene: Scene) => Promise<RawPeer>;
  /** What makes it go while the connection stays; absent: it goes with the connection only. */
  readonly go?: (scene: Scene, peer: RawPeer) => void;
}

const KINDS: readonly Kind[] = [
  {
    name: "a hello and what comes behind it, while authenticate thinks",
    options: (gate) => ({ authenticate: async () => void (await gate.passed) }) as unknown as ServerOptions,
    least: 50_000 + 20_000,
    come: async ({ url }) => {
      const peer = await RawPeer.connect(url());
      peer.send(Buffer.concat([helloFrame({ credentials: new Uint8Array(50_000) }), times(20, take(1000))]));
      return peer;
    },
    go: ({ gate }) => gate.open(),
  },
  {
    name: "a frame that is not whole",
    least: 100_000,
    come: async ({ url }) => {
      const peer = await member(url());
      peer.send(take(200_000).subarray(0, 100_000));
      return peer;
    },
    go: (_, peer) => peer.send(take(200_000).subarray(100_000)),
  },
  {
    name: "a WebSocket message that is not whole",
    least: 30_000,
    come: async ({ url }) => {
      const peer = await member(url("ws"));
      peer.sendRaw(fragment(0x02, 30_000));
      return peer;
    },
  },
  {
    name: "a WebSocket message in fragments of one byte",
    least: 100 * 192,
    come: async ({ url }) => {
      const peer = await member(url("ws"));
      peer.sendRaw(Buffer.concat([fragment(0x02, 1), times(100, fragment(0x00, 1))]));
      return peer;
    },
  },
  {
    name: "items that no handler has read",
    least: 100 * 300,
    come: async ({ url }) => {
      const peer = await member(url());
      peer.send(Buffer.concat([request(1, CHAT), times(100, item(1)), end(1)]));
      return peer;
    },
    go: ({ gate }) => gate.open(),
  },
  {
    name: "items of a call whose authorize thinks",
    options: (gate) => ({ authorize: async () => gate.passed }),
    least: 100 * 300,
    come: async ({ url }) => {
      const peer = await member(url());
      peer.send(Buffer.concat([request(1, CHAT), times(100, item(1)), end(1)]));
      return peer;
    },
    go: ({ gate }) => gate.open(),
  },
  {
    name: "requests whose handlers run",
    least: 20 * 3000,
    come: async ({ url }) => {
      const peer = await member(url());
      for (let i = 0; i < 20; i++) peer.send(request(2 * i + 1, SLOW, new Uint8Array(1000)));
      return peer;
    },
    go: ({ gate }) => gate.open(),
  },
  {
    name: "version 1 replies behind a slow one",
    least: 50 * 1000,
    come: async ({ url }) => {
      const peer = await RawPeer.connect(url());
      peer.send(encodeFrame({ cmd: SLOW, payload: new Uint8Array(1) }));
      peer.send(times(50, encodeFrame({ cmd: SLOW })));
      return peer;
    },
    go: ({ gate }) => gate.open(),
  },
  {
    name: "replies that are not read",
    least: 1_000_000,
    come: async ({ url }) => {
      const peer = await member(url());
      peer.pause();
      // More than the replay buffer takes, and less than may wait: with more of them the connection would be closed before it is looked at.
      for (let i = 0; i < 30; i++) peer.send(request(2 * i + 1, LARGE));
      return peer;
    },
  },
];

describe("what waits is counted when it comes, and uncounted when it goes", () => {
  it.each(KINDS)("$name", async ({ options, least, come, go }) => {
    const gate = new Gate();
    const at = await scene({ maxFramesPerSecond: Number.POSITIVE_INFINITY, ...options?.(gate) }, gate);
    const peer = await come(at);
    await expect.poll(at.held).toBeGreaterThanOrEqual(least);
    expect(at.events).toEqual([]);
    if (go !== undefined) {
      go(at, peer);
      // What is left are replies that a raw peer does not acknowledge.
      await expect.poll(at.held).toBeLessThan(least / 2);
    }
    peer.destroy();
    await expect.poll(at.held).toBe(0);
    expect(at.server.stats.shed).toBe(0);
  });

  it("a session whose client is away, with what is kept for it", async () => {
    const clock = new HandClock();
    const at = await scene({ clock, resumeWindowMs: 10_000 });
    const peer = await member(at.url());
    peer.send(request(1, LARGE));
    await expect.poll(() => peer.frames.length).toBe(2);
    peer.destroy();
    await expect.poll(() => at.server.sessions.interrupted).toBe(1);
    expect(at.held()).toBeGreaterThan(100_000);
    await clock.advance(10_000);
    expect(at.held()).toBe(0);
  });

  it("a request whose handler goes on after its connection has closed, until it returns", async () => {
    const at = await scene();
    const peer = await member(at.url());
    for (let i = 0; i < 20; i++) peer.send(request(2 * i + 1, SLOW, new Uint8Array(1000)));
    await expect.poll(at.held).toBeGreaterThan(60_000);
    peer.destroy();
    await expect.poll(() => at.server.stats.sessions).toBe(0);
    expect(at.held()).toBeGreaterThan(60_000);
    at.gate.open();
    await expect.poll(at.held).toBe(0);
  });

  it("a broadcast that waits in many queues: once for the server, in full for each connection", async () => {
    const clock = new HandClock();
    const at = await scene({ clock, resumeWindowMs: 10_000 });
    const peers = await Promise.all(Array.from({ length: 10 }, () => member(at.url())));
    for (const peer of peers) peer.destroy();
    await expect.poll(() => at.server.sessions.interrupted).toBe(10);
    const before = at.held();
    at.server.broadcast(TestServiceDefinition.methods.note, { text: "x".repeat(100_000) });
    expect(at.held() - before).toBeGreaterThan(100_000);
    expect(at.held() - before).toBeLessThan(300_000);
    expect(at.server.sessions.interruptedBytes).toBeGreaterThan(10 * 100_000);
    await clock.advance(10_000);
    expect(at.held()).toBe(0);
  });

  it("whatever comes and goes in whatever order, nothing is left when all are gone", async () => {
    const act = fc.record({ what: fc.constantFrom("items", "read", "request", "large", "part", "message", "leave"), who: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 20 }), async (acts) => {
        const at = await scene();
        const peers = await Promise.all(Array.from({ length: 4 }, (_, i) => member(at.url(i % 2 === 0 ? "tcp" : "ws"))));
        let callId = 1;
        for (const { what, who } of acts) {
          const peer = peers[who]!;
          callId += 2;
          if (what === "items") peer.send(Buffer.concat([request(callId, CHAT), times(20, item(callId)), end(callId)]));
          else if (what === "read") at.gate.open();
          else if (what === "request") peer.send(request(callId, SLOW, new Uint8Array(500)));
          else if (what === "large") peer.send(request(callId, LARGE));
          else if (what === "message") peer.send(take(5000));
          else if (what === "part") peer.send(take(5000).subarray(0, 3000));
          else peer.destroy();
          await new Promise(setImmediate);
        }
        for (const peer of peers) peer.destroy();
        // Handlers count until they return.
        at.gate.open();
        await expect.poll(at.held, { interval: 2 }).toBe(0);
        await bench.end();
      }),
      { numRuns: 12 },
    );
  });
});

describe("the mark of a connection", () => {
  it("stops its reading while the application takes nothing, and it goes on when some is taken", async () => {
    const at = await scene({ maxConnectionBytes: 200_000 });
    const peer = await member(at.url());
    peer.send(Buffer.concat([request(1, CHAT), times(280, item(1)), end(1)]));
    await expect.poll(at.held).toBeGreaterThan(100_000);
    peer.send(request(3, LARGE));
    await expect.poll(() => at.server.connections[0]?.inFlight).toBe(1);
    await turns();
    expect(peer.frames).toHaveLength(1);
    at.gate.open();
    await expect.poll(() => peer.frames.some(({ callId }) => callId === 3)).toBe(true);
    expect(at.events).toEqual([]);
  });

  it("closes it with rate-exceeded when the application has taken nothing for writeTimeoutMs", async () => {
    const clock = new HandClock();
    const at = await scene({ clock, maxConnectionBytes: 100_000, writeTimeoutMs: 5000 });
    const peer = await member(at.url());
    peer.send(Buffer.concat([request(1, CHAT), times(190, item(1))]));
    await expect.poll(at.held).toBeGreaterThan(50_000);
    await clock.advance(5000);
    expect((await peer.ended).code).toBe(4506);
    expect(at.events).toMatchObject([{ code: "rate-exceeded", message: expect.stringContaining("maxConnectionBytes") }]);
    expect(at.server.stats.limits["rate-exceeded"]).toBe(1);
    at.gate.open();
    await expect.poll(at.held).toBe(0);
  });

  it("closes it with rate-exceeded when what it has sent is more, before the handshake is done too", async () => {
    const authenticate = () => new Promise<never>(() => {});
    const at = await scene({ maxConnectionBytes: 40_000, authenticate });
    const peer = await RawPeer.connect(at.url());
    peer.send(helloFrame());
    peer.send(times(60, take(1000)));
    expect((await peer.ended).code).toBe(4506);
    expect(at.events).toMatchObject([{ code: "rate-exceeded", connection: undefined }]);
  });

  it("closes it with slow-consumer when what it does not take is more", async () => {
    const at = await scene({ maxConnectionBytes: 1_000_000, maxQueuedBytes: 50_000_000, replayBytes: 50_000_000, closeTimeoutMs: 100 });
    const peer = await member(at.url());
    peer.pause();
    for (let i = 0; i < 200; i++) peer.send(request(2 * i + 1, LARGE));
    await expect.poll(() => at.events).toMatchObject([{ code: "slow-consumer", message: expect.stringContaining("maxConnectionBytes") }]);
  });
});

it("at the server's mark connections of the address that holds the most are closed, the largest first, until three quarters are left; others go on", async () => {
  const at = await scene({
    maxServerBytes: 1_000_000,
    clientAddress: ({ headers }) => String(headers["x-for"]),
  });
  const good = await member(at.url("ws"), { "x-for": "192.0.2.1" });
  good.sendRaw(Buffer.concat([fragment(0x02, 50_000), fragment(0x00, 50_000)]));
  await expect.poll(at.held).toBeGreaterThan(100_000);
  const attackers: RawPeer[] = [];
  for (let i = 0; i < 20 && at.events.length === 0; i++) {
    const peer = await member(at.url("ws"), { "x-for": "192.0.2.2" });
    attackers.push(peer);
    const before = at.held();
    peer.sendRaw(Buffer.concat([fragment(0x02, 60_000), fragment(0x00, 60_000)]));
    await expect.poll(() => at.held() > before || at.events.length > 0).toBe(true);
  }
  await expect.poll(() => at.events.length).toBeGreaterThan(0);
  expect(new Set(at.events.map(({ code, address }) => `${code} ${address}`))).toEqual(new Set(["rate-exceeded 192.0.2.2"]));
  expect(at.events[0]?.message).toContain("maxServerBytes");
  await expect.poll(at.held).toBeLessThanOrEqual(750_000);
  expect(at.held()).toBeGreaterThan(500_000);
  expect(at.server.stats).toMatchObject({ shed: at.events.length, limits: { "rate-exceeded": at.events.length } });
  expect(at.server.connections.some(({ transport }) => transport.remoteAddress === "192.0.2.1")).toBe(true);
  for (const peer of [good, ...attackers]) peer.destroy();
  await expect.poll(at.held).toBe(0);
});

it("frames held while authenticate thinks are worked off in turns: another client is answered in between", async () => {
  const gate = new Gate();
  let handled = 0;
  const server = bench.server({
    maxFramesPerSecond: Number.POSITIVE_INFINITY,
    authenticate: async ({ credentials }: { credentials: Uint8Array }) => {
      if (credentials.length > 0) await gate.passed;
      return { identity: undefined, subject: "s" };
    },
  } as ServerOptions);
  server.handle(TAKE, BYTES, () => {
    for (const until = performance.now() + 0.2; performance.now() < until; );
    handled++;
  });
  server.handle(LARGE, BYTES, () => Uint8Array.of(handled));
  const url = (await server.listen({ tcp: {} })).tcp!.url;
  const quick = await member(url);
  const held = await RawPeer.connect(url);
  held.send(Buffer.concat([helloFrame({ credentials: Uint8Array.of(1) }), times(200, take(1))]));
  await expect.poll(() => server.stats.heldBytes).toBeGreaterThan(5000);
  gate.open();
  await expect.poll(() => handled, { interval: 1 }).toBeGreaterThan(0);
  quick.send(request(1, LARGE));
  // The reply is the second frame; a server whose frames are not acknowledged soon sends pings behind it.
  await expect.poll(() => quick.frames[1]?.payload?.[0], { interval: 1 }).toBeLessThan(200);
  await expect.poll(() => handled).toBe(200);
});
