import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/connection/clock.js";
import { Entrance } from "../../src/server/entrance.js";

/** A clock whose rounds are begun by hand, and on which letting somebody in takes a while. */
function world(letInMs: number) {
  let now = 0;
  const rounds: (() => void)[] = [];
  const clock: Clock = { now: () => now, setTimer: () => ({ cancel: () => {} }), defer: () => {}, yield: (run) => void rounds.push(run) };
  const entrance = new Entrance(clock);
  const inside: number[] = [];
  const sockets: EventEmitter[] = [];
  const come = (count: number) => {
    for (let i = 0; i < count; i++) {
      const name = sockets.push(new EventEmitter()) - 1;
      entrance.enter(sockets[name] as unknown as Duplex, () => {
        inside.push(name);
        now += letInMs;
      });
    }
  };
  const round = () => {
    for (const run of rounds.splice(0)) run();
  };
  return { come, round, inside, sockets, rounds };
}

describe("the entrance", () => {
  it("lets newcomers in at once while that takes less than a millisecond", () => {
    const { come, inside } = world(0.1);
    come(9);
    expect(inside).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("lets a crowd in in the order in which it came, a millisecond's worth in each round, and then rests", () => {
    const { come, round, inside, rounds } = world(0.25);
    come(10);
    expect(inside.length).toBe(4);
    round();
    expect(inside.length).toBe(8);
    come(1);
    round();
    expect(inside).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    round();
    expect(rounds).toEqual([]);
  });

  it("never lets more than 1,024 wait", () => {
    const { come, inside } = world(2);
    come(1 + 1024);
    expect(inside.length).toBe(1);
    come(100);
    expect(inside.length).toBe(101);
    expect(inside.at(-1)).toBe(100);
  });

  it("survives a socket that breaks while it waits, and leaves its errors to who takes it from then on", () => {
    const { come, round, inside, sockets } = world(2);
    come(2);
    expect(sockets[1]?.emit("error", new Error("reset"))).toBe(true);
    round();
    expect(inside).toEqual([0, 1]);
    expect(sockets[1]?.listenerCount("error")).toBe(0);
  });
});
