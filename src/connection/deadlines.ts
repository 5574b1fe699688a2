/**
 * One timer for many deadlines, set to the nearest. Those that are met cost nothing: nobody takes them out, a later
 * look just does not find them any more.
 */
import type { Clock, Timer } from "./clock.js";

export class Deadlines {
  readonly #clock: Clock;
  readonly #look: (now: number) => number;
  #at = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  /** `look` ends what is due at `now` and gives the nearest deadline left, Infinity if there is none. */
  constructor(clock: Clock, look: (now: number) => number) {
    this.#clock = clock;
    this.#look = look;
  }

  /** There is a deadline at this time of the clock. */
  add(at: number): void {
    if (at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), () => {
      this.clear();
      this.add(this.#look(this.#clock.now()));
    });
  }

  /** There is none any more. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
  }
}
