import { describe, expect, it } from "vitest";
import { RingBuffer } from "../../src/codec/ring-buffer.js";
import { Random } from "../helpers/random.js";

const noise = new Random(3).bytes(100_000);

/** The bytes held, read as the decoder reads them. */
function contents(ring: RingBuffer): number[] {
  ring.unpark();
  return Array.from({ length: ring.length }, (_, i) => ring.bytes[(ring.head + i) & ring.mask]!);
}

describe("RingBuffer", () => {
  it("holds what a plain queue would hold, through any appends and drops", () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed);
      const ring = new RingBuffer();
      const model: number[] = [];
      for (let step = 0; step < 150; step++) {
        if (random.oneIn(2)) {
          const start = random.from(0, 1000);
          const end = start + random.pick([0, 1, 2, 30, 48, 49, 100, 3000]);
          if (random.oneIn(3)) ring.hold(noise, start, end);
          else ring.append(noise, start, end);
          model.push(...noise.subarray(start, end));
        } else if (model.length > 0) {
          const count = random.oneIn(4) ? model.length : random.from(0, model.length);
          ring.unpark();
          ring.drop(count);
          model.splice(0, count);
        }
        if (random.oneIn(5)) ring.shrink();
        expect(ring.length).toBe(model.length);
        if (random.oneIn(3)) expect(contents(ring), `seed ${seed}, step ${step}`).toEqual(model);
      }
      expect(contents(ring)).toEqual(model);
    }
  });

  it("moves an index when bytes are dropped, and copies nothing", () => {
    const ring = new RingBuffer();
    ring.append(noise, 0, 1000);
    const storage = ring.bytes;
    for (let round = 0; round < 50; round++) {
      ring.drop(900);
      ring.append(noise, 0, 900);
    }
    expect(ring.bytes).toBe(storage);
    expect(ring.length).toBe(1000);
  });

  it("grows to less than twice the bytes that arrived", () => {
    const ring = new RingBuffer();
    for (let size = 1; size < 100_000; size = Math.ceil(size * 1.3)) {
      ring.append(noise, ring.length, size);
      expect(ring.bytes.length).toBeLessThan(Math.max(2 * size, 4096));
    }
    expect(contents(ring)).toEqual([...noise.subarray(0, ring.length)]);
  });

  it("holds no storage when it is empty", () => {
    const ring = new RingBuffer();
    expect(ring.bytes.length).toBe(0);
    ring.append(noise, 0, 5000);
    ring.drop(5000);
    expect(ring.bytes.length).toBe(0);
    ring.append(noise, 0, 5000);
    ring.release();
    expect([ring.bytes.length, ring.length]).toEqual([0, 0]);
  });

  it("gives storage back that a few bytes are left in", () => {
    const ring = new RingBuffer();
    ring.append(noise, 0, 65_536);
    ring.drop(65_000);
    ring.shrink();
    expect(ring.bytes.length).toBe(1024);
    expect(contents(ring)).toEqual([...noise.subarray(65_000, 65_536)]);
  });

  it("parks a short rest without storage, and brings it back byte for byte", () => {
    for (let count = 0; count <= 32; count++) {
      const ring = new RingBuffer();
      ring.hold(noise, 5, 5 + count);
      expect([ring.length, ring.bytes.length]).toEqual([count, 0]);
      expect(contents(ring)).toEqual([...noise.subarray(5, 5 + count)]);
    }
  });

  it("copies a stretch out of its wrapped middle", () => {
    const ring = new RingBuffer();
    ring.append(noise, 0, 64);
    ring.drop(50);
    ring.append(noise, 64, 110);
    expect(ring.bytes.length).toBe(64);
    expect(ring.copyOut(ring.head + 4, 40)).toEqual(noise.slice(54, 94));
  });
});
