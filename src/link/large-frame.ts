/**
 * Large frames, each in memory of its own: handed to the socket as a buffer apart, and kept for a resend as that very buffer, without
 * a copy. docs/decisions/large-frames.md
 */
import type { FrameEncoder } from "../codec/encoder/frame-encoder.js";
import { giveSpare, takeSpare } from "../runtime/spare-memory.js";

/** Room for a frame's head and an ordinary trailer. What needs more is written elsewhere, and goes the way of small frames. */
const OVERHEAD = 256;

/** Smaller payloads leave together with others: what is handed over at once, and no less. */
export const LEAST_APART = 8 * 1024;
/** Memory for larger ones would not be kept for the next. */
export const MOST_APART = 192 * 1024;

/** A whole encoded frame. Its memory is used again after the last reference is released; the first one is its maker's. */
export class LargeFrame {
  readonly bytes: Uint8Array;
  readonly #memory: Uint8Array;
  #references = 1;

  constructor(bytes: Uint8Array, memory: Uint8Array) {
    this.bytes = bytes;
    this.#memory = memory;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    if (--this.#references === 0) giveSpare(this.#memory);
  }
}

/**
 * What `put` writes with `encoder`, which has nothing that waits: a message of about `size` bytes, in memory of its own. Bytes alone, to be
 * copied at once and given back by `recycle`, where that would be a waste or was not enough. @throws what `put` throws
 */
export function encodeApart(encoder: FrameEncoder, size: number, put: (encoder: FrameEncoder) => void): LargeFrame | Uint8Array {
  const memory = takeSpare(size + OVERHEAD);
  encoder.writeTo(memory, size);
  try {
    put(encoder);
  } catch (error) {
    encoder.recycle(encoder.take());
    giveSpare(memory);
    throw error;
  }
  const bytes = encoder.take();
  if (bytes.buffer === memory.buffer && bytes.length * 3 >= memory.length * 2) {
    // The frame owns the memory from here on: the encoder does not write there again.
    encoder.retain(bytes);
    return new LargeFrame(bytes, memory);
  }
  giveSpare(memory);
  return bytes;
}
