/** Repeatable noise: every benchmark feeds the same bytes in every run and on every machine. */

/** A generator of numbers from 0 (inclusive) to 1 (exclusive): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** `length` bytes of noise. */
export function randomBytes(length: number, seed = 1): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = random() * 256;
  return bytes;
}
