import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { FairScheduler, type Pausable } from "../../src/runtime/fair-scheduler.js";
import { HandshakeThrottle } from "../../src/runtime/handshake-throttle.js";
import { BusyClock } from "../helpers/clocks.js";
import { LinkBench } from "./link-bench.js";

const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(100) });
/** `count` frames with the commands from `first` on. */
const frames = (count: number, first = 0) => Buffer.concat(numbers(count, first).map((cmd) => encodeFrame({ version: 2, cmd })));
const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);

/** A link on which the work for each frame takes `ms`. */
function busyBench(ms: number, clock = new BusyClock(), scheduler = new FairScheduler(clock), messages = false) {
  const bench = new LinkBench({}, { messages }, { clock, scheduler });
  bench.onFrameDo = () => clock.work(ms);
  return { clock, scheduler, bench };
}

describe("a busy connection", () => {
  it("yields to the others after 1 ms", () => {
    const { clock, bench } = busyBench(0.6);
    bench.receive(frame);
    expect(bench.transport.calls).toEqual([]);
    bench.receive(frame);
    expect(bench.transport.calls).toEqual(["pause"]);
    clock.round();
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
  });

  it("yields within a chunk too, which may hold thousands of frames: they are delivered one turn at a time, in order", () => {
    const { clock, scheduler, bench } = busyBench(0.1);
    bench.receive(frames(100));
    const rounds: number[] = [];
    for (let before = 0; bench.frames.length > before; clock.round()) {
      rounds.push(bench.frames.length - before);
      before = bench.frames.length;
    }
    expect(Math.max(...rounds)).toBeLessThanOrEqual(16);
    expect(bench.frames).toEqual(numbers(100));
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
    expect(scheduler.heldBytes).toBe(0);
  });

  it("is checked after every frame once its frames are slow: few frames with large answers make a turn", () => {
    const { clock, bench } = busyBench(0.7);
    bench.receive(frames(20));
    for (let before = 0; bench.frames.length > before; clock.round()) {
      expect(bench.frames.length - before).toBeLessThanOrEqual(3);
      before = bench.frames.length;
    }
    expect(bench.frames).toEqual(numbers(20));
  });

  it("is charged for frames of the transport: 500 control frames of WebSocket make a turn", () => {
    const { clock, bench } = busyBench(0, undefined, undefined, true);
    for (let i = 0; i < 499; i++) bench.transport.receiver.onAlive(100);
    expect(bench.transport.calls).toEqual([]);
    bench.transport.receiver.onAlive(100);
    expect(bench.transport.calls).toEqual(["pause"]);
    clock.round();
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
    bench.transport.receiver.onAlive(50_000);
    expect(bench.transport.calls).toEqual(["pause", "resume", "pause"]);
    expect(bench.end).toBeUndefined();
  });

  it("does not resume when its owner has paused it meanwhile", () => {
    const { clock, bench } = busyBench(5);
    bench.onFrameDo = (_frame, link) => {
      clock.work(5);
      link.pause();
    };
    bench.receive(frame);
    clock.round();
    expect(bench.transport.calls).toEqual(["pause"]);
    bench.link.resume();
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
  });

  it("keeps bytes that arrive meanwhile after those that it holds: messages that lay in one chunk of the socket", () => {
    const { clock, scheduler, bench } = busyBench(0.2, undefined, undefined, true);
    const scratch = new Uint8Array(4096);
    for (let i = 0; i < 5; i++) {
      const message = frames(20, 20 * i);
      scratch.set(message);
      bench.receive(scratch.subarray(0, message.length));
      // The bytes are the transport's again.
      scratch.fill(0xee);
    }
    expect(bench.frames.length).toBeLessThan(20);
    for (let round = 0; round < 30; round++) clock.round();
    expect(bench.frames).toEqual(numbers(100));
    expect(bench.end).toBeUndefined();
    expect(scheduler.heldBytes).toBe(0);
  });

  it.each([
    ["whose peer closes is read to the end first", (bench: LinkBench) => bench.transport.receiver.onClose(1000, "")],
    [
      "whose peer breaks a rule of the transport is read to the end first",
      (bench: LinkBench) => bench.transport.receiver.onViolation?.("text"),
    ],
  ])("%s", (_, leave) => {
    const { clock, scheduler, bench } = busyBench(0.1);
    bench.receive(frames(100));
    expect(bench.frames.length).toBeLessThan(100);
    leave(bench);
    // In turns as before: the work for one chunk may take long.
    expect(bench.frames.length).toBeLessThan(50);
    expect(bench.end).toBeUndefined();
    let longest = 0;
    while (bench.end === undefined) {
      const before = bench.frames.length;
      clock.round();
      longest = Math.max(longest, bench.frames.length - before);
    }
    expect(bench.frames).toEqual(numbers(100));
    expect(longest).toBeLessThan(50);
    expect(scheduler.heldBytes).toBe(0);
  });

  it("that exceeds a limit is read no further, and its held bytes are dropped", () => {
    const { clock, scheduler, bench } = busyBench(0.1);
    bench.receive(frames(100));
    expect(scheduler.heldBytes).toBeGreaterThan(0);
    bench.onFrameDo = (_frame, link) => link.fail("rate-exceeded", "too much");
    const before = bench.frames.length;
    clock.round();
    clock.round();
    expect(bench.frames).toHaveLength(before + 1);
    expect([bench.code, scheduler.heldBytes]).toEqual(["rate-exceeded", 0]);
  });

  it("that is destroyed while it is paused drops its held bytes", () => {
    const { clock, scheduler, bench } = busyBench(0.1);
    bench.receive(frames(100));
    bench.link.destroy("enough");
    expect(scheduler.heldBytes).toBe(0);
    const before = bench.frames.length;
    bench.receive(frames(10));
    clock.round();
    expect([bench.frames.length, scheduler.heldBytes]).toEqual([before, 0]);
  });

  it.each([
    ["is destroyed", (bench: LinkBench) => bench.link.destroy("enough")],
    [
      "exceeds a limit in its next turn",
      (bench: LinkBench) => void (bench.onFrameDo = (_frame, link) => link.fail("rate-exceeded", "too much")),
    ],
  ])("that %s after a part of its held bytes was read leaves no bytes behind, and the others keep theirs", (_, leave) => {
    const { clock, scheduler, bench } = busyBench(0.1);
    const other = busyBench(0.1, clock, scheduler).bench;
    for (const each of [other, bench]) each.receive(frames(100));
    // One turn for each.
    clock.round();
    clock.round();
    for (const { link } of [other, bench]) expect(link.receivedMemory).toBeGreaterThan(0);
    leave(bench);
    for (let round = 0; round < 3 && bench.end === undefined; round++) clock.round();
    expect(bench.end).toBeDefined();
    expect(bench.link.receivedMemory).toBe(0);
    for (let round = 0; round < 30; round++) clock.round();
    expect(other.frames).toEqual(numbers(100));
    expect(scheduler.heldBytes).toBe(0);
  });

  it("that is destroyed while it holds a frame to be delivered again leaves no bytes behind", () => {
    const { scheduler, bench } = busyBench(0.1);
    bench.onFrameDo = (view) => bench.link.receiver.hold(view);
    bench.receive(frames(3));
    expect(bench.frames).toEqual([0]);
    expect([scheduler.heldBytes, bench.link.receivedMemory > 0]).toEqual([frames(3).length, true]);
    bench.link.destroy("enough");
    expect([scheduler.heldBytes, bench.link.receivedMemory]).toEqual([0, 0]);
  });

  it("does not yield within a chunk while 32 MiB are held", () => {
    const { scheduler, bench } = busyBench(0.1);
    scheduler.heldBytes = 32 * 1024 * 1024;
    bench.receive(frames(100));
    expect(bench.frames).toEqual(numbers(100));
  });
});

