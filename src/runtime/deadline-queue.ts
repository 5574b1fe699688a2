/** One timer for many deadlines, set to the nearest. One that is met leaves the timer as it is: a later look just does not find it any more. */
import { type Clock, type Sleeper, setAlarm, type Timer } from "./clock.js";
import type { DeadlineOwner, Deadlines } from "./deadlines.js";
import { Heap, type HeapEntry } from "./heap.js";

export class DeadlineQueue<E extends HeapEntry> implements Deadlines<E>, Sleeper {
  readonly #clock: Clock;
  readonly #owner: DeadlineOwner<E>;
  readonly #entries = new Heap<E>();
  /** When the timer runs, while there is one. */
  #at = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, owner: DeadlineOwner<E>) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /** `entry` has a deadline at this time of the clock; Infinity = none. */
  add(entry: E, at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    entry.at = Math.ceil(at);
    this.#entries.push(entry);
    this.#watch();
  }

  /** It has none any more. */
  remove(entry: E): void {
    this.#entries.remove(entry);
  }

  /** @internal */
  wake(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (let next = this.#entries.first; next !== undefined && next.at <= now; next = this.#entries.first) {
      this.#entries.remove(next);
      this.#owner.expired(next);
    }
    this.#watch();
  }

  /** Lets the timer go if it runs for no entry any more. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#watch();
  }

  #watch(): void {
    const next = this.#entries.first;
    if (next === undefined || (this.#timer !== undefined && next.at >= this.#at)) return;
    this.#timer?.cancel();
    this.#at = next.at;
    this.#timer = setAlarm(this.#clock, Math.max(0, next.at - this.#clock.now()), this);
  }
}
