import { describe, expect, it } from "vitest";
import { ByteSource } from "../../src/codec/decoder/byte-source.js";
import { RingBuffer } from "../../src/codec/decoder/ring-buffer.js";
import { heldBytes } from "../helpers/memory.js";
import { Random } from "../helpers/random.js";

const noise = new Random(3).bytes(100_000);
const source = new ByteSource();
source.set(noise);

/** The bytes held, read as the decoder reads them. */
function contents(ring: RingBuffer): number[] {
  ring.unpark();
  return Array.from({ length: ring.length }, (_, i) => ring.source.bytes[(ring.head + i) & ring.mask]!);
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
          const way = random.from(0, 2);
          if (way === 0) ring.hold(source, start, end);
          else if (way === 1) ring.appendBytes(noise.subarray(start, end));
          else ring.append(source, start, end);
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

  it("holds a header's 20 bytes in less than 64", () => {
    const rings = Array.from({ length: 4000 }, () => new RingBuffer());
    for (const ring of rings) {
      ring.hold(source, 0, 20);
      ring.release();
    }
    const before = heldBytes();
    for (const [i, ring] of rings.entries()) ring.hold(source, i, i + 20);
    expect((heldBytes() - before) / rings.length).toBeLessThan(64);
    expect(contents(rings[70]!)).toEqual([...noise.subarray(70, 90)]);
  });

  it("moves an index when bytes are dropped, and copies nothing", () => {
    const ring = new RingBuffer();
    ring.append(source, 0, 1000);
    const storage = ring.source.bytes;
    for (let round = 0; round < 50; round++) {
      ring.drop(900);
      ring.append(source, 0, 900);
    }
    expect(ring.source.bytes).toBe(storage);
    expect(ring.length).toBe(1000);
  });

  it("grows to less than twice the bytes that arrived, or to the usual 2 KiB", () => {
    const ring = new RingBuffer();
    for (let size = 1; size < 100_000; size = Math.ceil(size * 1.3)) {
      ring.append(source, ring.length, size);
      expect(ring.source.bytes.length).toBeLessThan(Math.max(2 * size, 2049));
    }
    expect(contents(ring)).toEqual([...noise.subarray(0, ring.length)]);
  });

  it("holds no storage when it is empty", () => {
    const ring = new RingBuffer();
    expect(ring.source.bytes.length).toBe(0);
    ring.append(source, 0, 5000);
    ring.drop(5000);
    expect(ring.source.bytes.length).toBe(0);
    ring.append(source, 0, 5000);
    ring.release();
    expect([ring.source.bytes.length, ring.length]).toEqual([0, 0]);
  });

  it("gives storage back that a few bytes are left in", () => {
    const ring = new RingBuffer();
    ring.append(source, 0, 65_536);
    ring.drop(65_000);
    ring.shrink();
    expect(ring.source.bytes.length).toBeLessThanOrEqual(2048);
    expect(contents(ring)).toEqual([...noise.subarray(65_000, 65_536)]);
  });

  it("parks a short rest without storage, and brings it back byte for byte", () => {
    for (let count = 0; count <= 32; count++) {
      const ring = new RingBuffer();
      ring.hold(source, 5, 5 + count);
      expect([ring.length, ring.source.bytes.length]).toEqual([count, 0]);
      expect(contents(ring)).toEqual([...noise.subarray(5, 5 + count)]);
    }
  });

  it("copies a stretch out of its wrapped middle", () => {
    const ring = new RingBuffer();
    ring.append(source, 0, 4096);
    ring.drop(4000);
    ring.append(source, 4096, 8000);
    expect(ring.source.bytes.length).toBe(4096);
    expect(ring.source.unwrap((ring.head + 4) & ring.mask, 3000).bytes).toEqual(noise.slice(4004, 7004));
  });

  it("hands storage on to the next ring, and never to two", () => {
    const first = new RingBuffer();
    first.append(source, 0, 5000);
    const storage = first.source.bytes;
    first.release();
    const rings = [new RingBuffer(), new RingBuffer(), new RingBuffer()];
    rings.forEach((ring, i) => {
      ring.append(source, i * 5000, i * 5000 + 5000);
    });
    expect(rings[0]!.source.bytes).toBe(storage);
    expect(new Set(rings.map((ring) => ring.source.bytes)).size).toBe(3);
    rings.forEach((ring, i) => {
      expect(contents(ring)).toEqual([...noise.subarray(i * 5000, i * 5000 + 5000)]);
    });
  });
});
