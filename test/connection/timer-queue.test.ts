import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/runtime/clock.js";
import { TimerQueue } from "../../src/runtime/timer-queue.js";
import { SeededRandom } from "../../src/testing/random.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";

describe("a queue of timers", () => {
  it("runs each at its time, in order, over one timer of the clock below", async () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock);
    const ran: [number, number][] = [];
    const delays = Array.from({ length: 500 }, (_, i) => (i * 7919) % 1000);
    for (const delay of delays) queue.setTimer(delay, () => ran.push([delay, clock.now()]));
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1000);
    expect(ran.map(([delay]) => delay)).toEqual([...delays].sort((a, b) => a - b));
    expect(ran.every(([delay, at]) => delay === at)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it("does what a plain clock does, whatever is set and cancelled when", async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const runs = await Promise.all([true, false].map((queued) => scenario(seed, queued)));
      expect(runs[0]).toEqual(runs[1]);
    }
  });

  it("keeps no timer when the last of its own is cancelled, so that the process can end", () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock);
    const timers = [50, 10, 30].map((delay) => queue.setTimer(delay, () => {}));
    for (const timer of timers) timer.cancel();
    for (const timer of timers) timer.cancel();
    expect(clock.pendingTimers).toBe(0);
  });

  it("runs none early: times are rounded up to whole milliseconds", async () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock);
    const ran: string[] = [];
    await clock.advance(0.4);
    queue.setTimer(10.3, () => ran.push(`timer at ${clock.now()}`));
    queue.setAlarm(20, { wake: () => ran.push(`alarm at ${clock.now()}`) });
    await clock.advance(100);
    expect(ran).toEqual(["timer at 11", "alarm at 21"]);
  });

  it("runs a crowd that is due together a millisecond's worth at a time", () => {
    let now = 0;
    let wake: (() => void) | undefined;
    const clock: Clock = {
      now: () => now,
      setTimer: (_delayMs, run) => {
        wake = run;
        return { cancel: () => {} };
      },
      defer: () => {},
    };
    const queue = new TimerQueue(clock);
    const ran: number[] = [];
    const deadline = (i: number) => () => {
      now += 0.25;
      ran.push(i);
    };
    for (let i = 0; i < 10; i++) queue.setTimer(10, deadline(i));
    now = 10;
    const counts: number[] = [];
    while (wake !== undefined) {
      const run = wake;
      wake = undefined;
      run();
      counts.push(ran.length);
    }
    expect(counts).toEqual([4, 8, 10]);
    expect([...ran].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("goes on behind a timer that throws", async () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock);
    let ran = 0;
    queue.setTimer(10, () => {
      throw new Error("oops");
    });
    queue.setTimer(10, () => ran++);
    await expect(clock.advance(10)).rejects.toThrow("oops");
    await clock.advance(10);
    expect(ran).toBe(1);
  });
});

/** Sets and cancels timers at random, some of them from timers. Gives what ran and when; no two are due at one time. */
async function scenario(seed: number, queued: boolean): Promise<string[]> {
  const clock = new VirtualClock();
  const subject = queued ? new TimerQueue(clock) : clock;
  const random = new SeededRandom(seed);
  const ran: string[] = [];
  const timers: { cancel(): void }[] = [];
  const set = (name: number, delay: number): void => {
    timers.push(
      subject.setTimer(delay, () => {
        ran.push(`${name} at ${clock.now()}`);
        if (name % 3 === 0) timers[name % timers.length]!.cancel();
        if (name % 4 === 0 && name < 4000) set(name + 1001, delay + 5_000 + name);
      }),
    );
  };
  for (let i = 0; i < 60; i++) {
    set(i, Math.floor(random.next() * 100) * 10_000 + i * 10);
    if (random.next() < 0.3) timers[Math.floor(random.next() * timers.length)]!.cancel();
    if (random.next() < 0.3) await clock.advance(Math.floor(random.next() * 20) * 10_000);
  }
  await clock.advance(10_000_000);
  expect(clock.pendingTimers).toBe(0);
  return ran;
}

describe("an entry of its own", () => {
  it("can be moved, taken out and put in again, and runs once for each time it was armed", async () => {
    const clock = new VirtualClock();
    const queue = new TimerQueue(clock);
    const ran: number[] = [];
    const entry = { at: 0, place: -1, run: () => void ran.push(clock.now()) };
    queue.arm(entry, 50);
    queue.arm(entry, 20);
    await clock.advance(30);
    expect(ran).toEqual([20]);
    queue.arm(entry, 40);
    queue.arm(entry, 60);
    await clock.advance(20);
    expect(ran).toEqual([20]);
    queue.disarm(entry);
    queue.disarm(entry);
    await clock.advance(50);
    expect(ran).toEqual([20]);
    expect(clock.pendingTimers).toBe(0);
  });
});
