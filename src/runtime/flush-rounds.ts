/**
 * Flushes the links that a broadcast was written to, 1 ms of them per event-loop turn: one write costs the system 10 to 20 µs, and a
 * thousand of them in a row would delay every other connection. docs/decisions/broadcast-rounds.md
 */
import type { Clock } from "./clock.js";
import { Queue } from "./queue.js";

/** Time for flushes in each event-loop turn, in milliseconds. */
const ROUND_MS = 1;

export interface FlushedLink {
  /** Flushes the frames of broadcasts, unless they have left with others. Must not throw. */
  flushFromMany(): void;
}

export class FlushRounds {
  readonly #clock: Clock;
  readonly #queue = new Queue<FlushedLink>();
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Queues `link`. The caller adds a link that is queued already no second time. */
  add(link: FlushedLink): void {
    this.#queue.push(link);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.defer(this.#round);
  }

  readonly #round = (): void => {
    this.#scheduled = false;
    const end = this.#clock.now() + ROUND_MS;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      next.flushFromMany();
      if (this.#queue.length > 0 && this.#clock.now() >= end) return this.#nextRound();
    }
  };

  #nextRound(): void {
    this.#scheduled = true;
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, this.#round);
    else this.#clock.yield(this.#round);
  }
}
