/** A small seeded generator of random numbers (mulberry32), so that a seed printed by a failing test brings the failure back. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** An integer from `low` to `high`, both included. */
  from(low: number, high: number): number {
    return low + (this.uint32() % (high - low + 1));
  }

  /** True in one of `n` cases. */
  oneIn(n: number): boolean {
    return this.uint32() % n === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.uint32() % items.length]!;
  }

  bytes(count: number): Uint8Array {
    return new Uint8Array(count).map(() => this.uint32() & 0xff);
  }
}

/** Cuts `length` bytes into chunks of random sizes up to `most`; the offsets in between. */
export function randomCuts(random: Random, length: number, most: number): number[] {
  const cuts: number[] = [];
  for (let at = random.from(0, most); at < length; at += random.from(1, most)) cuts.push(at);
  return cuts;
}
