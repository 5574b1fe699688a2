import { describe, expect, it } from "vitest";
import { noteOutside } from "../../src/runtime/outside-heap.js";

const MIB = 1024 * 1024;

/** Bytes by which `run` lets the heap grow: the most of a few times, as a collection may fall into one. */
function growth(run: () => void): number {
  let most = 0;
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = process.memoryUsage().heapUsed;
    run();
    most = Math.max(most, process.memoryUsage().heapUsed - before);
  }
  return most;
}

describe("bytes outside the heap", () => {
  it("come with more garbage inside it, so that young objects are collected before V8 minds the bytes", () => {
    const noted = growth(() => {
      for (let i = 0; i < 64; i++) noteOutside(MIB / 64);
    });
    expect(noted).toBeGreaterThan(MIB);
    expect(noted).toBeLessThan(3 * MIB);
  });

  it("come with one piece of garbage at a time, however many they are", () => {
    expect(growth(() => noteOutside(100 * MIB))).toBeLessThan(MIB / 2);
  });
});
