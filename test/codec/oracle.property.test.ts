/** The decoder against the oracle: the same frames and the same discards, however the bytes are cut. */

import { describe, expect, it } from "vitest";
import { asOnPages, chunkEnds, chunksAt, chunksOf, type DecoderRun, outcomeOfRun, runDecoder } from "../helpers/decoder-run.js";
import { fc } from "../helpers/fast-check.js";
import { type OracleOptions, oracle } from "../helpers/oracle.js";
import { outcomeOf } from "../helpers/outcome.js";
import { Random, randomCuts } from "../helpers/random.js";
import { runs } from "../helpers/runs.js";
import { damagedStream, wildStream } from "../helpers/stream-generator.js";
import { cat, MAGIC, open, type Parts, seal, varint } from "../helpers/wire-builder.js";
import { expectEqual } from "./expect-equal.js";

const PREFIX = open({}).subarray(0, 7);

/** Bytes that mean something somewhere in the grammar, and some that do not. */
const grammarByte = fc.constantFrom(
  0x08,
  0xf5,
  0x10,
  0x18,
  0x20,
  0x2a,
  0x7d,
  0x00,
  0x01,
  0x02,
  0x05,
  0x07,
  0x80,
  0x81,
  0xff,
  0xf8,
  0x30,
  0x38,
  0x6a,
  0x72,
  0x31,
  0x55,
  0x73,
);
const anyBytes = fc.uint8Array({ maxLength: 12 });
const grammarBytes = fc.array(grammarByte, { maxLength: 14 }).map((bytes) => Uint8Array.from(bytes));
const cmd = fc.oneof(fc.constantFrom(0, 1, 127, 128, -1, -(2 ** 31), 2 ** 31 - 1), fc.integer());
const trailer = fc
  .subarray([6, 7, 8, 9, 10, 11, 12, 13, 14])
  .chain((numbers) =>
    fc.tuple(
      ...numbers.map((number) =>
        fc.tuple(fc.constant(number), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.uint8Array({ maxLength: 6 })),
      ),
    ),
  )
  .map((fields) =>
    cat(
      ...fields.flatMap(([number, value, bytes]) =>
        number < 13 ? [varint(number * 8), varint(value)] : [varint(number * 8 + 2), varint(bytes.length), bytes],
      ),
    ),
  );
const parts: fc.Arbitrary<Parts> = fc.record(
  { ver: fc.constantFrom(1, 2, 2, 3, 200), cmd, payload: fc.oneof(anyBytes, grammarBytes, fc.constant(PREFIX)), trailer },
  { requiredKeys: ["cmd"] },
);
const frame = fc.tuple(parts, fc.constantFrom(undefined, 7)).map(([given, seed]) => {
  const { trailer: fields, ...head } = given;
  return (given.ver ?? 1) === 1 ? open(head) : seal(open({ ...head, ...(fields === undefined ? {} : { trailer: fields }) }), seed);
});
/** A frame with one byte replaced, put in or taken out. */
const nearFrame = fc.tuple(frame, fc.nat(200), fc.constantFrom(0, 1), fc.oneof(grammarBytes, anyBytes)).map(([bytes, at, taken, put]) => {
  const cut = at % (bytes.length + 1);
  return cat(bytes.subarray(0, cut), put.subarray(0, 2), bytes.subarray(cut + taken));
});
const header = fc.tuple(grammarBytes, fc.boolean()).map(([bytes, version]) => cat(PREFIX, version ? "07 18 02 20" : "", bytes));
/** Frames inside a frame that is right in all but its checksum; with `long` the one inside is, too. */
const shell = fc.tuple(fc.array(frame, { maxLength: 3 }), anyBytes, fc.nat(2000)).map(([frames, junk, long]) => {
  const inner = long % 3 === 0 ? [...frames, seal(open({ ver: 2, payload: new Uint8Array(long).fill(long) }), 7)] : frames;
  return cat(open({ ver: 2, payload: cat(junk, ...inner) }), "7D DE AD BE EF");
});
const piece = fc.oneof(
  { weight: 2, arbitrary: shell },
  { weight: 4, arbitrary: frame },
  { weight: 3, arbitrary: nearFrame },
  { weight: 3, arbitrary: header },
  { weight: 1, arbitrary: anyBytes },
  { weight: 1, arbitrary: fc.nat(6).map((length) => PREFIX.subarray(0, length)) },
  { weight: 1, arbitrary: fc.tuple(frame, fc.nat(60)).map(([bytes, length]) => bytes.subarray(0, length)) },
);
const stream = fc.array(piece, { maxLength: 7 }).map((pieces) => cat(...pieces));
const options: fc.Arbitrary<OracleOptions> = fc.record(
  {
    maxPayload: fc.constantFrom(0, 7, 64, 1048576),
    maxTrailer: fc.constantFrom(5, 7, 16, 1024),
    minVersion: fc.constantFrom(1, 2, 3),
    checksumSeed: fc.constant(7),
    recovery: fc.constantFrom("resync", "resync", "close"),
  },
  { requiredKeys: [] },
);
const cuts = fc.array(fc.nat(400), { maxLength: 12 });

/** The counters of a run without an error. */
function checkStats({ decoder, frames, discards }: DecoderRun, bytes: Uint8Array, what: () => string): void {
  const { stats } = decoder;
  const inFrames = frames.reduce((sum, { start, end }) => sum + end - start, 0);
  const inDiscards = discards.reduce((sum, { start, end }) => sum + end - start, 0);
  const counted = [stats.bytes, stats.frames, stats.buffered, stats.discards, stats.discardedBytes];
  expectEqual(counted, [bytes.length, frames.length, 0, discards.length, inDiscards], () => `${what()}: counters`);
  // What is in neither was swallowed: two bytes behind empty version 1 frames.
  const swallowed = bytes.length - inFrames - inDiscards;
  const most = frames.filter(({ version, payload }) => version === 1 && payload === "").length;
  if (swallowed % 2 !== 0 || swallowed / 2 > most) expect.fail(`${what()}: ${swallowed} bytes swallowed after ${most} empty frames`);
}