describe("of many clients that start their handshakes together", () => {
  /** This many, the work for each of whose frames takes 0.12 ms. */
  function crowd(count: number) {
    const clock = new BusyClock();
    const scheduler = new FairScheduler(clock);
    const throttle = new HandshakeThrottle(clock);
    const scratch = new Uint8Array(4096);
    const benches = numbers(count).map(() => {
      const bench = new LinkBench({}, {}, { clock, scheduler, throttle });
      bench.onFrameDo = () => clock.work(0.12);
      return bench;
    });
    const send = (bench: LinkBench, first: number) => {
      const bytes = frames(2, first);
      scratch.set(bytes);
      bench.receive(scratch.subarray(0, bytes.length));
      // The bytes are the transport's again.
      scratch.fill(0xee);
    };
    const served = () => benches.filter((bench) => bench.frames.length > 0).length;
    return { clock, scheduler, benches, send, served };
  }

  it("1 ms of work is done at once, and the others in the next rounds", () => {
    const { clock, scheduler, benches, send, served } = crowd(12);
    for (const bench of benches) send(bench, 0);
    expect(served()).toBe(5);
    expect(benches.map(({ transport }) => transport.calls)).toEqual(numbers(12).map((i) => (i < 5 ? [] : ["pause"])));
    const counts: number[] = [];
    for (let round = 0; round < 3; round++) {
      clock.round();
      counts.push(served());
    }
    expect(counts).toEqual([10, 12, 12]);
    for (const bench of benches) expect(bench.frames).toEqual([0, 1]);
    for (const { transport } of benches.slice(5)) expect(transport.calls).toEqual(["pause", "resume"]);
    expect(scheduler.heldBytes).toBe(0);
  });

  it("one that sends more meanwhile has it read in order, and one whose handshake is over is not throttled again", () => {
    const { clock, benches, send } = crowd(6);
    for (const bench of benches) send(bench, 0);
    const last = benches[5] as LinkBench;
    send(last, 2);
    expect(last.frames).toEqual([]);
    clock.round();
    expect(last.frames).toEqual([0, 1, 2, 3]);
    clock.round();
    const silent = benches[0] as LinkBench;
    last.handshaking = silent.handshaking = false;
    send(last, 4);
    for (const bench of benches.slice(1, 5)) send(bench, 4);
    expect(last.frames).toEqual([0, 1, 2, 3, 4, 5]);
    send(last, 6);
    expect(last.frames).toEqual(numbers(8));
    send(silent, 4);
    expect(silent.frames).toEqual([0, 1]);
    clock.round();
    expect(silent.frames).toEqual([0, 1, 4, 5]);
  });

  it("one that closes before it was read is read to the end, and one that is destroyed is not", () => {
    const { clock, scheduler, benches, send } = crowd(7);
    for (const bench of benches) send(bench, 0);
    benches[5]?.transport.receiver.onClose(1000, "");
    benches[6]?.link.destroy("enough");
    for (let round = 0; round < 3; round++) clock.round();
    expect(benches.map((bench) => bench.frames.length)).toEqual([2, 2, 2, 2, 2, 2, 0]);
    expect(benches[5]?.end).toBeDefined();
    expect(scheduler.heldBytes).toBe(0);
  });
});

