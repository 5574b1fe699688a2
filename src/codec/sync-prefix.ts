/** The seven bytes every frame begins with, and the search for them. docs/wire.md section 2; docs/decisions/scan.md. */

/** Length of the prefix `08 MAGIC 10`. */
export const PREFIX_LENGTH = 7;

const FIRST = 0x08;
const LAST = 0x10;

/** In `#before`: this byte is not in the prefix. */
const ABSENT = -1;
/** In `#before`: this byte begins the prefix, or stands in it more than once; what comes before it tells nothing. */
const ANY = -2;

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
  /** For each byte: how far its last place in the prefix is from the prefix's end. */
  readonly #shift = new Uint8Array(256);
  /** For each byte: the byte before its only place in the prefix, or ABSENT, or ANY. */
  readonly #before = new Int16Array(256).fill(ABSENT);

  constructor(magic: number) {
    this.magic = magic;
    const group = (shift: number): number => ((magic >>> shift) & 0x7f) | 0x80;
    this.bytes = Uint8Array.of(FIRST, group(0), group(7), group(14), group(21), magic >>> 28, LAST);
    const words = new DataView(this.bytes.buffer);
    this.head = words.getInt32(0, true);
    this.tail = words.getInt32(3, true);
    this.bytes.forEach((byte, index) => {
      this.#shift[byte] = PREFIX_LENGTH - 1 - index;
      this.#before[byte] = index === 0 || this.#before[byte] !== ABSENT ? ANY : this.bytes[index - 1]!;
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
   * Looks at the last byte of a window of seven, and if that one is in the prefix at the one before it. Where the two do
   * not fit, no window with both can be the prefix. So no filler is slow, not even the prefix's own bytes.
   */
  find(buffer: Uint8Array, mask: number, from: number, end: number): number {
    const befores = this.#before;
    const shifts = this.#shift;
    let p = from;
    for (const last = end - PREFIX_LENGTH; p <= last; ) {
      const byte = buffer[(p + 6) & mask]!;
      const before = befores[byte]!;
      // Steps of constant length where there is one: a length from a table is waited for before the next byte can be loaded.
      if (before === ABSENT) {
        p += PREFIX_LENGTH;
      } else if (before >= 0 && buffer[(p + 5) & mask] !== before) {
        p += PREFIX_LENGTH;
      } else if (byte === FIRST) {
        p += PREFIX_LENGTH - 1;
      } else if (byte === LAST) {
        if (this.matched(buffer, mask, p, end) === PREFIX_LENGTH) return p;
        p += PREFIX_LENGTH;
      } else {
        const shift = shifts[byte]!;
        // Of all that repeat, a byte that stands before the last of the magic is the slowest.
        p += shift === 2 ? 2 : shift;
      }
    }
    for (; p < end; p++) {
      if (buffer[p & mask] === FIRST && this.matched(buffer, mask, p, end) === end - p) return ~p;
    }
    return ~end;
  }
}
