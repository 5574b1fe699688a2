/**
 * Memory for large messages that wait to be sent and for large frames: taken, and given back when nobody needs them any more. Fresh memory for each of them makes
 * V8 collect the whole heap every few dozen MB, at several times the cost of everything else that is done with them.
 */

/** Smaller ones get memory of their own: that of a spare one could be had for less. */
export const LEAST_SPARE = 4 * 1024;
const LARGEST_SPARE = 256 * 1024;
/** Bytes that wait here for the next message, at most, for the whole program. */
const MOST_BYTES = 1024 * 1024;

/** What is free, by size. */
const spares = new Map<number, Uint8Array[]>();
let spareBytes = 0;

/** At least `count` bytes and at most a quarter more, whose content does not matter. `count` is at least {@link LEAST_SPARE}. */
export function takeSpare(count: number): Uint8Array {
  const step = 2 ** (29 - Math.clz32(count));
  const size = Math.ceil(count / step) * step;
  const spare = spares.get(size)?.pop();
  if (spare === undefined) return new Uint8Array(size);
  spareBytes -= size;
  return spare;
}

/** Gives back what {@link takeSpare} gave. Nobody reads it any more. */
export function giveSpare(bytes: Uint8Array): void {
  const size = bytes.length;
  if (size > LARGEST_SPARE || spareBytes + size > MOST_BYTES) return;
  const free = spares.get(size);
  if (free === undefined) spares.set(size, [bytes]);
  else free.push(bytes);
  spareBytes += size;
}
