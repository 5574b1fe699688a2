import { describe, expect, it } from "vitest";
import { SeededRandom, VirtualClock } from "../../src/testing/index.js";
import { turns } from "../helpers/turns.js";

describe("the virtual clock", () => {
  it("stands still until it is moved", async () => {
    const clock = new VirtualClock(500);
    const ran: string[] = [];
    clock.setTimer(10, () => ran.push("timer"));
    await turns();
    expect([clock.now(), ran]).toEqual([500, []]);
    await clock.advance(9);
    expect([clock.now(), ran]).toEqual([509, []]);
    await clock.advance(1);
    expect([clock.now(), ran]).toEqual([510, ["timer"]]);
  });

  it("runs timers by their time, those of one moment in the order they were armed", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    for (const [name, delay] of Object.entries({ c: 30, a: 10, b1: 20, b2: 20, b3: 20 }))
      clock.setTimer(delay, () => ran.push(`${name}@${clock.now()}`));
    await clock.advance(100);
    expect(ran).toEqual(["a@10", "b1@20", "b2@20", "b3@20", "c@30"]);
  });

  it("lets promises go on between two timers", async () => {
    const clock = new VirtualClock();
    const at: number[] = [];
    const sleep = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
    void (async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(10);
        await Promise.resolve();
        at.push(clock.now());
      }
    })();
    await clock.advance(25);
    expect(at).toEqual([10, 20]);
    await clock.advance(25);
    expect(at).toEqual([10, 20, 30]);
  });

  it("runs deferred work at the moment it stands at, and what that defers", async () => {
    const clock = new VirtualClock();
    const ran: number[] = [];
    clock.setTimer(5, () => clock.defer(() => clock.defer(() => ran.push(clock.now()))));
    clock.setTimer(6, () => ran.push(clock.now()));
    await clock.advance(10);
    expect(ran).toEqual([5, 6]);
  });

  it("a timer that was disarmed does not run, whichever of many it was", async () => {
    const random = new SeededRandom(7);
    const clock = new VirtualClock();
    const ran: number[] = [];
    const expected: number[] = [];
    const timers = Array.from({ length: 500 }, (_, id) => {
      const at = random.between(0, 100);
      return { id, at, timer: clock.setTimer(at, () => ran.push(id)) };
    });
    for (const { id, timer } of timers) {
      if (id % 3 === 0) timer.cancel();
    }
    expect(clock.pendingTimers).toBe(333);
    for (const { id } of timers.filter(({ id }) => id % 3 !== 0).sort((a, b) => a.at - b.at)) expected.push(id);
    await clock.advance(100);
    expect(ran).toEqual(expected);
    timers[1]!.timer.cancel();
    expect(clock.pendingTimers).toBe(0);
  });

  it("moves until a condition holds and says how long that took; a condition that never holds is an error", async () => {
    const clock = new VirtualClock();
    let count = 0;
    const again = () => {
      count++;
      clock.setTimer(100, again);
    };
    clock.setTimer(100, again);
    expect(await clock.runUntil(() => count === 7)).toBe(700);
    await expect(clock.runUntil(() => false, 1_000)).rejects.toThrow("does not hold after 1000 ms");
    await expect(new VirtualClock().runUntil(() => false)).rejects.toThrow("nothing is left to run");
  });

  it("an error of a timer reaches the test that moves the clock", async () => {
    const clock = new VirtualClock();
    clock.setTimer(1, () => {
      throw new Error("seen");
    });
    await expect(clock.advance(2)).rejects.toThrow("seen");
  });
});

it("the same seed gives the same numbers, evenly spread", () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 10_000 }, () => random.between(0, 9));
  };
  expect(draw(3)).toEqual(draw(3));
  expect(draw(3)).not.toEqual(draw(4));
  for (let number = 0; number <= 9; number++) {
    const times = draw(3).filter((drawn) => drawn === number).length;
    expect(Math.abs(times - 1000)).toBeLessThan(120);
  }
});
