import { crc32 as zlibCrc32 } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { crc32, crcOfBytes, crcOfSeed, crcUpdate, provideLongCrc } from "../../src/codec/checksum/crc32.js";
import { crcOfLong, crcOfSource, crcOfView, nativeCrcOf } from "../../src/codec/checksum/crc32-long.js";
import { ByteSource } from "../../src/codec/decoder/byte-source.js";
import { Random } from "../helpers/random.js";

provideLongCrc(crcOfLong);

const random = new Random(32);
const noise = random.bytes(70_000);
const data = new DataView(noise.buffer);
const source = new ByteSource();
source.set(noise);
/** Around every step of the loops and every switch from one way to another. */
const LENGTHS = [...Array.from({ length: 80 }, (_, n) => n), 127, 128, 255, 447, 448, 449, 639, 640, 641, 1000, 1024, 65_537];

describe("crc32", () => {
  it("gives the check value of the standard", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf4_3926);
  });

  it("gives 0 for no bytes, whatever buffer they are none of", () => {
    expect(crc32(new Uint8Array(0))).toBe(0);
    expect(crc32(noise, 7, 7)).toBe(0);
  });

  it.each(LENGTHS)("gives what zlib gives for %i bytes, at every alignment", (length) => {
    for (let start = 0; start < 8; start++) {
      const end = start + length;
      const expected = zlibCrc32(noise.subarray(start, end));
      expect(crc32(noise, start, end), "crc32").toBe(expected);
      expect(crcUpdate(noise, start, end, 0) >>> 0, "crcUpdate").toBe(expected);
      expect(crcOfBytes(noise, start, end, 0) >>> 0, "by bytes").toBe(expected);
      expect(crcOfLong(noise, start, end, 0) >>> 0, "long").toBe(expected);
      expect(crcOfView(data, start, end, 0) >>> 0, "by words").toBe(expected);
      expect(crcOfSource(source, start, end, 0) >>> 0, "of a source").toBe(expected);
    }
  });

  it("goes on from any point", () => {
    const whole = zlibCrc32(noise.subarray(0, 2000));
    for (let cut = 0; cut <= 2000; cut += 37) {
      expect(crc32(noise, cut, 2000, crc32(noise, 0, cut))).toBe(whole);
      expect(crcOfView(data, cut, 2000, crcOfBytes(noise, 0, cut, 0)) >>> 0).toBe(whole);
    }
  });

  it("counts from the view's own start in a larger buffer", () => {
    const part = noise.subarray(100, 3000);
    expect(crc32(part, 10, 2000)).toBe(zlibCrc32(noise.subarray(110, 2100)));
    expect(crc32(Buffer.from(part.buffer, part.byteOffset, part.length), 1, 90)).toBe(zlibCrc32(noise.subarray(101, 190)));
  });

  it.each([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1234_5678])("of the seed %i is that of its four little-endian bytes", (seed) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(seed);
    expect(crcOfSeed(seed) >>> 0).toBe(zlibCrc32(bytes));
  });

  it("of no seed is 0", () => {
    expect(crcOfSeed(undefined)).toBe(0);
  });
});

describe("where the process has no zlib.crc32", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it.each([
    ["a browser: no process", {}],
    ["a bundler's process: no getBuiltinModule", { process: { env: {} } }],
    ["a process without zlib", { process: { getBuiltinModule: () => undefined } }],
    ["a zlib without crc32", { process: { getBuiltinModule: () => ({}) } }],
  ])("%s: nothing is taken for it", (_, host) => {
    expect(nativeCrcOf(host)).toBeUndefined();
  });

  it("the codec decodes what it encodes, large payloads included", async () => {
    const real = process;
    vi.stubGlobal("process", new Proxy(real, { get: (_, key) => (key === "getBuiltinModule" ? undefined : Reflect.get(real, key)) }));
    vi.resetModules();
    const { crc32: byTables, encodeFrame, FrameDecoder } = await import("../../src/codec/index.js");
    vi.unstubAllGlobals();
    for (const length of [0, 9, 100, 700, 5000]) expect(byTables(noise, 0, length)).toBe(zlibCrc32(noise.subarray(0, length)));
    const payload = noise.slice(0, 50_000);
    const bytes = encodeFrame({ version: 2, cmd: 5, payload });
    const payloads: Uint8Array[] = [];
    const decoder = new FrameDecoder({ minVersion: 2 });
    for (const chunk of [bytes, bytes.subarray(0, 30_000), bytes.subarray(30_000)]) {
      decoder.push(chunk, (frame) => payloads.push(frame.payload.slice()));
    }
    expect(payloads).toEqual([payload, payload]);
  });
});
