import { afterEach, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { encodeFrame } from "../../src/codec/index.js";
import { closeCodeOf, statusOf } from "../../src/errors.js";
import { FrameExt, FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import type { ServerOptions } from "../../src/server/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { CountRequest, EchoRequest, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

/** A server whose handlers of `echo`, `count` and of the bare command 600 end when a test says so, whatever their signal says. */
async function open(options: ServerOptions = { maxCalls: 3 }) {
  const clock = new HandClock();
  const server = bench.server({ clock, ...options });
  const ends: (() => void)[] = [];
  const hang = () => new Promise<void>((resolve) => ends.push(resolve));
  let cleanedUp = 0;
  server.implement(TestServiceDefinition, {
    ...testService(),
    echo: async ({ text }) => {
      if (text === "hang") await hang();
      return { text };
    },
    async *count() {
      try {
        yield { number: 1 };
        await hang();
      } finally {
        cleanedUp++;
        await hang();
      }
    },
  });
  server.handle(600, NoteRequest, async (note) => {
    await hang();
    return note;
  });
  const { tcp } = await server.listen({ tcp: {} });
  const peer = await RawPeer.connect(tcp!.url);
  /** Lets every handler go on that hangs now. */
  const release = () => {
    for (const end of ends.splice(0)) end();
  };
  return { server, clock, peer, url: tcp!.url, ends, release, cleanedUp: () => cleanedUp };
}

const request = (callId: number, text: string, timeoutMs?: number) =>
  seededFrame({
    cmd: 257,
    kind: FrameKind.FRAME_KIND_REQUEST,
    callId,
    timeoutMs,
    payload: EchoRequest.encode(EchoRequest.fromPartial({ text })).finish(),
  });

function answers(peer: RawPeer): (number | undefined)[][] {
  return peer.frames.filter(({ kind }) => kind === FrameKind.FRAME_KIND_RESPONSE).map(({ callId, status }) => [callId, status ?? 0]);
}

const EXHAUSTED = statusOf("resource-exhausted");
const LATE = statusOf("deadline-exceeded");

it("handlers whose call has met its deadline count until they return: no peer has more of them than maxCalls", async () => {
  const { server, clock, peer, ends, release } = await open();
  await peer.greet();
  for (let i = 0; i < 3; i++) peer.send(request(2 * i + 1, "hang", 1));
  await expect.poll(() => ends.length).toBe(3);
  await clock.advance(1);
  // Deadlines of the same millisecond have no order.
  await expect.poll(() => new Set(answers(peer))).toEqual(new Set([1, 3, 5].map((id) => [id, LATE])));
  expect(server.stats.lateHandlers).toBe(3);

  for (let i = 3; i < 50; i++) peer.send(request(2 * i + 1, "hang", 1));
  await expect.poll(() => answers(peer).length).toBe(50);
  expect(ends).toHaveLength(3);
  expect(answers(peer).slice(3)).toEqual(Array.from({ length: 47 }, (_, i) => [2 * i + 7, EXHAUSTED]));
  expect(FrameExt.decode(peer.frames.at(-1)!.ext!).message).toBe(
    "test.v1.TestService/Echo: 0 calls are in flight, and the handlers of 3 that have ended still run; the receiver's maxCalls is 3",
  );
  expect(server.stats.limits["resource-exhausted"]).toBe(47);

  release();
  await expect.poll(() => server.stats.lateHandlers).toBe(0);
  peer.send(request(201, "at once"));
  await expect.poll(() => answers(peer).at(-1)).toEqual([201, 0]);
});

it("handlers of calls that were cancelled count beside the calls in flight", async () => {
  const { server, peer, ends, release } = await open();
  await peer.greet();
  for (const id of [1, 3]) peer.send(request(id, "hang"));
  peer.send(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_CANCEL, callId: 1 }));
  for (const id of [5, 7]) peer.send(request(id, "hang"));
  await expect.poll(() => answers(peer)).toEqual([[7, EXHAUSTED]]);
  expect(ends).toHaveLength(3);
  expect(server.stats.lateHandlers).toBe(1);
  release();
  await expect.poll(() => answers(peer).length).toBe(3);
  expect(server.stats.lateHandlers).toBe(0);
});

it("a stream counts until its generator has done its last, clean-up included", async () => {
  const { server, peer, ends, release, cleanedUp } = await open();
  await peer.greet();
  const payload = CountRequest.encode(CountRequest.fromPartial({ count: 1 })).finish();
  peer.send(seededFrame({ cmd: 258, kind: FrameKind.FRAME_KIND_REQUEST, callId: 1, payload }));
  await expect.poll(() => ends.length).toBe(1);
  expect(server.stats.lateHandlers).toBe(0);
  peer.send(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_CANCEL, callId: 1 }));
  await expect.poll(() => server.stats.lateHandlers).toBe(1);
  release();
  await expect.poll(cleanedUp).toBe(1);
  expect(server.stats.lateHandlers).toBe(1);
  release();
  await expect.poll(() => server.stats.lateHandlers).toBe(0);
});

