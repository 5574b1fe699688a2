/** Counts over the last minute, in six slices of ten seconds: cheap, and never more than ten seconds off. */
const SLICE_MS = 10_000;
const SLICES = 6;

export class SlidingMinute {
  /** Counts of the slices before the current one; made when there is a second slice with something in it. */
  #older: number[] | undefined;
  #current = 0;
  #slice = 0;

  add(now: number): void {
    const slice = Math.floor(now / SLICE_MS);
    if (slice > this.#slice) this.#turn(slice);
    this.#current++;
  }

  total(now: number): number {
    const slice = Math.floor(now / SLICE_MS);
    if (slice > this.#slice) this.#turn(slice);
    let total = this.#current;
    if (this.#older !== undefined) for (const count of this.#older) total += count;
    return total;
  }

  #turn(slice: number): void {
    const passed = slice - this.#slice;
    if (passed >= SLICES) {
      this.#older = undefined;
    } else if (this.#older !== undefined || this.#current > 0) {
      this.#older ??= [0, 0, 0, 0, 0];
      this.#older.unshift(this.#current, ...new Array<number>(passed - 1).fill(0));
      this.#older.length = SLICES - 1;
    }
    this.#current = 0;
    this.#slice = slice;
  }
}
