/**
 * Encoded frames in one ring of bytes: a frame costs a copy of its bytes and no object of its own. Large ones are kept as they are: of
 * them the ring holds nothing, and their length there is 0.
 */

import type { LargeFrame } from "../link/large-frame.js";
import { Queue } from "../runtime/queue.js";
import type { FrameStore } from "./frame-store.js";

const NO_BYTES = new Uint8Array(0);
const NO_LENGTHS = new Uint32Array(0);

const FIRST_RING = 256;
const FIRST_LENGTHS = 16;

/** Frames up to this length are copied by a loop: the view that a native copy needs costs more. */
const SMALL = 24;

/** Rings of the first three sizes that nobody needs now: one that is empty again is given back. */
const spareRings: readonly Uint8Array[][] = [[], [], []];
const spareLengths: Uint32Array[] = [];
const MOST_SPARES = 64;

/** Those of `size`, a power of two from the first on. */
function sparesOf(size: number): Uint8Array[] | undefined {
  return spareRings[Math.clz32(FIRST_RING) - Math.clz32(size)];
}

/** Keeps a ring for the next that needs one of its size. */
function spare(ring: Uint8Array): void {
  const spares = sparesOf(ring.length);
  if (spares !== undefined && spares.length < MOST_SPARES) spares.push(ring);
}

export class FrameRing implements FrameStore {
  #ring: Uint8Array = NO_BYTES;
  /** Lengths of the frames; that of the frame number `n` is at `n` modulo its length. */
  #lengths: Uint32Array = NO_LENGTHS;
  /** Number of the first frame, and behind the last. */
  #first = 0;
  #behind = 0;
  /** Bytes ever taken out, and ever put in. Their places in the ring are these modulo its length. */
  #head = 0;
  #tail = 0;
  /** Bytes of the ring that was given back last: the next one is as large at once. */
  #ringSize = FIRST_RING;
  /** The large frames, there since the first of them, and their bytes. */
  #large: Queue<LargeFrame> | undefined;
  #largeBytes = 0;
  /** The frame that was asked for last: its number, where the ring's bytes behind it begin, and how many large ones go before that. */
  #asked = -1;
  #askedEnd = 0;
  #askedLarge = 0;

  get bytes(): number {
    return this.#tail - this.#head + this.#largeBytes;
  }

  get memory(): number {
    return this.#ring.length + this.#lengths.length * 4 + this.#largeBytes;
  }

  keep(frame: LargeFrame): void {
    frame.retain();
    this.#number(0);
    this.#large ??= new Queue();
    this.#large.push(frame);
    this.#largeBytes += frame.bytes.length;
  }

  /** Gives the next frame its number. */
  #number(length: number): void {
    this.#grow(length);
    this.#lengths[this.#behind++ & (this.#lengths.length - 1)] = length;
  }

  push(buffer: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#number(length);
    const at = this.#tail & (this.#ring.length - 1);
    const room = this.#ring.length - at;
    this.#tail += length;
    if (length <= SMALL && length <= room) {
      for (let i = 0; i < length; i++) this.#ring[at + i] = buffer[start + i]!;
    } else if (length <= room) {
      this.#ring.set(buffer.subarray(start, end), at);
    } else {
      this.#ring.set(buffer.subarray(start, start + room), at);
      this.#ring.set(buffer.subarray(start + room, end), 0);
    }
  }

  shift(): number {
    const length = this.#lengthOf(this.#first++);
    this.#head += length;
    if (this.#asked < this.#first) this.#asked = -1;
    else if (length === 0) this.#askedLarge--;
    const taken = length === 0 ? this.#shiftLarge() : length;
    if (this.#first === this.#behind) this.#giveBack();
    return taken;
  }

  #shiftLarge(): number {
    const frame = this.#large?.shift() as LargeFrame;
    const { length } = frame.bytes;
    this.#largeBytes -= length;
    frame.release();
    return length;
  }

  at(index: number): Uint8Array {
    const number = this.#first + index;
    if (this.#asked < 0 || this.#asked > number) {
      this.#asked = this.#first - 1;
      this.#askedEnd = this.#head;
      this.#askedLarge = 0;
    }
    while (this.#asked < number) {
      const length = this.#lengthOf(++this.#asked);
      this.#askedEnd += length;
      if (length === 0) this.#askedLarge++;
    }
    const length = this.#lengthOf(number);
    const large = length === 0 ? this.#large?.at(this.#askedLarge - 1) : undefined;
    return large?.bytes ?? this.#copy(this.#askedEnd - length, this.#askedEnd);
  }

  shrink(): void {
    this.#ring = NO_BYTES;
    this.#lengths = NO_LENGTHS;
  }

  #giveBack(): void {
    if (this.#ring.length > 0) {
      if (sparesOf(this.#ring.length) === undefined) return;
      spare(this.#ring);
      this.#ringSize = this.#ring.length;
    }
    if (this.#lengths.length === FIRST_LENGTHS && spareLengths.length < MOST_SPARES) spareLengths.push(this.#lengths);
    this.shrink();
  }

  #lengthOf(number: number): number {
    return this.#lengths[number & (this.#lengths.length - 1)]!;
  }

  #copy(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    const at = from & (this.#ring.length - 1);
    const first = this.#ring.subarray(at, at + bytes.length);
    bytes.set(first);
    bytes.set(this.#ring.subarray(0, bytes.length - first.length), first.length);
    return bytes;
  }

  /** Makes room for one more frame of `length` bytes. */
  #grow(length: number): void {
    if (this.#behind - this.#first === this.#lengths.length) {
      const free = this.#lengths.length === 0 ? spareLengths.pop() : undefined;
      const lengths = free ?? new Uint32Array(Math.max(FIRST_LENGTHS, this.#lengths.length * 2));
      for (let n = this.#first; n < this.#behind; n++) lengths[n & (lengths.length - 1)] = this.#lengthOf(n);
      this.#lengths = lengths;
    }
    const needed = this.#tail - this.#head + length;
    if (needed <= this.#ring.length) return;
    let size = Math.max(this.#ringSize, this.#ring.length);
    while (size < needed) size *= 2;
    const ring = sparesOf(size)?.pop() ?? new Uint8Array(size);
    if (this.#tail > this.#head) {
      ring.set(this.#copy(this.#head, this.#tail));
      spare(this.#ring);
    }
    this.#tail -= this.#head;
    this.#head = 0;
    this.#asked = -1;
    this.#ring = ring;
  }
}
