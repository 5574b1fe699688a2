import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { Entrance } from "../../src/runtime/entrance.js";
import { Turns, type TurnTaker } from "../../src/runtime/turns.js";
import { BusyClock } from "../helpers/busy-clock.js";
import { LinkBench } from "../helpers/link-bench.js";

const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(100) });
/** `count` frames with the commands from `first` on. */
const frames = (count: number, first = 0) => Buffer.concat(numbers(count, first).map((cmd) => encodeFrame({ version: 2, cmd })));
const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);

/** A link each of whose frames takes `ms`. */
function busyBench(ms: number, clock = new BusyClock(), turns = new Turns(clock), messages = false) {
  const bench = new LinkBench({}, { messages }, { clock, turns });
  bench.onFrameDo = () => clock.work(ms);
  return { clock, turns, bench };
}

describe("a peer that keeps this side busy", () => {
  it("waits for the others now and then", () => {
    const { clock, bench } = busyBench(0.6);
    bench.receive(frame);
    expect(bench.transport.calls).toEqual([]);
    bench.receive(frame);
    expect(bench.transport.calls).toEqual(["pause"]);
    clock.round();
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
  });

  it("does so within a chunk, which may hold thousands of frames: they are delivered a turn at a time, in their order", () => {
    const { clock, turns, bench } = busyBench(0.1);
    bench.receive(frames(100));
    const rounds: number[] = [];
    for (let before = 0; bench.frames.length > before; clock.round()) {
      rounds.push(bench.frames.length - before);
      before = bench.frames.length;
    }
    expect(Math.max(...rounds)).toBeLessThanOrEqual(16);
    expect(bench.frames).toEqual(numbers(100));
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
    expect(turns.held).toBe(0);
  });

  it("does so the sooner the longer its frames take: few of those with large answers make a turn", () => {
    const { clock, bench } = busyBench(0.7);
    bench.receive(frames(20));
    for (let before = 0; bench.frames.length > before; clock.round()) {
      expect(bench.frames.length - before).toBeLessThanOrEqual(3);
      before = bench.frames.length;
    }
    expect(bench.frames).toEqual(numbers(20));
  });

  it("does so for what comes below our frames: 500 control frames of WebSocket make a turn", () => {
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

  it("is not read on when its owner has paused it meanwhile", () => {
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

  it("has what comes meanwhile behind what waits: messages that lay in one chunk of the socket", () => {
    const { clock, turns, bench } = busyBench(0.2, undefined, undefined, true);
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
    expect(turns.held).toBe(0);
  });

  it.each([
    ["and goes has been heard to the end", (bench: LinkBench) => bench.transport.receiver.onClose(1000, "")],
    ["and breaks a rule of the transport too", (bench: LinkBench) => bench.transport.receiver.onViolation?.("text")],
  ])("%s", (_, leave) => {
    const { clock, turns, bench } = busyBench(0.1);
    bench.receive(frames(100));
    expect(bench.frames.length).toBeLessThan(100);
    leave(bench);
    // In turns as before: what one chunk asks for may take long.
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
    expect(turns.held).toBe(0);
  });

  it("and is thrown out is not worked for any longer, and nothing of it is kept", () => {
    const { clock, turns, bench } = busyBench(0.1);
    bench.receive(frames(100));
    expect(turns.held).toBeGreaterThan(0);
    bench.onFrameDo = (_frame, link) => link.fail("rate-exceeded", "too much");
    const before = bench.frames.length;
    clock.round();
    clock.round();
    expect(bench.frames).toHaveLength(before + 1);
    expect([bench.code, turns.held]).toEqual(["rate-exceeded", 0]);
  });

  it("and is dropped while it waits leaves nothing behind", () => {
    const { clock, turns, bench } = busyBench(0.1);
    bench.receive(frames(100));
    bench.link.destroy("enough");
    expect(turns.held).toBe(0);
    const before = bench.frames.length;
    bench.receive(frames(10));
    clock.round();
    expect([bench.frames.length, turns.held]).toEqual([before, 0]);
  });

  it.each([
    ["dropped", (bench: LinkBench) => bench.link.destroy("enough")],
    [
      "thrown out in its next turn",
      (bench: LinkBench) => void (bench.onFrameDo = (_frame, link) => link.fail("rate-exceeded", "too much")),
    ],
  ])("and is %s after some of what waits was taken leaves nothing behind, and nothing of the others goes", (_, leave) => {
    const { clock, turns, bench } = busyBench(0.1);
    const other = busyBench(0.1, clock, turns).bench;
    for (const each of [other, bench]) each.receive(frames(100));
    // A turn of each.
    clock.round();
    clock.round();
    for (const { link } of [other, bench]) expect(link.receivedMemory).toBeGreaterThan(0);
    leave(bench);
    for (let round = 0; round < 3 && bench.end === undefined; round++) clock.round();
    expect(bench.end).toBeDefined();
    expect(bench.link.receivedMemory).toBe(0);
    for (let round = 0; round < 30; round++) clock.round();
    expect(other.frames).toEqual(numbers(100));
    expect(turns.held).toBe(0);
  });

  it("and is dropped while it holds a frame that is to be delivered again leaves nothing behind", () => {
    const { turns, bench } = busyBench(0.1);
    bench.onFrameDo = (view) => bench.link.hold(view);
    bench.receive(frames(3));
    expect(bench.frames).toEqual([0]);
    expect([turns.held, bench.link.receivedMemory > 0]).toEqual([frames(3).length, true]);
    bench.link.destroy("enough");
    expect([turns.held, bench.link.receivedMemory]).toEqual([0, 0]);
  });

  it("waits no longer than its chunk takes where too much waits already", () => {
    const { turns, bench } = busyBench(0.1);
    turns.held = 32 * 1024 * 1024;
    bench.receive(frames(100));
    expect(bench.frames).toEqual(numbers(100));
  });
});

describe("of a crowd of newcomers that speak up together", () => {
  /** So many, each of whose frames takes 0.12 ms. */
  function crowd(count: number) {
    const clock = new BusyClock();
    const turns = new Turns(clock);
    const entrance = new Entrance(clock);
    const scratch = new Uint8Array(4096);
    const benches = numbers(count).map(() => {
      const bench = new LinkBench({}, {}, { clock, turns, entrance });
      bench.onFrameDo = () => clock.work(0.12);
      return bench;
    });
    const speak = (bench: LinkBench, first: number) => {
      const bytes = frames(2, first);
      scratch.set(bytes);
      bench.receive(scratch.subarray(0, bytes.length));
      // The bytes are the transport's again.
      scratch.fill(0xee);
    };
    const heard = () => benches.filter((bench) => bench.frames.length > 0).length;
    return { clock, turns, benches, speak, heard };
  }

  it("those are heard that there is time for, and the others in the next rounds", () => {
    const { clock, turns, benches, speak, heard } = crowd(12);
    for (const bench of benches) speak(bench, 0);
    expect(heard()).toBe(5);
    expect(benches.map(({ transport }) => transport.calls)).toEqual(numbers(12).map((i) => (i < 5 ? [] : ["pause"])));
    const counts: number[] = [];
    for (let round = 0; round < 3; round++) {
      clock.round();
      counts.push(heard());
    }
    expect(counts).toEqual([10, 12, 12]);
    for (const bench of benches) expect(bench.frames).toEqual([0, 1]);
    for (const { transport } of benches.slice(5)) expect(transport.calls).toEqual(["pause", "resume"]);
    expect(turns.held).toBe(0);
  });

  it("who says more meanwhile has it heard in its order, and whoever has said something behind its handshake does not wait again", () => {
    const { clock, benches, speak } = crowd(6);
    for (const bench of benches) speak(bench, 0);
    const last = benches[5] as LinkBench;
    speak(last, 2);
    expect(last.frames).toEqual([]);
    clock.round();
    expect(last.frames).toEqual([0, 1, 2, 3]);
    clock.round();
    const silent = benches[0] as LinkBench;
    last.handshaking = silent.handshaking = false;
    speak(last, 4);
    for (const bench of benches.slice(1, 5)) speak(bench, 4);
    expect(last.frames).toEqual([0, 1, 2, 3, 4, 5]);
    speak(last, 6);
    expect(last.frames).toEqual(numbers(8));
    speak(silent, 4);
    expect(silent.frames).toEqual([0, 1]);
    clock.round();
    expect(silent.frames).toEqual([0, 1, 4, 5]);
  });

  it("who goes before it was heard is heard to the end, and who is dropped is not", () => {
    const { clock, turns, benches, speak } = crowd(7);
    for (const bench of benches) speak(bench, 0);
    benches[5]?.transport.receiver.onClose(1000, "");
    benches[6]?.link.destroy("enough");
    for (let round = 0; round < 3; round++) clock.round();
    expect(benches.map((bench) => bench.frames.length)).toEqual([2, 2, 2, 2, 2, 2, 0]);
    expect(benches[5]?.end).toBeDefined();
    expect(turns.held).toBe(0);
  });
});

it("a peer that sends little never waits, however long it goes on", async () => {
  const { clock, bench } = busyBench(0.05);
  for (let i = 0; i < 500; i++) {
    bench.receive(frame);
    await clock.advance(1);
  }
  expect(bench.transport.calls).toEqual([]);
});

it("of many who begin to send a lot in one round, one has a whole turn", () => {
  const { clock, turns, bench } = busyBench(0.05);
  const others = numbers(10).map(() => busyBench(0.05, clock, turns).bench);
  bench.receive(frames(100));
  expect(bench.frames.length).toBeGreaterThanOrEqual(20);
  for (const other of others) {
    other.receive(frames(100));
    expect(other.frames.length).toBeLessThan(10);
  }
  for (let round = 0; round < 100; round++) clock.round();
  for (const each of [bench, ...others]) expect(each.frames).toEqual(numbers(100));
  // A round in which nobody had a turn: the next to come has a whole one again.
  const next = busyBench(0.05, clock, turns).bench;
  next.receive(frames(100));
  expect(next.frames.length).toBeGreaterThanOrEqual(20);
});

it("heavy senders take turns, one in each round of the event loop", () => {
  const clock = new BusyClock();
  const turns = new Turns(clock);
  const order: string[] = [];
  const taker = (name: string): TurnTaker => ({
    holding: false,
    take: ({ length }) => length,
    turnBegins: () => order.push(name),
    turnEnds: () => {},
  });
  for (const name of ["a", "b", "c"]) turns.wait(taker(name));
  const rounds: string[][] = [];
  for (let round = 0; round < 4; round++) {
    clock.round();
    rounds.push(order.splice(0));
    if (round === 0) turns.wait(taker("a again"));
  }
  expect(rounds).toEqual([["a"], ["b"], ["c"], ["a again"]]);
});

describe("among many heavy senders", () => {
  /** So many of them wait for their turns. */
  function heavySenders(count: number) {
    const clock = new BusyClock();
    const turns = new Turns(clock);
    const benches = numbers(count).map(() => busyBench(0.1, clock, turns).bench);
    for (const bench of benches) bench.receive(frames(200));
    return { clock, turns, benches };
  }

  it("a peer whose one frame took long, as the garbage was collected or another process ran, waits for one round", () => {
    const { clock, turns } = heavySenders(50);
    const { bench } = busyBench(5, clock, turns);
    bench.receive(frame);
    expect(bench.transport.calls).toEqual(["pause"]);
    clock.round();
    expect(bench.transport.calls).toEqual(["pause", "resume"]);
  });

  it("of those peers four are served in a round, and a heavy sender too", () => {
    const { clock, turns, benches } = heavySenders(2);
    const others = numbers(10).map(() => busyBench(0.5, clock, turns).bench);
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

  it("a peer whose many small chunks cost as much together waits for its turn with them, as does one with many frames in a chunk", () => {
    const { clock, turns } = heavySenders(5);
    const benches = [busyBench(0.2, clock, turns).bench, busyBench(0.06, clock, turns).bench] as const;
    for (let i = 0; i < 7; i++) benches[0].receive(frame);
    benches[1].receive(frames(20));
    clock.round();
    expect(benches.map(({ transport }) => transport.calls)).toEqual([["pause"], ["pause"]]);
  });

  it("those that have left cost no round: the next turn is that of who is there", () => {
    const { clock, benches } = heavySenders(20);
    for (const bench of benches.slice(0, 19)) bench.link.destroy("enough");
    const last = benches[19] as LinkBench;
    const before = last.frames.length;
    clock.round();
    expect(last.frames.length).toBeGreaterThan(before);
  });
});
