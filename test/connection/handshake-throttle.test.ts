import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/runtime/clock.js";
import { HandshakeThrottle } from "../../src/runtime/handshake-throttle.js";

/** A clock whose rounds a test starts itself, and on which each task takes `taskMs`. */
function world(taskMs: number) {
  let now = 0;
  const rounds: (() => void)[] = [];
  const clock: Clock = { now: () => now, setTimer: () => ({ cancel: () => {} }), defer: () => {}, yield: (run) => void rounds.push(run) };
  const throttle = new HandshakeThrottle(clock);
  const done: number[] = [];
  let added = 0;
  const add = (count: number) => {
    for (let i = 0; i < count; i++) {
      const name = added++;
      void throttle.run(() => {
        done.push(name);
        now += taskMs;
      });
    }
  };
  const round = () => {
    for (const run of rounds.splice(0)) run();
  };
  return { add, round, done, rounds, throttle };
}

describe("the handshake throttle", () => {
  it("runs tasks at once while they take less than a millisecond", () => {
    const { add, done, throttle } = world(0.1);
    add(9);
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(throttle.free).toBe(true);
  });

  it("runs many tasks in order, 1 ms of them per round, and then stops", () => {
    const { add, round, done, rounds, throttle } = world(0.25);
    add(10);
    expect(done.length).toBe(4);
    expect(throttle.free).toBe(false);
    round();
    expect(done.length).toBe(8);
    add(1);
    round();
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    round();
    expect(rounds).toEqual([]);
    expect(throttle.free).toBe(true);
  });

  it("returns the result of a task, at once or as a promise, and its errors too", async () => {
    const { add, round, throttle } = world(2);
    const later = Promise.resolve();
    const fail = () => {
      throw new Error("no");
    };
    expect(throttle.run(() => later)).toBe(later);
    expect(() => throttle.run(fail)).toThrow("no");
    add(1);
    const waits = [throttle.run(() => undefined), throttle.run(fail)];
    round();
    round();
    await expect(waits[0]).resolves.toBeUndefined();
    await expect(waits[1]).rejects.toThrow("no");
  });
});
