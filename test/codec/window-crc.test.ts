import { crc32 as zlibCrc32 } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { crcProgram, LONGEST, MULTIPLE, RUN, SPARSE_FROM, SPARSE_MULTIPLE, TABLES } from "../../src/codec/checksum/crc-program.js";
import { fillTables } from "../../src/codec/checksum/crc32.js";
import { multiply } from "../../src/codec/checksum/gf2.js";
import { crcOfFrame, crcOfRun, forgetWindow } from "../../src/codec/checksum/window-crc.js";
import { ByteSource } from "../../src/codec/decoder/byte-source.js";
import { encodeFrame, FrameDecoder, type FrameView } from "../../src/codec/index.js";
import { Random } from "../helpers/random.js";

const noise = new Random(11).bytes(6 * LONGEST);

/** A chunk of its own of all bytes. */
function chunkOf(bytes: Uint8Array): (start: number, end: number, last?: number, crc?: number) => number {
  const source = new ByteSource();
  source.set(bytes);
  return (start, end, last = bytes.length, crc = 0) => crcOfFrame(source, source.data, start, end, last, crc) >>> 0;
}

function refuse(): never {
  throw new Error("refused by a policy");
}

afterEach(forgetWindow);

describe("crcOfFrame", () => {
  it("gives zlib's values for every length to past where it folds, at any alignment", () => {
    const crcOf = chunkOf(noise);
    for (let length = 0; length <= 1700; length++) {
      const start = (length * 7) % 61;
      const crc = Math.imul(length, 0x9e37_79b1);
      expect(crcOf(start, start + length, noise.length, crc), `${length} bytes`).toBe(
        zlibCrc32(noise.subarray(start, start + length), crc >>> 0),
      );
    }
  });

  it("gives zlib's values for random stretches, in windows of any length and without one", () => {
    const crcOf = chunkOf(noise);
    const random = new Random(5);
    for (let i = 0; i < 400; i++) {
      const length = random.oneIn(10) ? LONGEST + random.from(-1, 1) : random.from(0, random.pick([300, LONGEST]));
      const start = random.from(0, noise.length - length);
      const last = random.oneIn(2) ? noise.length : start + length;
      if (random.oneIn(5)) forgetWindow();
      expect(crcOf(start, start + length, last)).toBe(zlibCrc32(noise.subarray(start, start + length)));
    }
  });

  it("tells the bytes of one chunk from those of another, at the same positions", () => {
    const other = Uint8Array.from(noise, (byte) => byte ^ 1);
    const [crcOf, crcOfOther] = [chunkOf(noise), chunkOf(other)];
    for (const start of [0, 100, 5000]) {
      expect(crcOf(start, start + 900)).toBe(zlibCrc32(noise.subarray(start, start + 900)));
      expect(crcOfOther(start, start + 900)).toBe(zlibCrc32(other.subarray(start, start + 900)));
    }
  });

  it("gives the same where WebAssembly is refused", async () => {
    vi.resetModules();
    vi.stubGlobal("WebAssembly", { Module: vi.fn(refuse), Instance: vi.fn(refuse) });
    const { crcOfFrame: crcWithout, crcOfRun: crcOfRunWithout } = await import("../../src/codec/checksum/window-crc.js");
    const source = new ByteSource();
    source.set(noise);
    for (const end of [0, 100, 600, LONGEST, LONGEST + 1]) {
      expect(crcWithout(source, source.data, 0, end, noise.length, 0) >>> 0).toBe(zlibCrc32(noise.subarray(0, end)));
      expect(crcOfRunWithout(noise, 0, end, 0) >>> 0).toBe(zlibCrc32(noise.subarray(0, end)));
    }
    expect(WebAssembly.Module).toHaveBeenCalledTimes(1);
    vi.unstubAllGlobals();
  });

  it.each([{ multiple: MULTIPLE }, { multiple: SPARSE_MULTIPLE }])(
    "folds by a multiple of the CRC's polynomial: $multiple",
    ({ multiple }) => {
      const x32 = Array.from({ length: 32 }).reduce<number>((power) => multiply(power, 0x4000_0000), 1 << 31);
      let sum = 0;
      for (const exponent of multiple) sum ^= Array.from({ length: exponent }).reduce<number>((power) => multiply(power, x32), 1 << 31);
      expect(sum).toBe(0);
    },
  );
});

