/** The generator of src/testing with what tests of bytes draw besides: a seed printed by a failing test brings the failure back. */
import { SeededRandom } from "../../src/testing/random.js";

export class Random extends SeededRandom {
  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    return this.next() * 2 ** 32;
  }

  /** An integer from `low` to `high`, both included: by the remainder, as the test vectors were drawn. */
  from(low: number, high: number): number {
    return low + (this.uint32() % (high - low + 1));
  }

  /** True in one of `n` cases. */
  oneIn(n: number): boolean {
    return this.uint32() % n === 0;
  }

  override pick<T>(items: readonly T[]): T {
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
