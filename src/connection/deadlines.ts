/**
 * One timer for many deadlines, set to the nearest. Those that are met cost nothing: nobody takes them out, a later
 * look just does not find them any more.
 */
import { type Clock, type Sleeper, setAlarm, type Timer } from "./clock.js";

/** Whose deadlines they are. */
export interface DeadlineOwner {
  /** Ends what is due at `now` and gives the nearest deadline left, Infinity if there is none. */
  expire(now: number): number;
}

export class Deadlines implements Sleeper {
  readonly #clock: Clock;
  readonly #owner: DeadlineOwner;
  /** The nearest, while there is a timer; in whole milliseconds, as a fraction would take memory of its own. */
  #at = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, owner: DeadlineOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /** There is a deadline at this time of the clock. */
  add(at: number): void {
    if (at === Number.POSITIVE_INFINITY || (this.#timer !== undefined && at >= this.#at)) return;
    this.#timer?.cancel();
    this.#at = Math.ceil(at);
    this.#timer = setAlarm(this.#clock, Math.max(0, this.#at - this.#clock.now()), this);
  }

  /** @internal */
  wake(): void {
    this.clear();
    this.add(this.#owner.expire(this.#clock.now()));
  }

  /** There is none any more. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
