/** The guarantee of docs/wire.md section 4.4 over streams of which it is known, without a decoder, what arrived undamaged. */
import { describe, expect, it } from "vitest";
import { FrameDecoder } from "../../src/codec/decoder/frame-decoder.js";
import { chunksAt, chunksOf } from "../helpers/decoder-run.js";
import { Random, randomCuts } from "../helpers/random.js";
import { runs, STRIDE } from "../helpers/runs.js";
import { type DamagedStream, damagedStream, type Span, spansByValue } from "../helpers/stream-generator.js";
import { cat, fill, v2 } from "../helpers/wire-builder.js";
import { expectEqual } from "./expect-equal.js";

const STREAMS = runs(3000);
const FIRST_SEED = 1;

/** Where the decoder delivered frames; a frame whose bytes are not those of the stream throws. */
function delivered(stream: Pick<DamagedStream, "bytes" | "options">, chunks: readonly Uint8Array[]): Span[] {
  const spans: Span[] = [];
  const bytes = Buffer.from(stream.bytes.buffer, stream.bytes.byteOffset, stream.bytes.length);
  const decoder = new FrameDecoder(stream.options);
  const onFrame: Parameters<FrameDecoder["push"]>[1] = (frame) => {
    const { start, end, buffer, payloadStart, payloadEnd } = frame;
    const payload = buffer.subarray(payloadStart, payloadEnd);
    if (!bytes.subarray(start, end).includes(Buffer.from(payload)))
      throw new Error(`the payload of the frame at ${start} is not in the stream`);
    spans.push({ start, end });
  };
  for (const chunk of chunks) decoder.push(chunk, onFrame);
  decoder.flush(onFrame);
  return spans;
}

function chunkings(bytes: Uint8Array, seed: number): [string, Uint8Array[]][] {
  const random = new Random(seed);
  return [
    ["whole", [bytes]],
    ["1 byte", chunksOf(bytes, 1)],
    ["7 bytes", chunksOf(bytes, 7)],
    ["random up to 40", chunksAt(bytes, randomCuts(random, bytes.length, 40))],
    ["random up to 1460", chunksAt(bytes, randomCuts(random, bytes.length, 1460))],
  ];
}

describe("with minVersion 2", () => {
  it(`exactly the undamaged frames of ${STREAMS} damaged streams are delivered, in 5 chunkings each`, { timeout: 60_000 }, () => {
    let frames = 0;
    let damaged = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + STREAMS; seed++) {
      const stream = damagedStream(seed);
      frames += stream.undamaged.length;
      damaged += stream.sent.length - stream.undamaged.length;
      for (const [name, chunks] of chunkings(stream.bytes, seed)) {
        expectEqual(delivered(stream, chunks), stream.undamaged, () => `seed ${seed}, ${name}`);
      }
    }
    // The streams are worth something: many frames on both sides.
    expect(frames).toBeGreaterThan(STREAMS * 3);
    expect(damaged).toBeGreaterThan(STREAMS);
  });
});

describe("with one damage between two good frames", () => {
  const before = v2(257, "01 02 03", { trailer: "38 01" });
  const behind = v2(-1, fill(5, 0x08), { trailer: "38 03 6A 02 30 30" });
  const samples: readonly (readonly [string, Uint8Array])[] = [
    ["an empty frame", v2(1)],
    ["a frame whose payload is a prefix", v2(300, "08 F5 F9 F7 F6 07 10", { trailer: "40 02 50 01" })],
    [
      "a frame with all trailer fields",
      v2(-2, "0A 05 68 65 6C 6C 6F", { trailer: "30 01 38 02 40 03 48 04 50 05 58 06 60 07 6A 01 61 72 02 12 00" }),
    ],
    ["a frame of 200 bytes", v2(70000, fill(200, 0x2a), { ver: 130 })],
  ];

  function check(sample: Uint8Array, damagedSample: Uint8Array, what: string): number {
    const bytes = cat(before, damagedSample, behind);
    const expected = spansByValue(bytes, [before, sample, behind]);
    for (const chunks of [[bytes], chunksOf(bytes, 1)]) {
      expectEqual(delivered({ bytes, options: { minVersion: 2 } }, chunks), expected, () => what);
    }
    return expected.length;
  }

  it.each(samples)("%s: every flipped bit", (_, sample) => {
    for (let bit = 0; bit < sample.length * 8; bit++) {
      const flipped = Uint8Array.from(sample, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(check(sample, flipped, `bit ${bit}`)).toBe(2);
    }
  });

  it.each(samples)("%s: every lost byte", (_, sample) => {
    for (let at = 0; at < sample.length; at++) {
      expect(check(sample, cat(sample.subarray(0, at), sample.subarray(at + 1)), `byte ${at}`)).toBe(2);
    }
  });

  it.each(samples)("%s: every byte put in, at every place", (_, sample) => {
    const values =
      sample.length < 40
        ? Array.from({ length: 256 }, (_unused, value) => value)
        : [0x00, 0x01, 0x08, 0x10, 0x18, 0x20, 0x2a, 0x38, 0x7d, 0x7f, 0x80, 0xff];
    for (let at = 0; at <= sample.length; at++) {
      for (let i = at % STRIDE; i < values.length; i += STRIDE) {
        const value = values[i]!;
        const longer = cat(sample.subarray(0, at), Uint8Array.of(value), sample.subarray(at));
        // A byte put in at the edge, or next to equal ones there, leaves the frame as it was.
        const intact = spansByValue(longer, [sample]).length;
        expect(check(sample, longer, `${value} at ${at}`)).toBe(2 + intact);
        if (at === 0 || at === sample.length) expect(intact).toBe(1);
      }
    }
  });

  it.each(samples)("%s: cut off at every byte", (_, sample) => {
    for (let length = 0; length < sample.length; length++) {
      expect(check(sample, sample.subarray(0, length), `length ${length}`)).toBe(2);
    }
  });
});
