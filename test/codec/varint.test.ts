import { describe, expect, it } from "vitest";
import { highWord, int32Size, lowWord, uint32Size, uint64Size, writeInt32, writeUint32, writeUint64 } from "../../src/protocol/varint.js";
import { fc } from "../helpers/fast-check.js";
import { varint } from "../helpers/wire-builder.js";

function written(write: (bytes: Uint8Array, position: number) => number): number[] {
  const bytes = new Uint8Array(16).fill(0xee);
  const end = write(bytes, 3);
  expect([bytes[2], bytes[end]]).toEqual([0xee, 0xee]);
  return [...bytes.subarray(3, end)];
}

const edges = (bits: number): bigint[] => Array.from({ length: bits }, (_, i) => [2n ** BigInt(i) - 1n, 2n ** BigInt(i)]).flat();

describe("varints are written minimally, in as many bytes as their size says", () => {
  it.each([...edges(32), 2n ** 32n - 1n].map(Number))("uint32 %i", (value) => {
    const bytes = written((into, at) => writeUint32(into, at, value));
    expect(bytes).toEqual([...varint(value)]);
    expect(uint32Size(value)).toBe(bytes.length);
  });

  it.each([-1, -2, -128, -(2 ** 31), 0, 1, 2 ** 31 - 1])("int32 %i", (value) => {
    const bytes = written((into, at) => writeInt32(into, at, value));
    expect(bytes).toEqual([...varint(value)]);
    expect(int32Size(value)).toBe(bytes.length);
  });

  it("every 64-bit integer, as a bigint or as a number", () => {
    const check = (value: bigint): void => {
      const forms: (bigint | number)[] = [value];
      if (Number.isSafeInteger(Number(value)) && value < 2n ** 53n) forms.push(Number(value));
      for (const form of forms) {
        const low = lowWord(form);
        const high = highWord(form);
        const bytes = written((into, at) => writeUint64(into, at, low, high));
        expect(bytes).toEqual([...varint(value)]);
        expect(uint64Size(low, high)).toBe(bytes.length);
      }
    };
    for (const value of [...edges(64), 2n ** 64n - 1n, -1n, -(2n ** 31n), -(2n ** 32n), -(2n ** 53n) + 1n, -(2n ** 63n)]) check(value);
    fc.assert(fc.property(fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n), check));
    fc.assert(fc.property(fc.maxSafeInteger().map(BigInt), check));
  });
});
