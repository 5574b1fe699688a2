import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/runtime/clock.js";
import { Entrance } from "../../src/runtime/entrance.js";

/** A clock whose rounds are begun by hand, and on which letting somebody in takes a while. */
function world(letInMs: number) {
  let now = 0;
  const rounds: (() => void)[] = [];
  const clock: Clock = { now: () => now, setTimer: () => ({ cancel: () => {} }), defer: () => {}, yield: (run) => void rounds.push(run) };
  const entrance = new Entrance(clock);
  const inside: number[] = [];
  let came = 0;
  const come = (count: number) => {
    for (let i = 0; i < count; i++) {
      const name = came++;
      void entrance.enter(() => {
        inside.push(name);
        now += letInMs;
      });
    }
  };
  const round = () => {
    for (const run of rounds.splice(0)) run();
  };
  return { come, round, inside, rounds, entrance };
}

describe("the entrance", () => {
  it("lets newcomers in at once while that takes less than a millisecond", () => {
    const { come, inside, entrance } = world(0.1);
    come(9);
    expect(inside).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(entrance.free).toBe(true);
  });

  it("lets a crowd in in the order in which it came, a millisecond's worth in each round, and then rests", () => {
    const { come, round, inside, rounds, entrance } = world(0.25);
    come(10);
    expect(inside.length).toBe(4);
    expect(entrance.free).toBe(false);
    round();
    expect(inside.length).toBe(8);
    come(1);
    round();
    expect(inside).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    round();
    expect(rounds).toEqual([]);
    expect(entrance.free).toBe(true);
  });

  it("gives what letting in gives, at once or as a promise, its errors too", async () => {
    const { come, round, entrance } = world(2);
    const later = Promise.resolve();
    const fail = () => {
      throw new Error("no");
    };
    expect(entrance.enter(() => later)).toBe(later);
    expect(() => entrance.enter(fail)).toThrow("no");
    come(1);
    const waits = [entrance.enter(() => undefined), entrance.enter(fail)];
    round();
    round();
    await expect(waits[0]).resolves.toBeUndefined();
    await expect(waits[1]).rejects.toThrow("no");
  });
});