it("handlers of a version 1 peer that has gone show until they return", async () => {
  const { server, peer, ends, release } = await open();
  for (let i = 0; i < 2; i++) peer.send(encodeFrame({ cmd: 600, payload: NoteRequest.encode({ text: "a" }).finish() }));
  await expect.poll(() => ends.length).toBe(2);
  expect(server.stats.lateHandlers).toBe(0);
  peer.destroy();
  await expect.poll(() => server.stats.lateHandlers).toBe(2);
  release();
  await expect.poll(() => server.stats.lateHandlers).toBe(0);
});

/** Handlers count with 1,536 bytes each: of closed connections of one address 1/32 of this may be held, and of all whose calls are over 1/8. */
const LITTLE = { maxServerBytes: 1_000_000 };
const OVERRUN = "too many handlers still run whose calls have ended, on all connections, for maxServerBytes";

it("an address whose connections have closed while many handlers run gets no more of them until those return", async () => {
  const { server, peer, url, ends, release } = await open(LITTLE);
  await peer.greet();
  for (let i = 0; i < 25; i++) peer.send(request(2 * i + 1, "hang"));
  await expect.poll(() => ends.length).toBe(25);
  server.connections[0]!.close();
  await expect.poll(() => server.stats.lateHandlers).toBe(25);

  const second = await RawPeer.connect(url);
  await second.greet();
  second.send(request(1, "hang"));
  await expect.poll(() => answers(second)).toEqual([[1, EXHAUSTED]]);
  expect(FrameExt.decode(second.frames.at(-1)!.ext!).message).toBe(`test.v1.TestService/Echo: ${OVERRUN}`);
  expect(server.stats.limits["resource-exhausted"]).toBe(1);
  const third = await RawPeer.connect(url);
  await third.greet();
  third.send(seededFrame({ cmd: 600, payload: NoteRequest.encode({ text: "a" }).finish() }));
  expect((await third.ended).code).toBe(closeCodeOf("rate-exceeded"));
  const old = await RawPeer.connect(url);
  old.send(encodeFrame({ cmd: 600, payload: NoteRequest.encode({ text: "a" }).finish() }));
  await old.ended;
  expect(server.stats.limits["rate-exceeded"]).toBe(2);
  expect(ends).toHaveLength(25);

  release();
  await expect.poll(() => server.stats.lateHandlers).toBe(0);
  second.send(request(3, "at once"));
  await expect.poll(() => answers(second).at(-1)).toEqual([3, 0]);
});

it("while many handlers go on of calls that are over, every connection gets a part of maxCalls", async () => {
  const { server, peer, url, ends } = await open(LITTLE);
  await peer.greet();
  for (let i = 0; i < 90; i++) {
    peer.send(request(2 * i + 1, "hang"));
    peer.send(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_CANCEL, callId: 2 * i + 1 }));
  }
  // The more there are, the fewer may be begun: of this connection no more at 76.
  await expect.poll(() => answers(peer).length).toBe(14);
  expect(server.stats.lateHandlers).toBe(76);
  const second = await RawPeer.connect(url);
  await second.greet();
  const room = Math.ceil(1024 * (1 - (8 * 76 * 1536) / LITTLE.maxServerBytes));
  for (let i = 0; i < 100; i++) second.send(request(2 * i + 1, "hang"));
  await expect.poll(() => answers(second).length).toBe(100 - room);
  expect(ends).toHaveLength(76 + room);
});

it("no error is made for a handler that does not look at its signal; one that looks later finds it aborted with the reason", async () => {
  const { server, clock, peer, ends } = await open({});
  const signals: (() => AbortSignal)[] = [];
  server.use(async (context, next) => {
    signals.push(() => context.signal);
    return next();
  });
  await peer.greet();
  peer.send(request(1, "hang", 1));
  await expect.poll(() => ends.length).toBe(1);
  await clock.advance(1);
  await expect.poll(() => server.stats.lateHandlers).toBe(1);
  const signal = signals[0]!();
  expect([signal.aborted, signal.reason]).toEqual([true, expect.objectContaining({ code: "deadline-exceeded", fault: "remote" })]);
  expect(signal.reason.stack).toContain("late-handlers.test.ts");
});

it("clients without an address are not one: what those hold that have gone keeps no other from its calls", async () => {
  const { server, ends } = await open(LITTLE);
  const connected = () => {
    const [near, far] = memoryPair();
    Object.assign(far.info, { remoteAddress: "" });
    server.accept(far);
    return bench.client((options) => createClient("ws://memory", { ...options, connector: async () => near }));
  };
  const first = await connected();
  const { echo } = first.service(TestServiceDefinition);
  const calls = Array.from({ length: 25 }, () => echo({ text: "hang" }).catch(({ code }) => code));
  await expect.poll(() => ends.length).toBe(25);
  server.connections[0]!.close();
  expect(new Set(await Promise.all(calls))).toEqual(new Set(["unavailable"]));
  expect(server.stats.lateHandlers).toBe(25);
  const second = await connected();
  expect(await second.service(TestServiceDefinition).echo({ text: "at once" })).toMatchObject({ text: "at once" });
});
