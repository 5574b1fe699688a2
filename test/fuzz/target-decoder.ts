/**
 * The decoder against the oracle. Input: four bytes that choose options, chunks and what goes before, then the stream. A v2 frame found at
 * random would need a right checksum, so `repair` computes some.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { chunksAt, chunksOf, type DecoderRun, outcomeOfRun, runDecoder } from "../helpers/decoder-run.js";
import { type OracleOptions, oracle } from "../helpers/oracle.js";
import { outcomeOf } from "../helpers/outcome.js";
import { Random, randomCuts } from "../helpers/random.js";
import { damagedStream, wildStream } from "../helpers/stream-generator.js";
import { cat, fill, hex, open, seal, v1, v2, varint } from "../helpers/wire-builder.js";
import type { Target } from "./target.js";

const MAX_PAYLOAD = [0, 7, 64, 300, 65536, 1048576, 2 ** 31 - 1, 100];
const MAX_TRAILER = [5, 7, 16, 64, 1024, 2 ** 31 - 1, 10, 1023];
const SEED = 7;
const PREFIX = open({}).subarray(0, 7);
const HEAD = 4;

function optionsOf(input: Uint8Array): OracleOptions {
  const [limits = 0, modes = 0] = input;
  return {
    maxPayload: MAX_PAYLOAD[limits & 7]!,
    maxTrailer: MAX_TRAILER[(limits >> 3) & 7]!,
    minVersion: ((modes & 3) % 3) + 1,
    ...((modes & 4) === 0 ? {} : { checksumSeed: SEED }),
    ...((modes & 8) === 0 ? {} : { recovery: "close" }),
  };
}

/**
 * A claim that fails some way into the stream behind it, after many bytes: a buffer that turns has then turned almost once, whatever
 * its size is.
 */
const LEADS = [1900, 3900].map((filler) =>
  cat(open({ ver: 2, len: varint(filler + 80), n: varint(filler + 80), payload: fill(filler, 0x41) })),
);

/** The stream of an input; some get a lead. */
function streamOf(input: Uint8Array): Uint8Array {
  const stream = input.subarray(Math.min(HEAD, input.length));
  const modes = (input[1] ?? 0) >> 4;
  return modes === 15 ? cat(LEADS[0]!, stream) : modes === 14 ? cat(LEADS[1]!, stream) : stream;
}

/** The head that stands for these options as nearly as it can, in front of `stream`. */
function inputFor(stream: Uint8Array, modes: number): Uint8Array {
  return cat(Uint8Array.of(5 | (4 << 3), modes, stream.length & 0xff, 40), stream);
}

/** As deepStrictEqual, whose comparison is slow and whose message is good. */
function same(actual: object, expected: object, message: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) deepStrictEqual(actual, expected, message);
}

/** Frames, discards and the two bytes swallowed behind empty version 1 frames lie end to end. */
function checkTiling(run: DecoderRun, bytes: Uint8Array): void {
  const parts = [
    ...run.frames.map((frame) => ({ ...frame, frame: true })),
    ...run.discards.map((discard) => ({ ...discard, frame: false, version: 0, payload: "" })),
  ];
  parts.sort((a, b) => a.start - b.start);
  let at = 0;
  let afterEmpty = false;
  for (const part of [...parts, { start: bytes.length, end: bytes.length, frame: false, version: 0, payload: "" }]) {
    if (part.start !== at) {
      ok(
        afterEmpty && part.start === at + 2 && bytes[at] === 0x2a && bytes[at + 1] === 0,
        `bytes ${at} to ${part.start} are in no frame and no discard`,
      );
    }
    afterEmpty = part.frame && part.version === 1 && part.payload === "";
    at = part.end;
  }
}

function checkStats(run: DecoderRun, bytes: Uint8Array): void {
  const { stats } = run.decoder;
  const sum = (parts: readonly { start: number; end: number }[]): number => parts.reduce((total, { start, end }) => total + end - start, 0);
  deepStrictEqual(
    { ...stats },
    { bytes: bytes.length, frames: run.frames.length, discards: run.discards.length, discardedBytes: sum(run.discards), buffered: 0 },
    "stats",
  );
}

