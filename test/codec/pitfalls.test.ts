/** What went wrong in other projects, by name: one regression test for each, in the part where it would happen here. */
import { describe, expect, it } from "vitest";
import { encodeFrame, type Frame, FrameDecoder, type FrameView } from "../../src/codec/index.js";
import { chunksOf, runDecoder } from "../helpers/decoder-run.js";
import { heldBytes } from "../helpers/memory.js";
import { prefixOf } from "../helpers/oracle.js";
import { cat, fill, hex, MAGIC, open, seal, v1, v2, varint } from "../helpers/wire-builder.js";

const PREFIX = prefixOf(MAGIC);
const none = (): void => {};

/** `frame` with its last bit wrong. */
function damaged(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[copy.length - 1]! ^= 0x80;
  return copy;
}

function cmdsOf(chunks: readonly Uint8Array[], options = {}): number[] {
  return runDecoder(chunks, options).frames.map(({ cmd }) => cmd);
}

/** A version 2 frame whose checksum ends in `last`, found by trying payloads. */
function endingIn(last: number, cmd: number): Uint8Array {
  for (let i = 0; ; i++) {
    const frame = v2(cmd, varint(i));
    if (frame.at(-1) === last) return frame;
  }
}

describe("decoding and resync", () => {
  it("a bad checksum does not skip the claimed length: the good frames inside are delivered (node-mavlink#3)", () => {
    const good = Array.from({ length: 99 }, (_, i) => v2(i + 1, fill(i, i)));
    const flipped = v2(1000, cat(...good));
    flipped[9]! ^= 1;
    expect(cmdsOf([flipped])).toEqual(good.map((_, i) => i + 1));
  });

  it("a length damaged to a larger one takes no frame behind it along (node-mavlink#3)", () => {
    const first = v2(1, fill(20, 0));
    first[7] = 90;
    first[13] = 90;
    const good = Array.from({ length: 20 }, (_, i) => v2(i + 2, "01 02 03"));
    expect(cmdsOf([cat(first, ...good)])).toEqual(good.map((_, i) => i + 2));
  });

  it("a checksum that ends in the sync byte is not taken for the next frame's start (mavlink/c_library_v2#9)", () => {
    const good = endingIn(0x08, 1);
    const bad = good.slice();
    bad[10]! ^= 1;
    for (const size of [1, 2, 3, 1000]) {
      expect(cmdsOf(chunksOf(cat(good, good, bad, v2(2), bad, bad, v2(3)), size))).toEqual([1, 1, 2, 3]);
    }
  });

  it("a damaged frame whose checksum is the start of the sync word gives way to the frame behind it (mavlink/c_library_v2#9)", () => {
    for (let length = 1; length <= 4; length++) {
      const bad = cat(open({ ver: 2, payload: "01" }), "7D", fill(4 - length, 0x55), PREFIX.subarray(0, length));
      expect(cmdsOf([cat(bad, v2(2))])).toEqual([2]);
    }
  });

  it("every frame of a chunk is delivered, not just the first (Spinoco/fs2-http#10)", () => {
    const frames = Array.from({ length: 500 }, (_, i) => (i % 3 === 0 ? v2(i, fill(i % 40, i)) : v1(i, fill(i % 40, i))));
    expect(cmdsOf([cat(...frames)])).toEqual(frames.map((_, i) => i));
  });

  it("good frames that share a chunk with an oversize one are delivered (connect-es 2.2.0)", () => {
    const stream = cat(v1(1), v1(2, fill(11, 2)), v1(3), v2(4, fill(11, 4)), v2(5));
    for (const size of [1, 5, 1000]) expect(cmdsOf(chunksOf(stream, size), { maxPayload: 10 })).toEqual([1, 3, 5]);
    const seen: number[] = [];
    const closing = new FrameDecoder({ maxPayload: 10, recovery: "close" });
    expect(() => closing.push(stream, (frame) => seen.push(frame.cmd))).toThrow("oversize");
    expect(seen).toEqual([1]);
  });

  it("a frame in one-byte chunks takes time in proportion to its length (connect-es 2.1.2: 27 s, ws 8.21: 2.5 s)", () => {
    const stream = v2(1, fill(40_000, 7));
    const decoder = new FrameDecoder();
    let frames = 0;
    // Processor time: on a busy machine this process waits for much longer than it works.
    const began = process.cpuUsage();
    for (let i = 0; i < stream.length; i++) decoder.push(stream.subarray(i, i + 1), () => frames++);
    expect(frames).toBe(1);
    // 3 ms when nothing else runs; a quadratic decoder takes seconds.
    const { user, system } = process.cpuUsage(began);
    expect((user + system) / 1000).toBeLessThan(1000);
  });

  it.each([
    ["2^32 + 2", "82 80 80 80 10"],
    ["2^31", "80 80 80 80 08"],
    ["2^35 + 2", "82 80 80 80 80 01"],
    ["2^64 - 1", "FF FF FF FF FF FF FF FF FF 01"],
    ["-1", "FF FF FF FF 0F"],
    ["-2 in ten bytes", "FE FF FF FF FF FF FF FF FF 01"],
    ["2 in two bytes", "82 00"],
    ["2 in ten bytes", "82 80 80 80 80 80 80 80 80 00"],
  ])("a length of %s is not read as a small one (protobuf-es 2.17 size-delimited, netty#1798)", (_, len) => {
    for (const n of ["02", len]) {
      const run = runDecoder([cat(v1(1, "AA BB", { len, n }), v1(2))], { maxPayload: 2 ** 31 - 1 });
      expect(run.frames.map(({ cmd }) => cmd)).toEqual([2]);
      expect(run.discards[0]!.reason).toBe("varint");
    }
  });

  it.each(["82 80 80 80 10", "82 80 80 80 80 80 80 80 80 02", "FE FF FF FF FF FF FF FF FF 01"])(
    "a trailer field's length of %s does not wrap around to a small or negative skip (netty#1798)",
    (length) => {
      const frame = seal(open({ ver: 2, trailer: cat("6A", length, "AA BB") }));
      expect(cmdsOf([cat(frame, v2(2))], { maxTrailer: 2 ** 31 - 1 })).toEqual([2]);
    },
  );

  it("a copied payload is not a view of the receive buffer, which it would pin and which may be reused (protobuf-ts#712, goscript#154)", () => {
    const copies: Frame[] = [];
    const chunk = Buffer.concat([v1(1, "01 02 03"), v2(2, "04"), fill(60_000, 0)]);
    new FrameDecoder().push(chunk, (frame) => copies.push(frame.copy()));
    chunk.fill(0xee);
    expect(copies.map(({ payload }) => [...payload!])).toEqual([[1, 2, 3], [4]]);
    expect(copies.map(({ payload }) => payload!.buffer.byteLength)).toEqual([3, 1]);
  });

  it("bytes kept for later are the decoder's own: the caller may reuse its chunk (s4wave/goscript#154)", () => {
    const stream = cat(v2(1, fill(100, 1)), v2(2, fill(100, 2)));
    const chunk = new Uint8Array(33);
    const seen: string[] = [];
    const decoder = new FrameDecoder({ minVersion: 2 });
    for (let at = 0; at < stream.length; at += chunk.length) {
      const part = stream.subarray(at, at + chunk.length);
      chunk.set(part);
      decoder.push(chunk.subarray(0, part.length), (frame) => seen.push(`${frame.cmd}: ${new Set(frame.payload).size}`));
      chunk.fill(0xee);
    }
    expect(seen).toEqual(["1: 1", "2: 1"]);
  });

  it("a garbage byte in front of a frame blocks nothing (serialport packet-length parser)", () => {
    for (let byte = 0; byte < 256; byte++) {
      const stream = cat(Uint8Array.of(byte), v1(1), Uint8Array.of(byte), v2(2));
      expect(cmdsOf([stream])).toEqual([1, 2]);
      expect(cmdsOf(chunksOf(stream, 1))).toEqual([1, 2]);
    }
  });

  it("no number of failed candidates ends recovery (SparkFun RTK firmware#757)", () => {
    const stream = cat(...Array<Uint8Array>(5000).fill(damaged(v2(1, "01"))), v2(2));
    const run = runDecoder([stream], { minVersion: 2 });
    expect(run.frames.map(({ cmd }) => cmd)).toEqual([2]);
    expect(run.discards.length).toBe(5000);
  });
});

