import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Connection } from "../../src/calls/connection.js";
import { Dispatcher } from "../../src/calls/dispatcher.js";
import { EVERY_PART } from "../../src/calls/parts.js";
import type { FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { LargeFrame } from "../../src/link/large-frame.js";
import { Link } from "../../src/link/link.js";
import { type ConnectionOptions, resolveConnectionOptions } from "../../src/options.js";
import type { Command } from "../../src/protocol/commands.js";
import { RoundTrip } from "../../src/runtime/round-trip.js";
import { AckWatch } from "../../src/session/ack-watch.js";
import { FrameRing } from "../../src/session/frame-ring.js";
import { provideFrameStore } from "../../src/session/frame-store.js";
import { ReceivedSequence } from "../../src/session/receive-sequence.js";
import { ReplayBuffer } from "../../src/session/replay-buffer.js";
import { memoryPair, SeededRandom, VirtualClock } from "../../src/testing/index.js";
import { NoteRequest } from "../gen/test/v1/test_service.js";
import { heldBytes } from "../helpers/memory.js";
import { ScriptedPeer, SEED } from "../helpers/scripted-peer.js";

const DATA_LOSS = 15;

describe.each([
  { where: "in a list", store: undefined },
  { where: "in a ring", store: FrameRing },
])("a replay buffer $where", ({ store }) => {
  beforeEach(() => provideFrameStore(store));
  afterEach(() => provideFrameStore(undefined));

  const frame = (sequence: number, length: number) => new Uint8Array(length).fill(sequence);

  /** What the buffer would send again after `sequence`, as the first byte of each frame. */
  function again(buffer: ReplayBuffer, sequence: number): number[] {
    buffer.rewind(sequence);
    const frames: number[] = [];
    for (let bytes = buffer.again(); bytes !== undefined; bytes = buffer.again()) frames.push(bytes[0]!);
    return frames;
  }

  it("is full from its limit of bytes or frames on; the frame that fills it may go above", () => {
    const buffer = new ReplayBuffer({ replayBytes: 100, replayFrames: 3 });
    buffer.add(frame(1, 60));
    expect(buffer.full).toBe(false);
    buffer.add(frame(2, 60));
    expect([buffer.full, buffer.bytes, buffer.oldest]).toEqual([true, 120, 1]);
    buffer.ack(1);
    expect(buffer.full).toBe(false);
    buffer.add(frame(3, 1));
    buffer.add(frame(4, 1));
    expect([buffer.full, again(buffer, 0)]).toEqual([true, [2, 3, 4]]);
  });

  it("that was full makes room by throwing out the oldest, and says which can be had no more", () => {
    const buffer = new ReplayBuffer({ replayBytes: 100, replayFrames: 1000 });
    for (let i = 1; i <= 50; i++) buffer.add(frame(i, 30));
    expect([buffer.bytes, buffer.oldest, buffer.evicted]).toEqual([120, 47, 46]);
    expect(buffer.missingAfter(40)).toEqual({ from: 41, to: 46 });
    expect(buffer.missingAfter(46)).toBeUndefined();
  });

  it.each([
    { replayBytes: 0, replayFrames: 10 },
    { replayBytes: 10, replayFrames: 0 },
  ])("of no size keeps nothing and is never full: $replayBytes bytes, $replayFrames frames", (limits) => {
    const buffer = new ReplayBuffer(limits);
    buffer.add(frame(1, 5));
    expect([buffer.full, buffer.bytes, buffer.next, buffer.oldest]).toEqual([false, 0, 2, 2]);
    expect([buffer.behind, again(buffer, 0), buffer.ack(1), buffer.ack(2)]).toEqual([false, [], true, false]);
  });

  it("goes on behind an acknowledgement that comes while frames are sent again", () => {
    const buffer = new ReplayBuffer({ replayBytes: 1000, replayFrames: 1000 });
    for (let i = 1; i <= 9; i++) buffer.add(frame(i, i));
    buffer.rewind(2);
    expect(buffer.again()?.[0]).toBe(3);
    buffer.ack(6);
    expect([buffer.behind, buffer.again()?.length, buffer.again()?.length, buffer.again()?.length]).toEqual([true, 7, 8, 9]);
    expect([buffer.behind, buffer.again()]).toEqual([false, undefined]);
  });

  it("gives back every frame it keeps, byte for byte, however it was filled and acknowledged", () => {
    const random = new SeededRandom(11);
    const wrong: string[] = [];
    for (let round = 0; round < 20; round++) {
      const buffer = new ReplayBuffer({ replayBytes: random.between(1, 5_000), replayFrames: random.between(1, 60) });
      const model = new Map<number, Uint8Array>();
      for (let step = 0; step < 200; step++) {
        if (random.between(0, 2) > 0 && !buffer.full) {
          const sequence = buffer.next;
          const bytes = frame(sequence & 0xff, random.between(1, 400));
          model.set(sequence, bytes);
          // Shown in the middle of a larger buffer, as the encoder does.
          const around = new Uint8Array(bytes.length + 20);
          around.set(bytes, 7);
          buffer.add(around, 7, 7 + bytes.length);
        } else {
          const acked = random.between(buffer.acked, buffer.next - 1);
          buffer.ack(acked);
          for (const sequence of model.keys()) if (sequence <= acked) model.delete(sequence);
          if (random.between(0, 5) === 0) buffer.shrink();
        }
        const after = random.between(buffer.oldest - 1, buffer.next - 1);
        buffer.rewind(after);
        const kept = [...model].filter(([sequence]) => sequence > after);
        const same = kept.every(([, bytes]) => Buffer.compare(buffer.again() ?? new Uint8Array(0), bytes) === 0);
        const bytes = [...model.values()].reduce((sum, { length }) => sum + length, 0);
        if (!same || buffer.again() !== undefined || buffer.bytes !== bytes) wrong.push(`round ${round} step ${step}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("throws out what has grown too old: never later than its age, and no more than a sixteenth of it early", () => {
    const random = new SeededRandom(5);
    const wrong: string[] = [];
    for (let round = 0; round < 50; round++) {
      const replayMs = random.between(16, 5_000);
      const buffer = new ReplayBuffer({ replayBytes: 1e6, replayFrames: 1e6, replayMs });
      const sentAt: number[] = [];
      let now = 0;
      for (let step = 0; step < 200; step++) {
        now += random.between(0, replayMs / 10);
        if (random.between(0, 3) > 0) {
          sentAt[buffer.next] = now;
          buffer.stamp(now);
          buffer.add(frame(1, 10));
        } else if (random.between(0, 9) === 0) {
          buffer.ack(random.between(buffer.acked, buffer.next - 1));
        }
        const before = buffer.oldest;
        buffer.expire(now);
        const youngestGone = buffer.oldest > before ? now - sentAt[buffer.oldest - 1]! : replayMs;
        const oldestKept = buffer.oldest < buffer.next ? now - sentAt[buffer.oldest]! : 0;
        if (youngestGone < replayMs * (15 / 16) || oldestKept >= replayMs) wrong.push(`round ${round} step ${step}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("has large frames for a resend like all others, and leaves them with their acknowledgement", () => {
    const buffer = new ReplayBuffer({ replayBytes: 100_000, replayFrames: 100 });
    buffer.add(frame(1, 10));
    buffer.keep(new LargeFrame(frame(2, 9000), new Uint8Array(9000)));
    buffer.add(frame(3, 10));
    expect([buffer.bytes, again(buffer, 0), again(buffer, 1)]).toEqual([9020, [1, 2, 3], [2, 3]]);
    buffer.ack(2);
    expect([buffer.bytes, again(buffer, 2)]).toEqual([10, [3]]);
  });

  it("takes no acknowledgement of what was never sent, and none back", () => {
    const buffer = new ReplayBuffer({ replayBytes: 100, replayFrames: 100 });
    for (let i = 1; i <= 3; i++) buffer.add(frame(i, 1));
    expect([buffer.ack(4), buffer.ack(Number.POSITIVE_INFINITY), buffer.ack(2), buffer.ack(1)]).toEqual([false, false, true, true]);
    expect([buffer.acked, buffer.oldest]).toEqual([2, 3]);
  });
});

describe("a replay buffer in a ring", () => {
  beforeEach(() => provideFrameStore(FrameRing));
  afterEach(() => provideFrameStore(undefined));

  it("costs no more memory than its limit and what its ring has to spare, whatever it is given", () => {
    const buffers: ReplayBuffer[] = [];
    const before = heldBytes();
    for (let i = 0; i < 40; i++) {
      const buffer = new ReplayBuffer({ replayBytes: 100_000, replayFrames: 4_096, replayMs: 60_000 });
      for (let now = 0; now < 5_000; now++) {
        buffer.stamp(now);
        buffer.add(new Uint8Array(100));
      }
      buffers.push(buffer);
    }
    const each = (heldBytes() - before) / buffers.length;
    // A ring of 128 KiB and the lengths of 1,024 frames; 500 kB went through each.
    expect(each).toBeGreaterThan(100_000);
    expect(each).toBeLessThan(150_000);
  });
});

describe("a received sequence", () => {
  it.each([0, -1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])("refuses the number %d", (sequence) => {
    expect(new ReceivedSequence().accept(sequence)).toBe("invalid");
  });

  it("delivers in order, once, and tells a repetition from a gap", () => {
    const received = new ReceivedSequence();
    expect([1, 2, 2, 1, 4, 2 ** 53 - 1, 3, 3].map((sequence) => received.accept(sequence))).toEqual([
      "deliver",
      "deliver",
      "duplicate",
      "duplicate",
      "gap",
      "gap",
      "deliver",
      "duplicate",
    ]);
  });

  it("asks once for what is missing, and again only when the resend itself shows a hole", () => {
    const received = new ReceivedSequence();
    received.accept(1);
    const early = (sequence: number) => {
      received.accept(sequence);
      const ask = received.shouldAskAgain(sequence);
      if (ask) received.asked();
      return ask;
    };
    expect([3, 4, 5].map(early)).toEqual([true, false, false]);
    expect([3, 4].map(early)).toEqual([true, false]);
  });

  it("asks once for each loss, however far ahead the frames behind an earlier one were", () => {
    const received = new ReceivedSequence();
    received.asked();
    for (const sequence of [50, 51]) {
      received.accept(sequence);
      expect(received.shouldAskAgain(sequence)).toBe(false);
    }
    expect(received.shouldAsk).toBe(false);
    received.accept(1);
    // Damage hits 2: asked for at once, and not again for 3 and what follows.
    expect(received.shouldAsk).toBe(true);
    received.asked();
    received.accept(3);
    expect([received.shouldAskAgain(3), received.shouldAskAgain(4)]).toEqual([false, false]);
  });
});

describe("a watch over acknowledgements", () => {
  function watch() {
    const clock = new VirtualClock();
    const state = { acked: 0, next: 1, number: 0 };
    const done: string[] = [];
    const note = (what: string) => void done.push(`${what}@${clock.now()}`);
    const roundTrip = new RoundTrip();
    const acks = new AckWatch(
      clock,
      {
        replay: state,
        probe: (number, settling) => {
          state.number = number;
          note(settling ? "settling ping" : "ping");
        },
        sendAgain: () => note("resend"),
        giveUp: () => note("give up"),
      },
      roundTrip,
    );
    const send = () => {
      state.next++;
      acks.start();
    };
    const acknowledge = (sequence = state.next - 1) => {
      state.acked = sequence;
      acks.acknowledged(sequence);
    };
    /** The pong of the last ping, from a peer that says what it has, if it does. */
    const pong = (received = state.acked) => acks.answered(state.number, received);
    return { clock, state, done, acks, roundTrip, send, acknowledge, pong };
  }

  it("asks nothing while acknowledgements come, and stops when all are there", async () => {
    const { clock, state, done, send, acknowledge } = watch();
    for (let i = 0; i < 10; i++) send();
    for (let i = 1; i <= 10; i++) {
      await clock.advance(70);
      acknowledge(i);
    }
    expect(state.acked).toBe(10);
    await clock.advance(60_000);
    expect([done, clock.pendingTimers]).toEqual([[], 0]);
  });

  it("pings after 75 ms without one, and less and less often", async () => {
    const { clock, done, acks, send } = watch();
    send();
    await clock.advance(100_000);
    expect(done.map((each) => each.replace("settling ", ""))).toEqual(
      [75, 225, 525, 1125, 2325, 4725, 9525, 19125, 38325, 68325, 98325].map((at) => `ping@${at}`),
    );
    // Nothing is known of the line before the first: a small one must do.
    expect(done.map((each) => each.startsWith("settling"))).toEqual([false, ...Array(10).fill(true)]);
    acks.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it("counts from the frame that is missing, not from those before it", async () => {
    const { clock, done, send, acknowledge } = watch();
    send();
    await clock.advance(10);
    acknowledge();
    await clock.advance(50);
    send();
    await clock.advance(100);
    expect(done).toEqual(["settling ping@135"]);
  });

  it("goes by two round trips, where they are longer", async () => {
    const { clock, done, roundTrip, send, acknowledge } = watch();
    send();
    await clock.advance(60);
    acknowledge();
    expect([roundTrip.measured, roundTrip.twice(0)]).toEqual([true, 120]);
    await clock.advance(1_000);
    send();
    await clock.advance(119);
    expect(done).toEqual([]);
    await clock.advance(1);
    expect(done).toEqual(["settling ping@1180"]);
  });

  it("takes the round trip from pongs, too, and starts anew with the next acknowledgement", async () => {
    const { clock, done, roundTrip, send, acknowledge, pong } = watch();
    send();
    await clock.advance(300);
    acknowledge();
    pong();
    expect(roundTrip.twice(0)).toBe(2 * 75);
    send();
    await clock.advance(150);
    expect(done).toEqual(["ping@75", "settling ping@225", "settling ping@450"]);
  });

  it("has everything sent again when a pong comes without the acknowledgement, and gives up when that changes nothing", async () => {
    const { clock, done, send, pong } = watch();
    send();
    for (let i = 0; i < 60; i++) {
      await clock.advance(50);
      pong();
    }
    expect(done.filter((each) => !each.includes("ping"))).toEqual([
      "resend@100",
      "resend@250",
      "resend@550",
      "resend@1150",
      "give up@2350",
    ]);
  });

  it("sends nothing again to a peer whose pong says that it has all that was sent before the ping", async () => {
    const { clock, done, send, acknowledge, pong } = watch();
    send();
    await clock.advance(80);
    send();
    acknowledge(1);
    pong();
    expect(done).toEqual(["ping@75"]);
  });

  it("sends nothing again within a second to a peer whose pongs say nothing of what it has: it may be slow", async () => {
    const { clock, done, send, acknowledge, pong } = watch();
    send();
    await clock.advance(10);
    acknowledge();
    send();
    for (let i = 0; i < 30; i++) {
      await clock.advance(50);
      pong(0);
    }
    expect(done.filter((each) => !each.includes("ping"))).toEqual(["resend@1160"]);
  });

  it("believes no pong for frames that went out again behind its ping", async () => {
    const { clock, done, acks, send, pong } = watch();
    send();
    await clock.advance(80);
    acks.resent();
    pong();
    expect(done).toEqual(["ping@75"]);
  });
});

/** A client's connection, without a client around it, and its peer. */
function joined(options: ConnectionOptions) {
  const clock = new VirtualClock();
  const resolved = resolveConnectionOptions(options);
  const [near, far] = memoryPair({ schedule: (run) => clock.defer(run) });
  const peer = new ScriptedPeer(far);
  peer.skipHandshake(7);
  const connection = new Connection("client", new Dispatcher(), {}, resolved, clock, { parts: EVERY_PART });
  const link = new Link(near, connection, resolved, clock, { intervalMs: 0, timeoutMs: () => 0 });
  link.start();
  link.secureIncoming(SEED);
  link.secureOutgoing(7);
  connection.attach(link, {
    version: 2,
    maxPayload: resolved.maxPayload,
    maxTrailer: resolved.maxTrailer,
    maxCalls: 1024,
    initialCredit: 1,
    resumable: true,
  });
  const acknowledge = (sequence: number) => peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: sequence });
  return { clock, connection, peer, acknowledge };
}

const note: Command = {
  cmd: 5,
  name: "note",
  reliable: true,
  slowConsumer: "close",
  oneWay: true,
  requestStream: false,
  responseStream: false,
  request: NoteRequest,
  response: NoteRequest,
};

/** The numbers of the notes that a peer got, repetitions included. */
function notesOf(peer: ScriptedPeer): number[] {
  return peer.frames.filter(({ cmd }) => cmd === note.cmd).map(({ payload }) => Number.parseInt(NoteRequest.decode(payload!).text, 10));
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("sending", () => {
  it("waits when the replay buffer is full, and goes on as the peer acknowledges, in order", async () => {
    const { clock, connection, peer, acknowledge } = joined({ replayBytes: 5_000 });
    for (const i of upTo(300)) void connection.send(note, { text: String(i) });
    await clock.runUntilIdle();
    expect(notesOf(peer).length).toBeLessThan(250);
    while (notesOf(peer).length < 300) {
      const before = notesOf(peer).length;
      expect(connection.replay.bytes).toBeLessThan(5_000 + 50);
      acknowledge(before);
      await clock.runUntilIdle();
      expect(notesOf(peer).length).toBeGreaterThan(before);
    }
    expect(notesOf(peer)).toEqual(upTo(300));
    expect(connection.replay.evicted).toBe(0);
    connection.close(1000, "");
    await clock.advance(10_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it("to a peer that never acknowledges goes on once its pongs show so, and keeps no more than the limit", async () => {
    const { clock, connection, peer } = joined({ replayBytes: 20_000 });
    peer.onFrame = ({ kind, payload }) => {
      if (kind === FrameKind.FRAME_KIND_PING) peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_PONG, payload });
    };
    let held = 0;
    for (const i of upTo(8_000)) {
      void connection.send(note, { text: String(i) });
      held = Math.max(held, connection.replay.bytes);
    }
    await clock.advance(10_000);
    const received = notesOf(peer);
    expect(new Set(received).size).toBe(8_000);
    // The first window went out again with each of four pongs, no more.
    expect(received.length).toBeLessThanOrEqual(8_000 + 4 * 750);
    expect(held).toBeGreaterThan(15_000);
    expect(held).toBeLessThan(20_000 + 50);
    expect(connection.replay.bytes).toBeLessThan(20_000 + 50);
    connection.close(1000, "");
  });

  it("to a peer that neither acknowledges nor answers a ping waits for as long as the link lives", async () => {
    const { clock, connection, peer } = joined({ replayBytes: 1_000 });
    for (const i of upTo(100)) Promise.resolve(connection.send(note, { text: String(i) })).catch(() => {});
    await clock.advance(60_000);
    expect(notesOf(peer)).toEqual(upTo(notesOf(peer).length));
    expect(notesOf(peer).length).toBeLessThan(50);
    connection.close(1000, "");
  });

  it("nothing is kept, and nothing waits, where the replay buffer has no size", async () => {
    const { clock, connection, peer } = joined({ replayBytes: 0 });
    for (const i of upTo(1_000)) void connection.send(note, { text: String(i) });
    await clock.runUntilIdle();
    expect([notesOf(peer).length, connection.replay.bytes]).toEqual([1_000, 0]);
    connection.close(1000, "");
  });

  it("a frame larger than the whole replay buffer goes out, is kept, and what is behind it waits", async () => {
    const { clock, connection, peer, acknowledge } = joined({ replayBytes: 1_000 });
    void connection.send({ ...note, cmd: 6 }, { text: "x".repeat(100_000) });
    void connection.send(note, { text: "0" });
    await clock.runUntilIdle();
    expect([peer.frames.length, connection.replay.bytes > 100_000]).toEqual([1, true]);
    acknowledge(1);
    await clock.runUntilIdle();
    expect(notesOf(peer)).toEqual([0]);
    connection.close(1000, "");
  });

  it("again goes before anything new, and only as far as there is room in the socket", async () => {
    const { clock, connection, peer } = joined({ highWaterMark: 2_000 });
    for (const i of upTo(200)) void connection.send(note, { text: String(i) });
    await clock.runUntilIdle();
    peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 20, status: DATA_LOSS });
    await clock.runUntilIdle();
    for (const i of upTo(5)) void connection.send(note, { text: String(200 + i) });
    await clock.runUntilIdle();
    expect(notesOf(peer)).toEqual([...upTo(200), ...upTo(205).slice(20)]);
    connection.close(1000, "");
  });

  it("again after damage begins with little and doubles as it is acknowledged: more would be lost to the next damage", async () => {
    const { clock, connection, peer, acknowledge } = joined({});
    for (const i of upTo(2_000)) void connection.send(note, { text: `${i} ${"x".repeat(80)}` });
    await clock.runUntilIdle();
    expect(notesOf(peer)).toHaveLength(2_000);
    peer.frames.length = 0;
    peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, status: DATA_LOSS });
    const rounds: number[] = [];
    for (let acked = 0; acked < 2_000; acknowledge(acked)) {
      const before = acked;
      await clock.runUntilIdle();
      acked = peer.frames.length;
      rounds.push(acked - before);
      expect(acked).toBeGreaterThan(before);
    }
    const [first] = rounds as [number];
    expect(first * 110).toBeLessThan(17 * 1024);
    for (const [round, count] of rounds.slice(0, -1).entries()) expect(count / (first * 2 ** round)).toBeCloseTo(1, 1);
    expect(notesOf(peer)).toEqual(upTo(2_000));
    connection.close(1000, "");
  });

  it("of a cancel is for calls that the peer knows of: one that still waits to be sent is cancelled without a frame", async () => {
    const { clock, connection, peer, acknowledge } = joined({ replayBytes: 1 });
    const [sent, waits] = [new AbortController(), new AbortController()];
    const calls = [sent, waits].map(({ signal }) => connection.call({ ...note, oneWay: false }, { text: "0" }, { signal }));
    const ended = calls.map((call) => Promise.resolve(call).catch(({ code }: FramewireError) => code));
    await clock.runUntilIdle();
    expect(peer.frames.map(({ kind, callId }) => [kind, callId])).toEqual([[FrameKind.FRAME_KIND_REQUEST, 1]]);
    waits.abort();
    expect(await ended[1]).toBe("cancelled");
    acknowledge(1);
    await clock.advance(60);
    expect(peer.frames).toHaveLength(1);
    sent.abort();
    expect(await ended[0]).toBe("cancelled");
    await clock.advance(60);
    expect(peer.ofKind(FrameKind.FRAME_KIND_CANCEL).map(({ callId }) => callId)).toEqual([1]);
    connection.close(1000, "");
  });

  it("keeps sequence and bytes of a frame that goes out again", async () => {
    const { clock, connection, peer } = joined({});
    void connection.call({ ...note, cmd: 257, oneWay: false }, { text: "once" }).catch(() => {});
    await clock.runUntilIdle();
    peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, status: DATA_LOSS });
    await clock.runUntilIdle();
    expect(peer.frames).toHaveLength(2);
    expect(peer.frames[1]).toEqual(peer.frames[0]);
    expect(peer.frames[0]).toMatchObject({ sequence: 1n, callId: 1, kind: FrameKind.FRAME_KIND_REQUEST });
    connection.close(1000, "");
  });
});

describe("receiving", () => {
  const send = (peer: ScriptedPeer, sequence: number) => peer.send({ cmd: 99, sequence, payload: new Uint8Array(10) });
  const acks = (peer: ScriptedPeer) => peer.ofKind(FrameKind.FRAME_KIND_ACK);

  it("is acknowledged within the delay, once for all that came", async () => {
    const { clock, connection, peer } = joined({ ackDelayMs: 40 });
    for (const sequence of [1, 2, 3]) send(peer, sequence);
    await clock.advance(39);
    expect(acks(peer)).toEqual([]);
    await clock.advance(1);
    expect(acks(peer).map(({ ack }) => ack)).toEqual([3n]);
    connection.close(1000, "");
  });

  it("is acknowledged by a frame that goes out within the delay: no ack frame follows it", async () => {
    const { clock, connection, peer, acknowledge } = joined({ ackDelayMs: 40 });
    for (const sequence of [1, 2]) send(peer, sequence);
    await clock.advance(20);
    void connection.send(note, { text: "0" });
    await clock.advance(60);
    expect(peer.frames.filter(({ cmd }) => cmd === note.cmd).map(({ ack }) => ack)).toEqual([2n]);
    expect(acks(peer)).toEqual([]);
    acknowledge(1);
    send(peer, 3);
    await clock.advance(40);
    expect(acks(peer).map(({ ack }) => ack)).toEqual([3n]);
    connection.close(1000, "");
  });

  it("is acknowledged at once when many frames or bytes have come", async () => {
    const { clock, connection, peer } = joined({ ackDelayMs: 1_000 });
    for (const sequence of upTo(1_200)) send(peer, sequence + 1);
    await clock.runUntilIdle();
    expect(acks(peer).map(({ ack }) => Number(ack))).toEqual([512, 1_024]);
    peer.send({ cmd: 99, sequence: 1_201, payload: new Uint8Array(40_000) });
    await clock.runUntilIdle();
    expect(Number(acks(peer).at(-1)!.ack)).toBe(1_201);
    connection.close(1000, "");
  });

  it("of a frame once more is acknowledged once more: the sender has missed the first time", async () => {
    const { clock, connection, peer } = joined({});
    for (const sequence of [1, 2]) send(peer, sequence);
    await clock.advance(100);
    for (const sequence of [1, 2]) send(peer, sequence);
    await clock.advance(100);
    expect(acks(peer).map(({ ack }) => ack)).toEqual([2n, 2n]);
    connection.close(1000, "");
  });

  it("of a frame too early asks for those before it, again after a while, and stops when they come", async () => {
    const { clock, connection, peer } = joined({});
    for (const sequence of [1, 3, 4]) send(peer, sequence);
    const asked = () => acks(peer).filter(({ status }) => status === DATA_LOSS);
    for (const [ms, times] of [
      // The fourth frame came after it had asked for the second: as long as bytes come, it waits.
      [199, 1],
      [1, 2],
      [199, 2],
      [1, 3],
      [399, 3],
      [1, 4],
    ] as const) {
      await clock.advance(ms);
      expect(asked().map(({ ack }) => ack)).toEqual(Array(times).fill(1n));
    }
    for (const sequence of [2, 3, 4]) send(peer, sequence);
    await clock.advance(60_000);
    expect(asked()).toHaveLength(4);
    expect(connection.received).toBe(4);
    connection.close(1000, "");
  });

  it.each([
    ["a sequence above 2^53 - 1", { cmd: 99, sequence: 2n ** 53n }],
    ["a sequence of 2^64 - 1, which a signed reader takes for -1", { cmd: 99, sequence: 2n ** 64n - 1n }],
    ["an acknowledgement of what was never sent", { cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 1 }],
    ["an acknowledgement of 2^64 - 1", { cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 2n ** 64n - 1n }],
  ])("of %s closes the link and silences nobody", async (_what, frame) => {
    const { clock, connection, peer } = joined({});
    peer.send(frame);
    await clock.advance(10_000);
    expect([peer.closeCode, connection.link]).toEqual([4402, undefined]);
    connection.close(1000, "");
  });
});
