/**
 * Hostile streams cost in proportion to their bytes. The limits here are far above what a linear decoder needs on a slow,
 * busy machine and far below what a quadratic one takes; the figures themselves are the benchmark's.
 */
import { describe, expect, it } from "vitest";
import { FrameDecoder } from "../../src/codec/index.js";
import { chunksOf } from "../helpers/decoder-run.js";
import { prefixOf } from "../helpers/oracle.js";
import { cat, fill, MAGIC, v2, varint } from "../helpers/wire-builder.js";

const MIB = 2 ** 20;
const PREFIX = prefixOf(MAGIC);
const header = (length: number): Uint8Array => cat(PREFIX, varint(length), "18 02 20 01 2A", varint(length));

/** Headers back to back, each preceded by `between`, that all claim payloads up to one common end, `bytes` from the first. */
function nested(bytes: number, between: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let behind = 0; behind < bytes; behind += parts.at(-1)!.length) parts.push(cat(between, header(behind)));
  return parts.reverse();
}

/** Milliseconds to decode `stream` in chunks of `size`, and the frames in it. */
function drain(stream: Uint8Array, size: number): { ms: number; frames: number } {
  const decoder = new FrameDecoder({ minVersion: 2, maxPayload: 8 * MIB, onDiscard: () => {} });
  let frames = 0;
  const chunks = chunksOf(stream, size);
  const began = performance.now();
  for (const chunk of chunks) decoder.push(chunk, () => frames++);
  decoder.end(() => frames++);
  expect(decoder.stats.buffered).toBe(0);
  return { ms: performance.now() - began, frames };
}

const nothing = new Uint8Array(0);
const good = v2(7, "01");
const wrong = cat("7D 00 00 00 00");
const claims = nested(MIB, nothing);
const turns = nested(MIB, good);

describe.each([65_536, 1460, 2 ** 30])("in chunks of %i bytes, 1 MiB costs no more than its bytes", (size) => {
  it.each([
    // 13 s when each candidate gets a pass of its own.
    ["headers that all claim one end with a wrong checksum", cat(...claims, wrong), 0],
    ["the same, never finished", cat(...claims), 0],
    ["the same with a long common trailer", cat(...claims, "6A E8 07", fill(1000, 0x61), wrong), 0],
    ["tiny good frames and huge bad ones in turn", cat(...turns, wrong), turns.length],
    ["prefixes over and over", cat(...Array<Uint8Array>(Math.floor(MIB / 7)).fill(PREFIX)), 0],
    ["08 over and over", fill(MIB, 0x08), 0],
    ["the fifth magic byte over and over", fill(MIB, 0x07), 0],
  ])("%s", (_, stream, expected) => {
    const { ms, frames } = drain(stream, size);
    expect(frames).toBe(expected);
    expect(ms).toBeLessThan(4000);
  });
});
