import { afterEach, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { statusOf } from "../../src/errors.js";
import { FrameExt, FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { CountRequest, EchoRequest, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/hand-clock.js";
import { RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

/** A server whose handlers of `echo`, `count` and of the bare command 600 end when a test says so, whatever their signal says. */
async function open() {
  const clock = new HandClock();
  const server = bench.server({ clock, maxCalls: 3 });
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
