/**
 * Bytes that arrived and are not decided yet, when they do not lie in the chunk at hand. A power-of-two ring: dropping
 * from the front is an index move. It grows by doubling to what arrived, and holds nothing when it is empty.
 */
import { FramewireError } from "../../errors.js";
import { ByteSource } from "./byte-source.js";

const SMALLEST = 64;
const LARGEST = 2 ** 31;

/**
 * Storage that a ring has given back waits here for the next one, one buffer of each size, by the number of zeros in
 * front of the size: fresh memory would have to be cleared and mapped page by page each time, at several times the cost of
 * filling it. Half a MiB for the whole program.
 */
const spares: (Uint8Array | undefined)[] = new Array(32).fill(undefined);
const LARGEST_SPARE = 256 * 1024;
/** Whoever needs less takes this one if it is there, and is spared the growing. */
const USUAL = 2048;

function acquire(size: number): Uint8Array {
  const index = Math.clz32(size < USUAL && spares[Math.clz32(USUAL)] !== undefined ? USUAL : size);
  const spare = spares[index];
  spares[index] = undefined;
  return spare ?? new Uint8Array(size);
}

function giveBack(bytes: Uint8Array): void {
  if (bytes.length <= LARGEST_SPARE) spares[Math.clz32(bytes.length)] = bytes;
}

/** Up to this many bytes are parked; a header that waits for its payload is shorter. */
const PARKED = 32;

export class RingBuffer {
  /** The storage; byte `i` of the ring is `source.bytes[(head + i) & mask]`. */
  readonly source = new ByteSource();
  /** Capacity - 1; -1 without storage. */
  mask = -1;
  /** Index of the first byte held, 0 to capacity - 1. */
  head = 0;
  /** Bytes held. */
  length = 0;

  /**
   * The bytes held while there is no storage, one to a character. In a server with many connections most decoders that hold
   * anything hold a header; a typed array for it would take ten times its bytes, numbers in an array four times.
   */
  #parked: string | undefined;

  /** Bytes of its storage. */
  get memory(): number {
    return this.mask >= 0 ? this.mask + 1 : this.length;
  }

  /** Appends those of `from` from position `start` up to `end`, for a longer time: a few bytes are parked. */
  hold(from: ByteSource, start: number, end: number): void {
    if (this.length > 0 || end - start > PARKED) {
      this.append(from, start, end);
      return;
    }
    const { bytes } = from;
    const codes: number[] = [];
    for (let i = start; i < end; i++) codes.push(bytes[i]!);
    this.#parked = String.fromCharCode(...codes);
    this.length = end - start;
  }

  /** Brings parked bytes into storage: to be called before it is looked at. */
  unpark(): void {
    const parked = this.#parked;
    if (parked === undefined) return;
    this.#parked = undefined;
    this.length = 0;
    this.#resize(parked.length);
    const { bytes } = this.source;
    for (let i = 0; i < parked.length; i++) bytes[i] = parked.charCodeAt(i);
    this.length = parked.length;
  }

  /** Appends one byte or a few. */
  appendBytes(from: Uint8Array): void {
    if (this.#parked !== undefined) this.unpark();
    const length = this.length + from.length;
    if (length > this.mask + 1) this.#resize(length);
    const { bytes } = this.source;
    const at = this.head + this.length;
    for (let i = 0; i < from.length; i++) bytes[(at + i) & this.mask] = from[i]!;
    this.length = length;
  }

  /** Appends those of `from` from position `start` up to `end`. */
  append(from: ByteSource, start: number, end: number): void {
    if (this.#parked !== undefined) this.unpark();
    const length = this.length + end - start;
    if (length > this.mask + 1) this.#resize(length);
    const { bytes } = this.source;
    const at = (this.head + this.length) & this.mask;
    const middle = Math.min(end, start + bytes.length - at);
    from.copyTo(bytes, at, start, middle);
    if (middle < end) from.copyTo(bytes, 0, middle, end);
    this.length = length;
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.length -= count;
    if (this.length === 0) this.release();
    else this.head = (this.head + count) & this.mask;
  }

  /** Gives storage back that the bytes held fill to less than an eighth. */
  shrink(): void {
    if (this.mask >= USUAL && this.length * 8 < this.mask) this.#resize(this.length);
  }

  /** Forgets everything and holds no storage. */
  release(): void {
    if (this.mask >= 0) giveBack(this.source.bytes);
    this.source.set();
    this.#parked = undefined;
    this.mask = -1;
    this.head = 0;
    this.length = 0;
  }

  #resize(length: number): void {
    if (length > LARGEST) throw new FramewireError("resource-exhausted", `${length} undecided bytes; at most ${LARGEST} can be held`);
    let capacity = SMALLEST;
    while (capacity < length) capacity *= 2;
    const bytes = acquire(capacity);
    if (this.mask >= 0) {
      const room = Math.min(this.length, this.mask + 1 - this.head);
      this.source.copyTo(bytes, 0, this.head, this.head + room);
      this.source.copyTo(bytes, room, 0, this.length - room);
      giveBack(this.source.bytes);
    }
    this.source.set(bytes);
    this.mask = bytes.length - 1;
    this.head = 0;
  }
}
