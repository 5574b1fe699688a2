import { expect, it } from "vitest";
import { encodeFrame, FrameDecoder } from "../../src/codec/index.js";
import { chunksAt } from "../helpers/decoder-run.js";
import { Random, randomCuts } from "../helpers/random.js";

const RUNS = 150;

/** A stream as a link sees it: chunks that mostly end where frames end, some damage, some garbage. */
function quietStream(random: Random, checksumSeed: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let count = random.from(5, 30); count > 0; count--) {
    const payload = random.bytes(random.from(0, 40));
    const bytes = encodeFrame({ version: 2, cmd: random.from(1, 1000), payload }, { checksumSeed });
    if (random.oneIn(6)) bytes[random.from(0, bytes.length - 1)]! ^= 1 << random.from(0, 7);
    const chunk = random.oneIn(8) ? Buffer.concat([random.bytes(random.from(1, 9)), bytes]) : bytes;
    chunks.push(...(random.oneIn(5) ? chunksAt(chunk, randomCuts(random, chunk.length, 20)) : [chunk]));
  }
  return chunks;
}

/** What one stream gives, by a decoder of its own or in turns. */
interface Seen {
  readonly frames: string[];
  readonly discards: string[];
}

it("streams that take turns on one decoder, whenever it is clean, are decoded as by one each", () => {
  let turns = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = new Random(seed);
    const streams = [1, 2, 3].map((checksumSeed) => ({ seed: checksumSeed, chunks: quietStream(random, checksumSeed) }));
    const seen: Seen[] = streams.map(() => ({ frames: [], discards: [] }));
    const expected: Seen[] = streams.map(() => ({ frames: [], discards: [] }));
    for (const [i, { seed: checksumSeed, chunks }] of streams.entries()) {
      const { frames, discards } = expected[i]!;
      const own = new FrameDecoder({
        minVersion: 2,
        checksumSeed,
        onDiscard: ({ start, end, reason }) => discards.push(`${start}-${end} ${reason}`),
      });
      for (const chunk of chunks) own.push(chunk, ({ start, end, cmd }) => frames.push(`${start}-${end} ${cmd}`));
    }

    let current = -1;
    const shared = new FrameDecoder({ onDiscard: ({ start, end, reason }) => seen[current]!.discards.push(`${start}-${end} ${reason}`) });
    const at = streams.map(() => ({ chunk: 0, offset: 0 }));
    for (;;) {
      const waiting = streams.flatMap((stream, i) => (at[i]!.chunk < stream.chunks.length ? [i] : []));
      if (waiting.length === 0) break;
      if (current === -1 || shared.clean || at[current]!.chunk === streams[current]!.chunks.length) {
        current = random.pick(waiting);
        // A stream that ended undecided leaves a decoder that nobody else can use.
        if (!shared.clean) break;
        shared.rebind(at[current]!.offset, streams[current]!.seed, 2);
        turns++;
      }
      const chunk = streams[current]!.chunks[at[current]!.chunk++]!;
      at[current]!.offset += chunk.length;
      shared.push(chunk, ({ start, end, cmd }) => seen[current]!.frames.push(`${start}-${end} ${cmd}`));
    }
    for (const [i, { frames, discards }] of seen.entries()) {
      expect(frames).toEqual(expected[i]!.frames.slice(0, frames.length));
      expect(discards).toEqual(expected[i]!.discards.slice(0, discards.length));
      if (at[i]!.chunk === streams[i]!.chunks.length) expect({ frames, discards }).toEqual(expected[i]);
    }
  }
  expect(turns).toBeGreaterThan(10 * RUNS);
});

it("a decoder is clean between frames only: not within one, behind damage, or where an empty payload may follow", () => {
  const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(10) });
  for (const [bytes, clean] of [
    [new Uint8Array(0), true],
    [frame, true],
    [frame.subarray(0, 5), false],
    [frame.subarray(0, -1), false],
    [Uint8Array.of(0x55), false],
    [encodeFrame({ cmd: 1, payload: new Uint8Array(0) }).subarray(0, -2), false],
    [encodeFrame({ cmd: 1, payload: new Uint8Array(3) }), true],
  ] as const) {
    const decoder = new FrameDecoder();
    decoder.push(bytes, () => {});
    expect(decoder.clean).toBe(clean);
  }
});