export const decoderTarget: Target = {
  name: "decoder",
  covers: ["/src/codec/"],
  dictionary: [
    PREFIX,
    PREFIX.subarray(0, 6),
    v1(1),
    v1(-1, "01"),
    v2(1, "01"),
    v2(0, undefined, { seed: SEED }),
    v2(5, "0102", { seed: SEED, trailer: "38016A0161" }),
  ].concat(
    [
      "08",
      "10",
      "18 02",
      "18 01",
      "20 01",
      "2A",
      "2A 00",
      "2A 01 FF",
      "7D",
      "38 01",
      "40 01",
      "6A 02 61 62",
      "72 00",
      "31",
      "55",
      "80 00",
      "FF FF FF FF 07",
      "FF FF FF FF 0F",
      "80 80 80 80 10",
      "FF FF FF FF F8 FF FF FF FF 01",
      "7F",
      "80 01",
    ].map(hex),
  ),

  seeds: () => [
    ...Array.from({ length: 12 }, (_, i) => inputFor(wildStream(i + 1).bytes.subarray(0, 250), i)),
    ...Array.from({ length: 6 }, (_, i) => inputFor(damagedStream(i + 1).bytes.subarray(0, 250), 1 + (i > 3 ? 0xf0 : 0))),
    inputFor(cat(v1(1, "01"), v1(2), "2A 00", v2(1, "0102", { seed: SEED, trailer: "3001380240036A0161" })), 4),
  ],

  run(input) {
    const options = optionsOf(input);
    const bytes = streamOf(input);
    const random = new Random((input[2] ?? 0) * 256 + (input[3] ?? 0));
    const expected = outcomeOf(oracle(bytes, options));
    const cuts = randomCuts(random, bytes.length, (input[3] ?? 0) + 1);
    const chunkings = { whole: [bytes], "byte by byte": chunksOf(bytes, 1), [`cut at ${cuts.join(" ")}`]: chunksAt(bytes, cuts) };
    for (const [name, chunks] of Object.entries(chunkings)) {
      const run = runDecoder(chunks, options);
      same(outcomeOfRun(run), expected, name);
      ok(
        run.order.every((start, i) => i === 0 || start > run.order[i - 1]!),
        `${name}: what is told is out of order: ${run.order.join(" ")}`,
      );
      if (run.error !== undefined) continue;
      checkTiling(run, bytes);
      checkStats(run, bytes);
    }
    const prefix = bytes.subarray(0, random.from(0, bytes.length));
    const early = runDecoder(
      chunksAt(
        prefix,
        cuts.filter((cut) => cut <= prefix.length),
      ),
      options,
      false,
    );
    deepStrictEqual(
      early.frames.map(({ end }) => end),
      oracle(prefix, options, { flush: false }).frames.map(({ end }) => end),
      `after ${prefix.length} bytes`,
    );
    ok(early.error !== undefined || early.decoder.stats.buffered <= prefix.length, "holds more than it was given");
    return features(expected);
  },

  repair(input) {
    const bytes = input.slice();
    const text = Buffer.from(bytes.buffer);
    for (let at = text.indexOf(PREFIX, HEAD); at >= 0; at = text.indexOf(PREFIX, at + 1)) {
      const tag = bytes.indexOf(0x7d, at);
      const seed = ((input[1] ?? 0) & 4) === 0 ? undefined : SEED;
      if (tag > 0 && tag + 5 <= bytes.length) bytes.set(seal(bytes.subarray(at, tag), seed), at);
    }
    return bytes;
  },

  // A frame that is right in all but its checksum: what lies in it is looked at again.
  wrap: (part) => cat(open({ ver: 2, payload: part }), "7D 00 00 00 00"),
};

/** Pairs of what came after what. */
function features({ frames, discards, error }: ReturnType<typeof outcomeOf>): string[] {
  const events = [
    ...frames.map((frame) => ({
      start: frame.start,
      what: `v${Math.min(frame.version, 3)}${frame.payload === "" ? "-empty" : ""}${frame.cmd < 0 ? "-negative" : ""}${Object.keys(frame).length > 6 ? "-fields" : ""}`,
    })),
    ...discards.map(({ start, reason }) => ({ start, what: reason })),
  ].sort((a, b) => a.start - b.start);
  const names = ["start", ...events.map(({ what }) => what), error ?? "end"];
  return names.slice(1).map((name, i) => `${names[i]} > ${name}`);
}
