import { describe, expect, it } from "vitest";
import { crcOfBytes } from "../../src/codec/checksum/crc32.js";
import { crcOfRange, PrefixCrc } from "../../src/codec/checksum/prefix-crc.js";
import { Random } from "../helpers/random.js";

const IN_PLACE = -1;
const noise = new Random(8).bytes(20_000);

describe("PrefixCrc", () => {
  it("gives what a pass over the bytes gives, for any stretches with ascending starts", () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random(seed);
      const checks = new PrefixCrc();
      for (let start = random.from(0, 300); start < noise.length; start += random.pick([0, 1, 12, 63, 64, 65, 700, 4000])) {
        const end = Math.min(noise.length, start + random.pick([0, 1, 20, 63, 64, 65, 128, 1000, 9000]));
        const crc = random.uint32() | 0;
        expect(checks.update(noise, IN_PLACE, 0, start, end, crc), `seed ${seed}: ${start} to ${end}`).toBe(
          crcOfBytes(noise, start, end, crc),
        );
      }
    }
  });

  it("counts in stream offsets, wherever the bytes are at the time", () => {
    const base = 2 ** 40 + 5;
    const checks = new PrefixCrc();
    expect(checks.update(noise, IN_PLACE, base, base + 10, base + 9000, 7)).toBe(crcOfBytes(noise, 10, 9000, 7));
    // The first 500 bytes are gone: the rest moved to the front of another buffer.
    const moved = noise.slice(500);
    expect(checks.update(moved, IN_PLACE, base + 500, base + 600, base + 9500, 7)).toBe(crcOfBytes(noise, 600, 9500, 7));
  });

  it("reads a ring around its end", () => {
    const ring = new Uint8Array(1024);
    for (let i = 0; i < 900; i++) ring[(700 + i) & 1023] = noise[i]!;
    const checks = new PrefixCrc();
    for (const start of [0, 5, 100, 400, 640]) {
      expect(checks.update(ring, 1023, 0, 700 + start, 1600, -1)).toBe(crcOfBytes(noise, start, 900, -1));
    }
  });

  it("looks only at bytes from the start on", () => {
    const checks = new PrefixCrc();
    const bytes = noise.slice();
    checks.update(bytes, IN_PLACE, 0, 3, 19_000, 0);
    bytes.fill(0xee, 0, 5000);
    expect(checks.update(bytes, IN_PLACE, 0, 5000, 18_000, 9)).toBe(crcOfBytes(noise, 5000, 18_000, 9));
  });
});

describe("crcOfRange", () => {
  it("joins the two parts of a stretch that wraps", () => {
    const ring = new Uint8Array(64);
    for (let i = 0; i < 64; i++) ring[(40 + i) & 63] = noise[i]!;
    for (const [start, end] of [
      [40, 40],
      [40, 64],
      [40, 65],
      [50, 100],
      [64, 104],
      [40 + 64, 40 + 64 + 30],
    ] as const) {
      const from = start >= 104 ? start - 104 : start - 40;
      expect(crcOfRange(ring, 63, start, end, 3)).toBe(crcOfBytes(noise, from, from + end - start, 3));
    }
  });
});
