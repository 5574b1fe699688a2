/**
 * CRC-32 of any stretch of the bytes held in constant time: a running CRC with checkpoints, and arithmetic in
 * GF(2)[x] modulo the CRC's polynomial to take one checkpoint out of another. It keeps hostile headers that all claim
 * one common end from costing a pass over the bytes each. docs/decisions/linear-cost.md
 */
import { crcUpdate } from "./crc32.js";
import { multiply } from "./gf2.js";

/** A checkpoint is kept at every stream offset that is a multiple of this. */
const SPACING = 64;
const SMALLEST = 16;

let powers: Int32Array | undefined;

/** `powers[256 * k + d]`: x to the number of bits in `d` × 256^k spacings. Built at first use. */
function buildPowers(): Int32Array {
  const built = new Int32Array(4 * 256);
  let unit = 0x4000_0000; // x^1
  for (let bits = 1; bits < SPACING * 8; bits *= 2) unit = multiply(unit, unit);
  for (let digit = 0; digit < 4; digit++) {
    let power = 1 << 31; // x^0
    for (let d = 0; d < 256; d++) {
      built[256 * digit + d] = power;
      power = multiply(power, unit);
    }
    unit = power;
  }
  powers = built;
  return built;
}

/** `crc` as it would be after `spacings` × SPACING zero bytes, without what the CRC's inversions add. */
function shift(crc: number, spacings: number): number {
  const table = powers ?? buildPowers();
  let shifted = crc;
  for (let digit = 0, rest = spacings; rest > 0; digit += 256, rest >>>= 8) {
    if ((rest & 0xff) !== 0) shifted = multiply(shifted, table[digit + (rest & 0xff)]!);
  }
  return shifted;
}

/** One for as long as any byte of those it has seen is held. */
export class PrefixCrc {
  /** Stream offset up to which the running CRC goes, and its value there. */
  #tip = 0;
  #crc = 0;
  /** Stream offset / SPACING of the first and behind the last checkpoint kept. */
  #low = 0;
  #high = 0;
  /** A ring: the checkpoint at offset n × SPACING is at n modulo its length. */
  #checkpoints = new Int32Array(SMALLEST);

  /**
   * CRC-32 of the stream offsets from `start` to `end`, going on from `crc`, as {@link crcUpdate} would give it.
   * `start` must not decrease from call to call. Byte `o` is `buffer[(o - base) & mask]`; only bytes from `start` on
   * are read, and each is read at most once in all calls save for less than two spacings a call.
   */
  update(buffer: Uint8Array, mask: number, base: number, start: number, end: number, crc: number): number {
    const first = Math.ceil(start / SPACING);
    const last = Math.floor(end / SPACING);
    this.#extend(buffer, mask, base, start, end);
    if (last <= first) return crcOfRange(buffer, mask, start - base, end - base, crc);
    const head = crcOfRange(buffer, mask, start - base, first * SPACING - base, crc);
    const checkpoints = this.#checkpoints;
    const wrap = checkpoints.length - 1;
    const body = shift(head ^ checkpoints[first & wrap]!, last - first) ^ checkpoints[last & wrap]!;
    return crcOfRange(buffer, mask, last * SPACING - base, end - base, body);
  }

  #extend(buffer: Uint8Array, mask: number, base: number, start: number, end: number): void {
    const first = Math.ceil(start / SPACING);
    this.#low = first;
    if (this.#tip <= start) {
      this.#tip = start;
      this.#crc = 0;
      this.#high = first;
    }
    while (this.#tip <= end) {
      const next = this.#high * SPACING;
      const to = Math.min(next, end);
      this.#crc = crcOfRange(buffer, mask, this.#tip - base, to - base, this.#crc);
      this.#tip = to;
      if (to < next) return;
      this.#keep(this.#crc);
    }
  }

  #keep(crc: number): void {
    if (this.#high - this.#low === this.#checkpoints.length) {
      const old = this.#checkpoints;
      const grown = new Int32Array(old.length * 2);
      for (let n = this.#low; n < this.#high; n++) grown[n & (grown.length - 1)] = old[n & (old.length - 1)]!;
      this.#checkpoints = grown;
    }
    this.#checkpoints[this.#high & (this.#checkpoints.length - 1)] = crc;
    this.#high++;
  }
}

/** As {@link crcUpdate}, over positions of a buffer that may be a ring. */
export function crcOfRange(buffer: Uint8Array, mask: number, start: number, end: number, crc: number): number {
  const from = start & mask;
  const count = end - start;
  const room = buffer.length - from;
  if (count <= room) return crcUpdate(buffer, from, from + count, crc);
  return crcUpdate(buffer, 0, count - room, crcUpdate(buffer, from, buffer.length, crc));
}