/** Compares whole, byte by byte, at `cutAt` and in fixed sizes; at every single offset too when the stream is short. */
function compare(bytes: Uint8Array, given: OracleOptions, cutAt: readonly number[], name: string): void {
  const truth = oracle(bytes, given);
  const expected = outcomeOf(truth);
  const settled = truth.damages.map(({ settledAt }) => settledAt);
  const inside = [...cutAt].filter((cut) => cut <= bytes.length).sort((a, b) => a - b);
  const chunkings = [[bytes], chunksOf(bytes, 1), chunksOf(bytes, 3), chunksOf(bytes, 64), chunksAt(bytes, inside)];
  if (bytes.length <= 60) for (let cut = 1; cut < bytes.length; cut++) chunkings.push(chunksAt(bytes, [cut]));
  expectEqual(outcomeOfRun(asOnPages(() => runDecoder([bytes], given))), expected, () => `${name}, whole, on a page`);
  for (const chunks of chunkings) {
    const run = runDecoder(chunks, given);
    const what = () => `${name}, ${chunks.length < 20 ? chunks.map((chunk) => chunk.length).join("+") : `${chunks.length} chunks`}`;
    expectEqual(outcomeOfRun(run), expected, what);
    expectEqual(run.reportedAt, chunkEnds(chunks, settled), () => `${what()}: reported at`);
    expectEqual(
      run.order,
      [...run.order].sort((a, b) => a - b),
      () => `${what()}: order`,
    );
    if (run.error === undefined) checkStats(run, bytes, what);
  }
}

describe("decoder and oracle agree", () => {
  it("on streams of frames, near-frames and grammar bytes", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(stream, options, cuts, (bytes, given, cutAt) => compare(bytes, given, cutAt, "stream")),
      { numRuns: runs(1500) },
    );
  });

  it("on wild streams of every version and option", { timeout: 60_000 }, () => {
    for (let seed = 1; seed <= runs(300); seed++) {
      const wild = wildStream(seed);
      compare(wild.bytes, wild.options, randomCuts(new Random(seed), wild.bytes.length, 50), `seed ${seed}`);
    }
  });

  it("on damaged version 2 streams, discards included", { timeout: 60_000 }, () => {
    for (let seed = 100_001; seed <= 100_000 + runs(150); seed++) {
      const damaged = damagedStream(seed);
      compare(damaged.bytes, damaged.options, randomCuts(new Random(seed), damaged.bytes.length, 200), `seed ${seed}`);
    }
  });

  it("after every prefix: without a flush the same frames, with one the same frames and discards", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(stream, options, (bytes, given) => {
        const run = runDecoder([], given, false);
        const told: number[] = [];
        for (let length = 0; length <= bytes.length; length++) {
          const prefix = bytes.subarray(0, length);
          const soFar = oracle(prefix, given, { flush: false });
          try {
            if (length > 0) run.decoder.push(bytes.slice(length - 1, length), (each) => told.push(each.end));
          } catch {
            expect(soFar.error).toBeDefined();
          }
          const ends = soFar.frames.map(({ end }) => end);
          expectEqual(told, ends, () => `frames of the first ${length} bytes`);
          if (soFar.error !== undefined) continue;
          expectEqual(
            outcomeOfRun(runDecoder([prefix], given)),
            outcomeOf(oracle(prefix, given)),
            () => `the first ${length} bytes, flushed`,
          );
        }
      }),
      { numRuns: runs(120) },
    );
  });

  it("when a frame changes the options for what follows it, as a hello does", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(frame, anyBytes), { maxLength: 6 }), cuts, fc.nat(3), (pieces, cutAt, changeAt) => {
        const bytes = cat(...pieces.flat());
        const change = { checksumSeed: 7, minVersion: 2, maxPayload: 10 };
        const expected = oracle(bytes, {}, { update: (_, index) => (index === changeAt ? change : undefined) });
        const inside = cutAt.filter((cut) => cut <= bytes.length).sort((a, b) => a - b);
        for (const chunks of [[bytes], chunksOf(bytes, 1), chunksAt(bytes, inside)]) {
          const told: number[] = [];
          const discards: object[] = [];
          const { decoder } = runDecoder([], { onDiscard: (discard) => discards.push(discard) }, false);
          const onFrame: Parameters<typeof decoder.push>[1] = ({ start }) => {
            told.push(start);
            if (told.length - 1 === changeAt) decoder.update(change);
          };
          for (const chunk of chunks) decoder.push(chunk, onFrame);
          decoder.end(onFrame);
          expect(told).toEqual(expected.frames.map(({ start }) => start));
          expect(discards).toEqual(outcomeOf(expected).discards);
        }
      }),
      { numRuns: runs(400) },
    );
  });

  it("on the magic: any from 2^28 to 2^31-1", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2 ** 28, max: 2 ** 31 - 1 }),
        fc.integer({ min: 2 ** 28, max: 2 ** 31 - 1 }),
        anyBytes,
        (magic, other, junk) => {
          const bytes = cat(
            junk,
            open({ magic, cmd: 5, payload: "01" }),
            junk,
            open({ magic: other, payload: "02" }),
            open({ magic: MAGIC }),
            junk,
            open({ magic }),
          );
          compare(bytes, { magic }, [9, 30], `magic ${magic}`);
        },
      ),
      { numRuns: runs(150) },
    );
  });
});