describe("length and allocation attacks", () => {
  const claim = (length: number): Uint8Array => cat(PREFIX, varint(length), "18 02 20 01 2A", varint(length));

  it("a claimed length is not allocated (commonwarexyz/monorepo#1955, connect-es: 256 MiB for five bytes)", () => {
    const decoder = new FrameDecoder({ maxPayload: 2 ** 31 - 1 });
    const before = heldBytes();
    decoder.push(claim(2 ** 31 - 1), none);
    decoder.push(fill(3000, 0), none);
    expect(heldBytes() - before).toBeLessThan(2 ** 20);
    expect(decoder.stats.buffered).toBeGreaterThan(3000);
  });

  it("10,000 decoders with a header each that claims 1 MiB hold little more than the bytes that came", () => {
    const header = cat(claim(2 ** 20), "00 00").subarray(0, 20);
    const decoders = Array.from({ length: 10_000 }, () => new FrameDecoder());
    for (let i = 0; i < 1000; i++) new FrameDecoder().push(header, none); // Code that is compiled later would be counted.
    const before = heldBytes();
    for (const decoder of decoders) decoder.push(header, none);
    const grown = heldBytes() - before;
    expect(decoders.every(({ stats }) => stats.buffered === header.length)).toBe(true);
    expect(grown).toBeLessThan(2 ** 20 + decoders.length * header.length);
  });

  it("10,000 such headers in one decoder take less than 1 MiB, spares for later ones included", () => {
    const header = cat(claim(2 ** 20), "00 00").subarray(0, 20);
    const decoder = new FrameDecoder();
    const before = heldBytes();
    for (let i = 0; i < 10_000; i++) decoder.push(header, none);
    expect(heldBytes() - before).toBeLessThan(2 ** 20);
    expect(decoder.stats.buffered).toBe(10_000 * header.length);
  });

  it("one-byte fragments pin no more than their bytes (ws#2331: 0.87 MB on the wire held 13.5 MB)", () => {
    const decoder = new FrameDecoder();
    decoder.push(claim(2 ** 20), none);
    const before = heldBytes();
    const byte = Uint8Array.of(0);
    for (let i = 0; i < 870_000; i++) decoder.push(byte, none);
    expect(heldBytes() - before).toBeLessThan(2 * 870_000);
  });

  it("a decoder that has no unfinished frame holds nothing, whatever it has seen", () => {
    const decoders = Array.from({ length: 200 }, () => new FrameDecoder({ minVersion: 2 }));
    for (const decoder of decoders) decoder.push(new Uint8Array(1), none);
    const before = heldBytes();
    for (const decoder of decoders) {
      const large = v2(1, fill(20_000, 3));
      for (const chunk of chunksOf(cat(damaged(large), large, "AA BB"), 9001)) decoder.push(chunk.slice(), none);
      expect(decoder.stats.buffered).toBe(0);
    }
    // Compiled code is counted too; one kept buffer each would be 4 MB.
    expect(heldBytes() - before).toBeLessThan(2 ** 20);
  });

  it.each([
    ["LEN", cat(PREFIX, fill(5000, 0x80))],
    ["VER", cat(PREFIX, "00 18", fill(5000, 0x80))],
    ["CMD", cat(PREFIX, "00 20", fill(5000, 0x80))],
    ["N", cat(PREFIX, "01 20 01 2A", fill(5000, 0x80))],
    ["a trailer field", cat(PREFIX, "00 18 02 20 01 38", fill(5000, 0x80))],
  ])("an endless varint as %s ends at the first byte it cannot have (jxoesneon/IPFS#79)", (_, endless) => {
    const decoder = new FrameDecoder({ maxTrailer: 2 ** 31 - 1 });
    for (const chunk of chunksOf(endless, 1)) {
      decoder.push(chunk, none);
      expect(decoder.stats.buffered).toBeLessThanOrEqual(25);
    }
    const seen: number[] = [];
    decoder.push(v1(2), (frame) => seen.push(frame.cmd));
    expect(seen).toEqual([2]);
  });

  it("frames nested a thousand deep in damaged ones take no stack (protobuf.js#2121, ts-proto#1269)", () => {
    let nested: Uint8Array = v2(7);
    for (let depth = 0; depth < 1000; depth++) nested = damaged(encodeFrame({ version: 2, cmd: 1, payload: nested }));
    expect(cmdsOf([nested], { minVersion: 2 })).toEqual([7]);
    expect(cmdsOf(chunksOf(nested, 100), { minVersion: 2 })).toEqual([7]);
  });

  it("an integer above 2^53 keeps its digits (protobuf.js#1671)", () => {
    const seen: unknown[] = [];
    const sequence = 2n ** 63n + 1n;
    new FrameDecoder().push(encodeFrame({ version: 2, cmd: 1, sequence, timestamp: -(2n ** 53n) - 1n }), (frame: FrameView) =>
      seen.push(frame.sequence, frame.timestamp),
    );
    expect(seen).toEqual([sequence, -(2n ** 53n) - 1n]);
  });
});

it("hex in these tests is what it looks like", () => {
  expect(cat(PREFIX)).toEqual(hex("08 F5 F9 F7 F6 07 10"));
});
