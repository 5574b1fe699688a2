/** The seven bytes every frame begins with, and the search for them. docs/wire.md section 2; docs/decisions/scan.md. */

/** Length of the prefix `08 MAGIC 10`. */
export const PREFIX_LENGTH = 7;

const FIRST = 0x08;
const LAST = 0x10;

let latest: SyncPrefix | undefined;

/** The prefix for `magic`. The one made last is shared: a program has one magic and many decoders. */
export function prefixFor(magic: number): SyncPrefix {
  if (latest?.magic !== magic) latest = new SyncPrefix(magic);
  return latest;
}

/**
 * `08 MAGIC 10` for one magic. It never overlaps itself: four magic bytes have the top bit set, the fifth is 1 to 7,
 * so `08` occurs only at its beginning and `10` only at its end.
 */
export class SyncPrefix {
  readonly magic: number;
  /** The seven bytes. */
  readonly bytes: Uint8Array;
  /** Its bytes 0 to 3 and 3 to 6 as little-endian words. */
  readonly head: number;
  readonly tail: number;
  /** For each byte: how far its last place in the prefix is from the prefix's end; 7 if it is not in the prefix. */
  readonly #shift = new Uint8Array(256).fill(PREFIX_LENGTH);
  /** For each byte: how far to go when no prefix begins where that place would have it; less than 7 if it has others. */
  readonly #step = new Uint8Array(256).fill(PREFIX_LENGTH);

  constructor(magic: number) {
    this.magic = magic;
    const group = (shift: number): number => ((magic >>> shift) & 0x7f) | 0x80;
    this.bytes = Uint8Array.of(FIRST, group(0), group(7), group(14), group(21), magic >>> 28, LAST);
    const words = new DataView(this.bytes.buffer);
    this.head = words.getInt32(0, true);
    this.tail = words.getInt32(3, true);
    this.bytes.forEach((byte, index) => {
      const shift = PREFIX_LENGTH - 1 - index;
      if (this.#shift[byte] !== PREFIX_LENGTH) this.#step[byte] = shift + 1;
      this.#shift[byte] = shift;
    });
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
   *
   * Looks at the last byte of a window of seven. One that is in the prefix leaves one place where the prefix can begin, and
   * if `08` is not there, none. So no filler is slow, not even one of the prefix's own bytes.
   */
  find(buffer: Uint8Array, mask: number, from: number, end: number): number {
    const shifts = this.#shift;
    const steps = this.#step;
    let p = from;
    for (const last = end - PREFIX_LENGTH; p <= last; ) {
      const byte = buffer[(p + 6) & mask]!;
      const shift = shifts[byte]!;
      // Constant steps where there are many: a length from a table is waited for before the next byte can be loaded.
      if (shift === PREFIX_LENGTH) {
        p += PREFIX_LENGTH;
      } else if (buffer[(p + shift) & mask] !== FIRST) {
        const step = steps[byte]!;
        if (step === PREFIX_LENGTH) p += PREFIX_LENGTH;
        else if (step === 3) p += 3;
        else p += step;
      } else if (shift > 0) {
        p += shift;
      } else if (this.matched(buffer, mask, p, end) === PREFIX_LENGTH) {
        return p;
      } else {
        p += PREFIX_LENGTH;
      }
    }
    for (; p < end; p++) {
      if (buffer[p & mask] === FIRST && this.matched(buffer, mask, p, end) === end - p) return ~p;
    }
    return ~end;
  }
}
