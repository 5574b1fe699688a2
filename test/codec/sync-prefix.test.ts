import { describe, expect, it } from "vitest";
import { PREFIX_LENGTH, prefixFor, SyncPrefix } from "../../src/codec/decoder/sync-prefix.js";
import { Random } from "../helpers/random.js";
import { varint } from "../helpers/wire-builder.js";

const IN_PLACE = -1;
/** The default; the smallest, four equal bytes; the largest; two bytes that occur twice; one twice, apart; one three times. */
const MAGICS = [0x7edd_fcf5, 0x1000_0000, 0x7fff_ffff, 0x2a95_5a55, 0x1000_4001, 0x1000_0001];

/** As `find` is described, one position after the other. */
function findSlowly(prefix: Uint8Array, bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const here = bytes.subarray(at, at + PREFIX_LENGTH);
    if (here.every((byte, i) => byte === prefix[i])) return here.length === PREFIX_LENGTH ? at : ~at;
  }
  return ~bytes.length;
}

describe.each(MAGICS)("the prefix of magic %i", (magic) => {
  const prefix = new SyncPrefix(magic);

  it("is the field's tag, the magic as a varint, and the tag of length", () => {
    expect([...prefix.bytes]).toEqual([0x08, ...varint(magic), 0x10]);
  });

  it("is found where a slow search finds it, in bytes made of its own", () => {
    for (let seed = 0; seed < 400; seed++) {
      const random = new Random(seed);
      const parts: number[] = [];
      while (parts.length < 60) {
        if (random.oneIn(3)) parts.push(...prefix.bytes.subarray(random.from(0, 2), random.from(3, 7)));
        else if (random.oneIn(6)) parts.push(...prefix.bytes);
        else parts.push(random.oneIn(4) ? random.from(0, 255) : random.pick([...prefix.bytes]));
      }
      const bytes = Uint8Array.from(parts);
      for (let from = 0; from <= bytes.length; from += random.from(1, 9)) {
        expect(prefix.find(bytes, IN_PLACE, from, bytes.length), `seed ${seed} from ${from}`).toBe(findSlowly(prefix.bytes, bytes, from));
      }
    }
  });

  it("is found where a slow search finds it, behind a short pattern of its bytes over and over, at every alignment", () => {
    const bytes = new Uint8Array(48);
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const pattern = Array.from({ length: random.from(1, 9) }, () => random.pick([...prefix.bytes, 0x08, 0x55]));
      const at = random.from(0, 44);
      for (let i = 0; i < bytes.length; i++) bytes[i] = prefix.bytes[i - at] ?? pattern[i % pattern.length]!;
      for (let from = 0; from <= 8; from++) {
        expect(prefix.find(bytes, IN_PLACE, from, bytes.length), `seed ${seed} from ${from}`).toBe(findSlowly(prefix.bytes, bytes, from));
      }
    }
  });

  it("is not seen where any one byte of it is another", () => {
    for (let wrong = 0; wrong < PREFIX_LENGTH; wrong++) {
      for (const other of [...prefix.bytes, 0x00, 0x55]) {
        if (other === prefix.bytes[wrong]) continue;
        const near = prefix.bytes.with(wrong, other);
        const bytes = Uint8Array.from([...near, ...near, ...near, 0x55]);
        for (let from = 0; from < PREFIX_LENGTH; from++) {
          expect(prefix.find(bytes, IN_PLACE, from, bytes.length)).toBe(findSlowly(prefix.bytes, bytes, from));
        }
      }
    }
  });

  it("is found around the end of a ring", () => {
    const ring = new Uint8Array(32);
    for (let at = 0; at < 32; at++) {
      ring.fill(0x55);
      for (let i = 0; i < PREFIX_LENGTH; i++) ring[(at + i) & 31] = prefix.bytes[i]!;
      expect(prefix.find(ring, 31, at, at + 32)).toBe(at);
      expect(prefix.find(ring, 31, at - 20 + 32, at + 32 + PREFIX_LENGTH)).toBe(at + 32);
    }
  });
});

describe("prefixFor", () => {
  it("shares the prefix of the magic asked for last, and only that", () => {
    const first = prefixFor(MAGICS[0]!);
    expect(prefixFor(MAGICS[0]!)).toBe(first);
    expect([...prefixFor(MAGICS[1]!).bytes]).not.toEqual([...first.bytes]);
    expect([...prefixFor(MAGICS[0]!).bytes]).toEqual([...first.bytes]);
  });
});
