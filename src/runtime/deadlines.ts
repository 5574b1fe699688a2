/** Deadlines of calls. A timer for each does; on Node deadline-queue.ts costs less, and its entries put that in place. */
import type { Clock, Timer } from "./clock.js";
import type { HeapEntry } from "./heap.js";

/** Whose deadlines they are. */
export interface DeadlineOwner<E> {
  /** The deadline of `entry` has passed. */
  expired(entry: E): void;
}

export interface Deadlines<E> {
  /** `entry` has a deadline at this time of the clock; Infinity = none. */
  add(entry: E, at: number): void;
  /** It has none any more. */
  remove(entry: E): void;
  /** Lets a timer go that runs for no entry. */
  clear(): void;
}

class TimerForEach<E> implements Deadlines<E> {
  readonly #clock: Clock;
  readonly #owner: DeadlineOwner<E>;
  readonly #timers = new Map<E, Timer>();

  constructor(clock: Clock, owner: DeadlineOwner<E>) {
    this.#clock = clock;
    this.#owner = owner;
  }

  add(entry: E, at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    const run = () => {
      this.#timers.delete(entry);
      // A timer may run early: no platform waits for months.
      if (this.#clock.now() < at) this.add(entry, at);
      else this.#owner.expired(entry);
    };
    this.#timers.set(entry, this.#clock.setTimer(Math.max(0, Math.ceil(at) - this.#clock.now()), run));
  }

  remove(entry: E): void {
    this.#timers.get(entry)?.cancel();
    this.#timers.delete(entry);
  }

  clear(): void {}
}

type Provided = new <E extends HeapEntry>(clock: Clock, owner: DeadlineOwner<E>) => Deadlines<E>;

let ProvidedDeadlines: Provided = TimerForEach;

/** Makes all deadlines from here on be kept in one of `provided`. */
export function provideDeadlines(provided: Provided): void {
  ProvidedDeadlines = provided;
}

export function newDeadlines<E extends HeapEntry>(clock: Clock, owner: DeadlineOwner<E>): Deadlines<E> {
  return new ProvidedDeadlines(clock, owner);
}
