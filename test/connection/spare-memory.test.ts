import { describe, expect, it } from "vitest";
import { giveSpare, LEAST_SPARE, takeSpare } from "../../src/runtime/spare-memory.js";
import { Random } from "../helpers/random.js";

describe("memory for messages that wait", () => {
  it("is at least as large as asked for, and a quarter larger at most", () => {
    for (let count = LEAST_SPARE; count < 3_000_000; count = Math.ceil(count * 1.01)) {
      const { length } = takeSpare(count);
      expect(length).toBeGreaterThanOrEqual(count);
      expect(length).toBeLessThanOrEqual(count * 1.25);
    }
  });

  it("is given out again when it was given back, and to one at a time", () => {
    const random = new Random(5);
    const out = new Set<Uint8Array>();
    const seen = new Set<Uint8Array>();
    for (let i = 0; i < 5000; i++) {
      if (out.size > 20) {
        const [first] = out;
        out.delete(first!);
        giveSpare(first!);
      }
      const memory = takeSpare(random.from(LEAST_SPARE, 30_000));
      if (out.has(memory)) throw new Error("two have the same memory");
      out.add(memory);
      seen.add(memory);
    }
    expect(seen.size).toBeLessThan(300);
  });

  it("is kept up to a mebibyte for the whole program, and not at all where one is very large", () => {
    const size = 16 * 1024;
    // More than there can be, so that none is free.
    const many = Array.from({ length: 500 }, () => takeSpare(size));
    for (const memory of many) giveSpare(memory);
    const again = Array.from({ length: 200 }, () => takeSpare(size));
    const first = new Set(many);
    const kept = again.filter((memory) => first.has(memory)).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(64);
    const large = takeSpare(1_000_000);
    giveSpare(large);
    expect(takeSpare(1_000_000) === large).toBe(false);
  });
});
