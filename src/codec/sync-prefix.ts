/** The seven bytes every frame begins with, and the search for them. docs/wire.md section 2; docs/decisions/scan.md. */

/** Length of the prefix `08 MAGIC 10`. */
export const PREFIX_LENGTH = 7;

/**
 * `08 MAGIC 10` for one magic. It never overlaps itself: four magic bytes have the top bit set, the fifth is 1 to 7,
 * so `08` occurs only at its beginning.
 */
export class SyncPrefix {
  /** The seven bytes. */
  readonly bytes: Uint8Array;
  /** Its bytes 0 to 3 and 3 to 6 as little-endian words. */
  readonly head: number;
  readonly tail: number;
  /** How far the window may move when its last byte is this one; 0 for the prefix's own last byte. */
  readonly #skip: Uint8Array;

  constructor(magic: number) {
    const group = (shift: number): number => ((magic >>> shift) & 0x7f) | 0x80;
    this.bytes = Uint8Array.of(0x08, group(0), group(7), group(14), group(21), magic >>> 28, 0x10);
    const words = new DataView(this.bytes.buffer);
    this.head = words.getInt32(0, true);
    this.tail = words.getInt32(3, true);
    this.#skip = new Uint8Array(256).fill(PREFIX_LENGTH);
    for (let i = 0; i < PREFIX_LENGTH; i++) this.#skip[this.bytes[i]!] = PREFIX_LENGTH - 1 - i;
  }

  /** How many bytes from `position` on are those of the prefix, at most up to `end`: 0 to 7. */
  matched(buffer: Uint8Array, mask: number, position: number, end: number): number {
    const most = Math.min(PREFIX_LENGTH, end - position);
    let count = 0;
    while (count < most && buffer[(position + count) & mask] === this.bytes[count]) count++;
    return count;
  }

  /**
   * First position from `from` on where the whole prefix stands before `end`. If there is none, the bitwise complement
   * of the first position where it may yet begin: `~end`, or that of a proper prefix right before `end`.
   */
  find(buffer: Uint8Array, mask: number, from: number, end: number): number {
    const skip = this.#skip;
    const first = this.bytes[0]!;
    const fifth = this.bytes[5]!;
    let p = from;
    for (const last = end - PREFIX_LENGTH; p <= last; ) {
      const shift = skip[buffer[(p + 6) & mask]!]!;
      if (shift !== 0) {
        p += shift;
      } else if (buffer[p & mask] === first && buffer[(p + 5) & mask] === fifth && this.matched(buffer, mask, p, end) === PREFIX_LENGTH) {
        return p;
      } else {
        // Its last byte occurs nowhere else in the prefix.
        p += PREFIX_LENGTH;
      }
    }
    for (; p < end; p++) {
      if (buffer[p & mask] === first && this.matched(buffer, mask, p, end) === end - p) return ~p;
    }
    return ~end;
  }
}
