/** How long a session's round trips take, which its timers of loss go by. docs/wire.md section 5.6. */

/** A longer round trip than the estimate moves it by this part of the difference; a shorter one replaces it. */
const GAIN = 1 / 4;

/**
 * An estimate in milliseconds. It stays close to the shortest round trip, as most samples hold a peer's delay as well: one that
 * is too short costs a ping, one that is too long delays the recovery of a loss.
 */
export class RoundTrip {
  /** Below 0 before the first sample. */
  #ms = -1;

  /** Whether there was a sample on this link. */
  get measured(): boolean {
    return this.#ms >= 0;
  }

  sample(ms: number): void {
    this.#ms = this.#ms < 0 || ms < this.#ms ? ms : this.#ms + (ms - this.#ms) * GAIN;
  }

  /** Two round trips, and at least `leastMs`. */
  twice(leastMs: number): number {
    return Math.max(2 * this.#ms, leastMs);
  }

  /** Another link: nothing is known of it. */
  forget(): void {
    this.#ms = -1;
  }
}
