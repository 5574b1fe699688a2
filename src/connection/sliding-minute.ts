/** Counts over the last minute, in six slices of ten seconds: cheap, and never more than ten seconds off. */
const SLICE_MS = 10_000;
const SLICES = 6;

export class SlidingMinute {
  readonly #counts = new Uint32Array(SLICES);
  #slice = Number.NEGATIVE_INFINITY;
  #total = 0;

  add(now: number): void {
    this.#turn(now);
    this.#counts[this.#slice % SLICES]!++;
    this.#total++;
  }

  total(now: number): number {
    this.#turn(now);
    return this.#total;
  }

  #turn(now: number): void {
    const slice = Math.floor(now / SLICE_MS);
    if (slice - this.#slice >= SLICES) {
      this.#counts.fill(0);
      this.#total = 0;
    } else {
      for (let old = this.#slice + 1; old <= slice; old++) {
        this.#total -= this.#counts[old % SLICES]!;
        this.#counts[old % SLICES] = 0;
      }
    }
    if (slice > this.#slice) this.#slice = slice;
  }
}
