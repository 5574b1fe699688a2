/** Runs the decoder under test over a stream in chunks and writes down all that it says. */

import { useFastWays } from "../../src/accel/codec.js";
import { FrameDecoder, type FrameDecoderOptions } from "../../src/codec/decoder/frame-decoder.js";
import { providePlainWay } from "../../src/codec/decoder/frame-machine.js";
import { PLAIN_WAY } from "../../src/codec/decoder/plain-frame.js";
import { FramewireError } from "../../src/errors.js";
import { type Outcome, type OutcomeFrame, outcomeFrame } from "./outcome.js";

useFastWays();

/** Decodes as a page does, which has no short way for plain frames. */
export function asOnPages<T>(decode: () => T): T {
  providePlainWay(undefined);
  try {
    return decode();
  } finally {
    providePlainWay(PLAIN_WAY);
  }
}

export interface DecoderRun extends Outcome {
  /** Start offsets of frames and discards in the order in which they were told. */
  readonly order: readonly number[];
  /** How many bytes had been pushed when each damage was reported. */
  readonly reportedAt: readonly number[];
  /** Frames told before the flush. */
  readonly beforeFlush: number;
  readonly decoder: FrameDecoder;
}

/** Cuts `bytes` at the given offsets, ascending. Empty chunks are kept. */
export function chunksAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const bounds = [0, ...cuts, bytes.length];
  return bounds.slice(1).map((end, i) => bytes.subarray(bounds[i], end));
}

/** An empty chunk, then chunks of `size` bytes, the last one shorter. */
export function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks = [bytes.subarray(0, 0)];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

/**
 * Pushes `chunks` and flushes unless told otherwise. Each chunk is handed over in one scratch buffer that is overwritten
 * afterwards, as a socket's may be: a decoder that kept a view of it would give itself away. `stops` is asked at each frame whether
 * the decoder is stopped there; the rest of the chunk is pushed again then.
 */
export function runDecoder(
  chunks: readonly Uint8Array[],
  options: FrameDecoderOptions = {},
  flush = true,
  stops: () => boolean = () => false,
): DecoderRun {
  const frames: OutcomeFrame[] = [];
  const discards: { start: number; end: number; reason: string }[] = [];
  const damages: { start: number; reason: string }[] = [];
  const reportedAt: number[] = [];
  const order: number[] = [];
  const decoder = new FrameDecoder({
    ...options,
    onDamage: (damage) => {
      damages.push({ ...damage });
      reportedAt.push(decoder.stats.bytes);
      options.onDamage?.(damage);
    },
    onDiscard: (discard) => {
      discards.push({ ...discard });
      order.push(discard.start);
      options.onDiscard?.(discard);
    },
  });
  const onFrame = (frame: Parameters<Parameters<FrameDecoder["push"]>[1]>[0]): void => {
    frames.push(outcomeFrame(frame));
    order.push(frame.start);
    if (stops()) decoder.stop();
  };
  let error: string | undefined;
  let beforeFlush = 0;
  const scratch = new Uint8Array(chunks.reduce((most, chunk) => Math.max(most, chunk.length), 0));
  try {
    for (const chunk of chunks) {
      scratch.set(chunk);
      let taken = 0;
      do taken += decoder.push(scratch.subarray(taken, chunk.length), onFrame);
      while (taken < chunk.length);
      scratch.fill(0xee);
    }
    beforeFlush = frames.length;
    if (flush) decoder.flush(onFrame);
  } catch (thrown) {
    if (!(thrown instanceof FramewireError)) throw thrown;
    error = thrown.code;
  }
  return { frames, discards, damages, ...(error === undefined ? {} : { error }), reportedAt, order, beforeFlush, decoder };
}

/** What a run has in common with the oracle's outcome. */
export function outcomeOfRun(run: DecoderRun): Outcome {
  const { frames, discards, damages, error } = run;
  return { frames, discards, damages, ...(error === undefined ? {} : { error }) };
}

/** When a decoder that gets `chunks` can know of damage that is settled behind so many bytes: at the end of a chunk. */
export function chunkEnds(chunks: readonly Uint8Array[], settledAt: readonly number[]): number[] {
  let end = 0;
  const ends = chunks.map((chunk) => (end += chunk.length));
  return settledAt.map((at) => ends.find((each) => each >= at) ?? end);
}
