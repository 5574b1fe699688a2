/** The seven bytes every frame begins with, and the search for them. docs/wire.md section 2; docs/decisions/scan.md. */

/** Length of the prefix `08 MAGIC 10`. */
export const PREFIX_LENGTH = 7;

const FIRST = 0x08;
const LAST = 0x10;

const NOWHERE = 7;
const SEVERAL = 8;

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
  /** The magic's first four bytes, likewise. */
  readonly #four: number;
  /** For each byte: its place in the prefix, 0 to 6; NOWHERE if it has none, SEVERAL if it has more than one. */
  readonly #places = new Uint8Array(256).fill(NOWHERE);

  constructor(magic: number) {
    this.magic = magic;
    const group = (shift: number): number => ((magic >>> shift) & 0x7f) | 0x80;
    this.bytes = Uint8Array.of(FIRST, group(0), group(7), group(14), group(21), magic >>> 28, LAST);
    const words = new DataView(this.bytes.buffer);
    this.head = words.getInt32(0, true);
    this.tail = words.getInt32(3, true);
    this.#four = words.getInt32(1, true);
    this.bytes.forEach((byte, place) => {
      this.#places[byte] = this.#places[byte] === NOWHERE ? place : SEVERAL;
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
   * Looks at every seventh byte: each place for the prefix has one of those in it. One that is in the prefix leaves one
   * place where that can begin, and if `08` is not there, none. So no filler is slow, not even one of the prefix's own bytes.
   */
  find(buffer: Uint8Array, mask: number, from: number, end: number): number {
    const places = this.#places;
    const four = this.#four;
    const fifth = this.bytes[5]!;
    const last = end - PREFIX_LENGTH;
    for (let at = from + PREFIX_LENGTH - 1; at < end; at += PREFIX_LENGTH) {
      const place = places[buffer[at & mask]!]!;
      if (place === NOWHERE) continue;
      let start = at - place;
      // Only a byte of the magic can have several, and 08 has one: the nearest 08 is the only one that may belong to it.
      if (place === SEVERAL) start = at - toNearestFirst(buffer, mask, at);
      if (
        buffer[start & mask] === FIRST &&
        start <= last &&
        buffer[(start + 6) & mask] === LAST &&
        buffer[(start + 5) & mask] === fifth &&
        wordAt(buffer, mask, start + 1) === four
      ) {
        return start;
      }
    }
    for (let p = Math.max(from, last + 1); p < end; p++) {
      if (buffer[p & mask] === FIRST && this.matched(buffer, mask, p, end) === end - p) return ~p;
    }
    return ~end;
  }
}

/** Four bytes at once: to compare them is one decision, and no filler makes the processor guess wrong at each byte. */
function wordAt(buffer: Uint8Array, mask: number, at: number): number {
  return buffer[at & mask]! | (buffer[(at + 1) & mask]! << 8) | (buffer[(at + 2) & mask]! << 16) | (buffer[(at + 3) & mask]! << 24);
}

/** How far in front of `at` the nearest 08 is, of four bytes; 4 if none of the nearest three is one. */
function toNearestFirst(buffer: Uint8Array, mask: number, at: number): number {
  if (buffer[(at - 1) & mask] === FIRST) return 1;
  if (buffer[(at - 2) & mask] === FIRST) return 2;
  return buffer[(at - 3) & mask] === FIRST ? 3 : 4;
}
