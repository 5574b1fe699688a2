/** Deadlines of calls: the way of pages, with a timer for each, and that of Node, with one timer for all. */
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/runtime/clock.js";
import { DeadlineQueue } from "../../src/runtime/deadline-queue.js";
import { type Deadlines, newDeadlines } from "../../src/runtime/deadlines.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";

interface Entry {
  readonly name: string;
  at: number;
  place: number;
}

const entry = (name: string): Entry => ({ name, at: 0, place: -1 });

describe.each([
  { way: "a timer for each", make: newDeadlines<Entry> },
  { way: "one timer for all", make: (...start: ConstructorParameters<typeof DeadlineQueue<Entry>>) => new DeadlineQueue(...start) },
])("deadlines with $way", ({ make }) => {
  function rig(longestDelay = Number.POSITIVE_INFINITY) {
    const clock = new VirtualClock();
    const told: string[] = [];
    const platform: Clock = {
      now: () => clock.now(),
      defer: (run) => clock.defer(run),
      setTimer: (delayMs, run) => clock.setTimer(Math.min(delayMs, longestDelay), run),
    };
    const deadlines: Deadlines<Entry> = make(platform, { expired: ({ name }) => told.push(`${name} at ${clock.now()}`) });
    return { clock, told, deadlines };
  }

  it("are told of when they pass, each once, whatever the order they were added in", async () => {
    const { clock, told, deadlines } = rig();
    deadlines.add(entry("late"), 30);
    deadlines.add(entry("soon"), 10);
    deadlines.add(entry("never"), Number.POSITIVE_INFINITY);
    await clock.advance(9);
    expect(told).toEqual([]);
    await clock.advance(100);
    expect(told).toEqual(["soon at 10", "late at 30"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("farther off than a timer of the platform reaches are not told of early", async () => {
    const { clock, told, deadlines } = rig(7);
    deadlines.add(entry("far"), 30);
    await clock.advance(100);
    expect(told).toEqual(["far at 30"]);
  });

  it("are not told of once they are removed; removing one twice is harmless", async () => {
    const { clock, told, deadlines } = rig();
    const gone = entry("gone");
    deadlines.add(gone, 10);
    deadlines.add(entry("stays"), 20);
    deadlines.remove(gone);
    deadlines.remove(gone);
    await clock.advance(100);
    expect(told).toEqual(["stays at 20"]);
  });
});
