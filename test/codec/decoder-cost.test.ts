/**
 * Hostile streams cost in proportion to their bytes: counted in steps of the decoder, and in bytes that go into a checksum. A
 * linear decoder needs a few of each for a byte, a quadratic one hundreds.
 */
// Before what it counts.
import "../helpers/block-counts.js";

import { describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../../src/codec/index.js";
import { blockCounts } from "../helpers/block-counts.js";
import { chunksOf } from "../helpers/decoder-run.js";
import { prefixOf } from "../helpers/oracle.js";
import { cat, fill, MAGIC, v2, varint } from "../helpers/wire-builder.js";

/** Bytes that went into checksums: all of the decoder's go through these two functions. */
const checked = vi.hoisted(() => ({ bytes: 0 }));

vi.mock(import("../../src/codec/checksum/crc32.js"), async (importOriginal) => {
  const original = await importOriginal();
  const crcUpdate: typeof original.crcUpdate = (bytes, start, end, crc) => {
    checked.bytes += end - start;
    return original.crcUpdate(bytes, start, end, crc);
  };
  return { ...original, crcUpdate };
});

vi.mock(import("../../src/codec/checksum/window-crc.js"), async (importOriginal) => {
  const original = await importOriginal();
  const crcOfFrame: typeof original.crcOfFrame = (chunk, data, start, end, last, crc) => {
    checked.bytes += end - start;
    return original.crcOfFrame(chunk, data, start, end, last, crc);
  };
  return { ...original, crcOfFrame };
});

const LENGTH = 128 * 1024;
const PREFIX = prefixOf(MAGIC);
const header = (length: number): Uint8Array => cat(PREFIX, varint(length), "18 02 20 01 2A", varint(length));

/** Headers back to back, each preceded by `between`, that all claim payloads up to one common end, `bytes` from the first. */
function nested(bytes: number, between: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let behind = 0; behind < bytes; behind += parts.at(-1)!.length) parts.push(cat(between, header(behind)));
  return parts.reverse();
}

/** The steps to decode `stream` in chunks of `size`, the bytes that were checked, and the frames in it. */
function drain(stream: Uint8Array, size: number): { steps: number; bytes: number; frames: number } {
  const decoder = new FrameDecoder({ minVersion: 2, maxPayload: 8 * LENGTH, onDiscard: () => {} });
  let frames = 0;
  const chunks = chunksOf(stream, size);
  checked.bytes = 0;
  const [steps] = blockCounts([
    () => {
      for (const chunk of chunks) decoder.push(chunk, () => frames++);
      decoder.end(() => frames++);
    },
  ]);
  expect(decoder.stats.buffered).toBe(0);
  return { steps: steps!, bytes: checked.bytes, frames };
}

const nothing = new Uint8Array(0);
const good = v2(7, "01");
const wrong = cat("7D 00 00 00 00");
const claims = nested(LENGTH, nothing);
const turns = nested(LENGTH, good);
/** Claims as short as the fast loop takes them, which is entered after each of the good frames. */
const short = nested(16_000, good);

describe.each([65_536, 1460, 2 ** 30])("in chunks of %i bytes, a stream costs no more than its bytes", (size) => {
  it.each([
    ["headers that all claim one end with a wrong checksum", cat(...claims, wrong), 0],
    ["the same, never finished", cat(...claims), 0],
    ["the same with a long common trailer", cat(...claims, "6A E8 07", fill(1000, 0x61), wrong), 0],
    ["tiny good frames and huge bad ones in turn", cat(...turns, wrong), turns.length],
    ["tiny good frames and bad ones of 16 KiB in turn", cat(...Array(8).fill(cat(...short, wrong))), 8 * short.length],
    ["prefixes over and over", cat(...Array<Uint8Array>(Math.floor(LENGTH / 7)).fill(PREFIX)), 0],
    ["08 over and over", fill(LENGTH, 0x08), 0],
    ["the fifth magic byte over and over", fill(LENGTH, 0x07), 0],
  ])("%s", (_, stream, expected) => {
    const { steps, bytes, frames } = drain(stream, size);
    expect(frames).toBe(expected);
    expect(bytes).toBeLessThan(8 * stream.length);
    expect(steps).toBeLessThan(25 * stream.length);
  });
});

it("what is counted is there: a good frame of 10,000 bytes is checked once", () => {
  const { steps, bytes } = drain(v2(7, fill(10_000, 1)), 2 ** 30);
  expect(bytes).toBeGreaterThanOrEqual(10_000);
  expect(bytes).toBeLessThan(10_100);
  expect(steps).toBeGreaterThan(0);
});