describe("crcOfRun", () => {
  it.each([
    0,
    1,
    447,
    511,
    512,
    513,
    2000,
    SPARSE_FROM - 1,
    SPARSE_FROM,
    SPARSE_FROM + 1,
    16_400,
    LONGEST - 1,
    LONGEST,
    LONGEST + 1,
    LONGEST + 511,
    LONGEST + 512,
    5 * LONGEST + 100,
  ])("gives zlib's value for %i bytes, at any alignment, going on from any", (length) => {
    for (let start = 0; start < 5; start++) {
      const crc = Math.imul(length + start, 0x9e37_79b1);
      expect(crcOfRun(noise, start, start + length, crc) >>> 0).toBe(zlibCrc32(noise.subarray(start, start + length), crc >>> 0));
    }
  });

  it("leaves the window of a decoder as it is", () => {
    const crcOf = chunkOf(noise);
    expect(crcOf(0, 900)).toBe(zlibCrc32(noise.subarray(0, 900)));
    crcOfRun(noise, 40_000, 80_000, 0);
    expect(crcOf(900, 2000)).toBe(zlibCrc32(noise.subarray(900, 2000)));
  });
});

it("a program folds every length of a run, from the first that the sparse fold can do", () => {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(crcProgram()));
  const { memory, longest } = exports as { memory: WebAssembly.Memory; longest: (from: number, to: number, crc: number) => number };
  fillTables(memory.buffer as ArrayBuffer, TABLES);
  const bytes = new Uint8Array(memory.buffer);
  const wrong: number[] = [];
  for (let length = 1216; length < LONGEST; length += length < 4000 ? 1 : 61) {
    const run = noise.subarray(length, 2 * length);
    bytes.set(run, RUN);
    if (longest(RUN, RUN + length, length) >>> 0 !== zlibCrc32(run, length)) wrong.push(length);
  }
  expect(wrong).toEqual([]);
});

describe("a decoder of large chunks", () => {
  const payload = noise.subarray(0, 700);
  const stream = Buffer.concat(
    Array.from({ length: 200 }, (_, i) => encodeFrame({ version: 2, cmd: i, payload: payload.subarray(0, (i * 37) % 700) })),
  );

  it("delivers what it does when its handler decodes other chunks meanwhile", () => {
    const other = Buffer.from(stream);
    const seen: number[] = [];
    let inner = 0;
    const decoder = new FrameDecoder({ minVersion: 2 });
    decoder.push(stream, (frame) => {
      seen.push(frame.cmd);
      if (frame.cmd % 20 !== 0) return;
      new FrameDecoder({ minVersion: 2 }).push(other, () => inner++);
    });
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(inner).toBe(2000);
  });

  it("finds any bit that was changed in a chunk used before", () => {
    const random = new Random(3);
    const chunk = Buffer.from(stream);
    for (let round = 0; round < 100; round++) {
      const bit = random.from(0, chunk.length * 8 - 1);
      chunk[bit >> 3]! ^= 1 << (bit & 7);
      let frames = 0;
      const decoder = new FrameDecoder({ minVersion: 2 });
      decoder.push(chunk, () => frames++);
      decoder.end(() => frames++);
      expect(frames).toBe(199);
      chunk[bit >> 3]! ^= 1 << (bit & 7);
    }
  });

  it("delivers and discards what it does in small chunks, which are checked in JavaScript, whatever the damage", () => {
    /** Frames and discards, as text. */
    const outcome = (bytes: Uint8Array, size: number): string[] => {
      const seen: string[] = [];
      const decoder = new FrameDecoder({ minVersion: 2, onDiscard: ({ start, end, reason }) => seen.push(`${start}-${end} ${reason}`) });
      const onFrame = (frame: FrameView) => seen.push(`${frame.start}-${frame.end} ${frame.cmd}`);
      for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size), onFrame);
      decoder.end(onFrame);
      return seen;
    };
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random(seed);
      const bytes = Uint8Array.from(stream.subarray(0, 30_000));
      for (let damage = random.from(1, 20); damage > 0; damage--) {
        const at = random.from(0, bytes.length - 1);
        if (random.oneIn(3)) bytes.copyWithin(at, random.from(0, bytes.length - 1), bytes.length - random.from(0, 500));
        else bytes[at] = random.from(0, 255);
      }
      const whole = outcome(bytes, bytes.length);
      expect(whole.length).toBeGreaterThan(2);
      expect(whole, `seed ${seed}`).toEqual(outcome(bytes, 1000));
    }
  });
});
