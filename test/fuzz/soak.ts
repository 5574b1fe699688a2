/**
 * `npm run soak -- decoder [--streams N] [--first SEED]`: the guarantee over many damaged streams, with figures; and the decoder against the
 * oracle over as many wild streams, discards included. Ends at the first stream that differs, with its seed.
 */
import { deepStrictEqual } from "node:assert/strict";
import { FrameDecoder } from "../../src/codec/decoder/frame-decoder.js";
import { chunksAt, chunksOf, outcomeOfRun, runDecoder } from "../helpers/decoder-run.js";
import { oracle } from "../helpers/oracle.js";
import { outcomeOf } from "../helpers/outcome.js";
import { Random, randomCuts } from "../helpers/random.js";
import { damagedStream, type Span, wildStream } from "../helpers/stream-generator.js";
import { cat, v2 } from "../helpers/wire-builder.js";
import type { Soak } from "../soak/index.js";

function chunkings(bytes: Uint8Array, seed: number): Record<string, Uint8Array[]> {
  const random = new Random(seed);
  return {
    whole: [bytes],
    "1 byte": chunksOf(bytes, 1),
    "7 bytes": chunksOf(bytes, 7),
    "random to 40": chunksAt(bytes, randomCuts(random, bytes.length, 40)),
    "random to 1460": chunksAt(bytes, randomCuts(random, bytes.length, 1460)),
  };
}

const key = ({ start, end }: Span): string => `${start}-${end}`;

interface Totals {
  runs: number;
  bytes: number;
  undamaged: number;
  wrong: number;
  lost: number;
}

function count(
  totals: Totals,
  bytes: Uint8Array,
  options: ConstructorParameters<typeof FrameDecoder>[0],
  undamaged: readonly Span[],
  chunks: readonly Uint8Array[],
): boolean {
  const decoder = new FrameDecoder(options);
  const delivered: string[] = [];
  const onFrame = (frame: Span): unknown => delivered.push(key(frame));
  for (const chunk of chunks) decoder.push(chunk, onFrame);
  decoder.end(onFrame);
  const wanted = new Set(undamaged.map(key));
  const got = new Set(delivered);
  const wrong = delivered.filter((span) => !wanted.has(span)).length + (delivered.length - got.size);
  const lost = [...wanted].filter((span) => !got.has(span)).length;
  totals.runs++;
  totals.bytes += bytes.length;
  totals.undamaged += undamaged.length;
  totals.wrong += wrong;
  totals.lost += lost;
  return wrong === 0 && lost === 0;
}

export const soakDecoder: Soak = async (number) => {
  const first = number("first");
  const last = first + number("streams") - 1;
  const damaged: Totals = { runs: 0, bytes: 0, undamaged: 0, wrong: 0, lost: 0 };
  let sent = 0;
  for (let seed = first; seed <= last; seed++) {
    const { bytes, options, undamaged, sent: frames } = damagedStream(seed);
    sent += frames.length;
    for (const [name, chunks] of Object.entries(chunkings(bytes, seed))) {
      if (!count(damaged, bytes, options, undamaged, chunks)) return [`damaged stream, ${name}: seed ${seed}`];
    }
  }
  console.log(`damaged streams ${last - first + 1}, runs ${damaged.runs}, bytes ${damaged.bytes}, frames sent ${sent}`);
  console.log(`undamaged frames in all runs ${damaged.undamaged}: ${damaged.wrong} wrong, ${damaged.lost} lost`);

  const flips: Totals = { runs: 0, bytes: 0, undamaged: 0, wrong: 0, lost: 0 };
  const before = v2(1, "010203");
  const behind = v2(2, "0405");
  for (let seed = first; seed < first + 20; seed++) {
    const random = new Random(seed);
    const sample = v2(random.uint32() | 0, random.bytes(random.from(0, 120)), { trailer: random.pick(["", "3801", "38814048076A0130"]) });
    const start = before.length + sample.length;
    const undamaged = [
      { start: 0, end: before.length },
      { start, end: start + behind.length },
    ];
    for (let bit = 0; bit < sample.length * 8; bit++) {
      const flipped = sample.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const bytes = cat(before, flipped, behind);
      for (const chunks of [[bytes], chunksOf(bytes, 1), chunksOf(bytes, 7)]) {
        if (!count(flips, bytes, { minVersion: 2 }, undamaged, chunks)) return [`flipped bit ${bit}: seed ${seed}`];
      }
    }
  }
  console.log(`flipped bits ${flips.runs / 3}, runs ${flips.runs}: ${flips.wrong} wrong, ${flips.lost} lost`);

  for (let seed = first; seed <= last; seed++) {
    const { bytes, options } = wildStream(seed);
    const expected = outcomeOf(oracle(bytes, options));
    for (const [name, chunks] of Object.entries(chunkings(bytes, seed))) {
      try {
        deepStrictEqual(outcomeOfRun(runDecoder(chunks, options)), expected);
      } catch (error) {
        return [`wild stream, ${name}: seed ${seed}\n${String(error)}`];
      }
    }
  }
  console.log(`wild streams ${last - first + 1}: the decoder is the oracle, frames and discards`);
  return [];
};
