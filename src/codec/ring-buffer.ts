/**
 * Bytes that arrived and are not decided yet, when they do not lie in the chunk at hand. A power-of-two ring: dropping
 * from the front is an index move. It grows by doubling to what arrived, and holds nothing when it is empty.
 */
import { FramewireError } from "../errors.js";

const EMPTY = new Uint8Array(0);
const SMALLEST = 64;
const LARGEST = 2 ** 31;

/** A buffer of this size is handed on from one emptied ring to the next one filled, instead of to the collector. */
const SPARE_SIZE = 2048;
let spare: Uint8Array | undefined;

/** Up to this many bytes are parked; a header that waits for its payload is shorter. */
const PARKED = 32;

export class RingBuffer {
  /** The storage; byte `i` of the ring is `bytes[(head + i) & mask]`. */
  bytes: Uint8Array = EMPTY;
  /** Capacity - 1. */
  mask = -1;
  /** Index of the first byte held, 0 to capacity - 1. */
  head = 0;
  /** Bytes held. */
  length = 0;

  /**
   * The bytes held while there is no storage, four to a number. In a server with many connections most decoders that hold
   * anything hold a header, and a typed array for it would take ten times its bytes.
   */
  #parked: number[] | undefined;

  /** Appends `source` from `start` to `end` for a longer time: a few bytes are parked. */
  hold(source: Uint8Array, start: number, end: number): void {
    if (this.length > 0 || end - start > PARKED) {
      this.append(source, start, end);
      return;
    }
    this.length = end - start;
    const words = new Array<number>((this.length + 3) >> 2).fill(0);
    for (let i = start; i < end; i++) words[(i - start) >> 2]! |= source[i]! << (8 * (i - start));
    this.#parked = words;
  }

  /** Brings parked bytes into storage: to be called before it is looked at. */
  unpark(): void {
    const words = this.#parked;
    if (words === undefined) return;
    const count = this.length;
    this.#parked = undefined;
    this.length = 0;
    this.#resize(count);
    for (let i = 0; i < count; i++) this.bytes[i] = words[i >> 2]! >>> (8 * i);
    this.length = count;
  }

  /** Appends `source` from `start` to `end`. */
  append(source: Uint8Array, start: number, end: number): void {
    if (this.#parked !== undefined) this.unpark();
    const count = end - start;
    const length = this.length + count;
    if (length > this.bytes.length) this.#resize(length);
    const at = (this.head + this.length) & this.mask;
    this.length = length;
    if (count === 1) {
      this.bytes[at] = source[start]!;
      return;
    }
    const room = this.bytes.length - at;
    if (count <= room) {
      copy(source, start, end, this.bytes, at);
    } else {
      copy(source, start, start + room, this.bytes, at);
      copy(source, start + room, end, this.bytes, 0);
    }
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.length -= count;
    if (this.length === 0) this.release();
    else this.head = (this.head + count) & this.mask;
  }

  /** Gives storage back that the bytes held fill to less than an eighth. */
  shrink(): void {
    if (this.bytes.length > SPARE_SIZE && this.length * 8 < this.bytes.length) this.#resize(this.length);
  }

  /** Forgets everything and holds no storage. */
  release(): void {
    if (this.bytes.length === SPARE_SIZE) spare = this.bytes;
    this.bytes = EMPTY;
    this.mask = -1;
    this.head = 0;
    this.length = 0;
  }

  /** A copy of `count` bytes from position `start` (counted as `head` is, wrapped or not). */
  copyOut(start: number, count: number): Uint8Array {
    const from = start & this.mask;
    const out = new Uint8Array(count);
    const room = Math.min(count, this.bytes.length - from);
    copy(this.bytes, from, from + room, out, 0);
    copy(this.bytes, 0, count - room, out, room);
    return out;
  }

  #resize(length: number): void {
    if (length > LARGEST) throw new FramewireError("resource-exhausted", `${length} undecided bytes; at most ${LARGEST} can be held`);
    let capacity = SMALLEST;
    while (capacity < length) capacity *= 2;
    let bytes: Uint8Array;
    if (capacity <= SPARE_SIZE && spare !== undefined && this.bytes.length < SPARE_SIZE) {
      bytes = spare;
      spare = undefined;
    } else {
      bytes = new Uint8Array(capacity);
    }
    const room = Math.min(this.length, this.bytes.length - this.head);
    copy(this.bytes, this.head, this.head + room, bytes, 0);
    copy(this.bytes, 0, this.length - room, bytes, room);
    this.bytes = bytes;
    this.mask = bytes.length - 1;
    this.head = 0;
  }
}

/** Copies `source[start, end)` to `target` at `at`; a loop beats the view that `set` needs for short runs. */
function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  const count = end - start;
  if (count > 48) {
    target.set(new Uint8Array(source.buffer, source.byteOffset + start, count), at);
  } else {
    for (let i = 0; i < count; i++) target[at + i] = source[start + i]!;
  }
}