it("a connection that stays within its fair share is never paused", async () => {
  const { clock, bench } = busyBench(0.05);
  for (let i = 0; i < 500; i++) {
    bench.receive(frame);
    await clock.advance(1);
  }
  expect(bench.transport.calls).toEqual([]);
});

it("of many connections that become busy in one round, one has a whole turn", () => {
  const { clock, scheduler, bench } = busyBench(0.05);
  const others = numbers(10).map(() => busyBench(0.05, clock, scheduler).bench);
  bench.receive(frames(100));
  expect(bench.frames.length).toBeGreaterThanOrEqual(20);
  for (const other of others) {
    other.receive(frames(100));
    expect(other.frames.length).toBeLessThan(10);
  }
  for (let round = 0; round < 100; round++) clock.round();
  for (const each of [bench, ...others]) expect(each.frames).toEqual(numbers(100));
  // After a round without turns the next connection has a whole one again.
  const next = busyBench(0.05, clock, scheduler).bench;
  next.receive(frames(100));
  expect(next.frames.length).toBeGreaterThanOrEqual(20);
});

it("busy connections take turns, one in each round of the event loop", () => {
  const clock = new BusyClock();
  const scheduler = new FairScheduler(clock);
  const order: string[] = [];
  const target = (name: string): Pausable => ({
    holding: false,
    take: ({ length }) => length,
    turnStarts: () => order.push(name),
    allTaken: () => {},
  });
  for (const name of ["a", "b", "c"]) scheduler.pause(target(name));
  const rounds: string[][] = [];
  for (let round = 0; round < 4; round++) {
    clock.round();
    rounds.push(order.splice(0));
    if (round === 0) scheduler.pause(target("a again"));
  }
  expect(rounds).toEqual([["a"], ["b"], ["c"], ["a again"]]);
});

describe("among many busy connections", () => {
  /** This many busy connections that wait for their turns. */
  function busyConnections(count: number) {
    const clock = new BusyClock();
    const scheduler = new FairScheduler(clock);
    const benches = numbers(count).map(() => busyBench(0.1, clock, scheduler).bench);
    for (const bench of benches) bench.receive(frames(200));
    return { clock, scheduler, benches };
  }

  it("a connection whose one frame took long, because of the garbage collector or another process, waits for one round", () => {
    const { clock, scheduler } = busyConnections(50);
    const { bench } = busyBench(5, clock, scheduler);
    bench.receive(frame);
    expect(bench.transport.calls).toEqual(["pause"]);
    clock.round();
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
  });

  it("four such connections resume per round, and a busy one too", () => {
    const { clock, scheduler, benches } = busyConnections(2);
    const others = numbers(10).map(() => busyBench(0.5, clock, scheduler).bench);
    for (const other of others) other.receive(frame);
    const resumed = () => others.filter(({ transport }) => transport.calls.includes("resume")).length;
    const counts: number[] = [];
    const before = benches[0]?.frames.length ?? 0;
    for (let round = 0; round < 3; round++) {
      clock.round();
      counts.push(resumed());
    }
    expect(counts).toEqual([4, 8, 10]);
    expect(benches[0]?.frames.length).toBeGreaterThan(before);
  });

  it("a connection whose many small chunks cost as much together waits among the busy ones, as does one with many frames in a chunk", () => {
    const { clock, scheduler } = busyConnections(5);
    const benches = [busyBench(0.2, clock, scheduler).bench, busyBench(0.06, clock, scheduler).bench] as const;
    for (let i = 0; i < 7; i++) benches[0].receive(frame);
    benches[1].receive(frames(20));
    clock.round();
    expect(benches.map(({ transport }) => transport.calls)).toEqual([["pause"], ["pause"]]);
  });

  it("connections that have ended use up no turn", () => {
    const { clock, benches } = busyConnections(20);
    for (const bench of benches.slice(0, 19)) bench.link.destroy("enough");
    const last = benches[19] as LinkBench;
    const before = last.frames.length;
    clock.round();
    expect(last.frames.length).toBeGreaterThan(before);
  });
});
