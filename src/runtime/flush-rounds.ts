/**
 * Hands messages that go to many to their sockets, a little in each round of the event loop: what the system does for one write,
 * done a thousand times without a pause, would keep everybody's calls waiting.
 */
import type { Clock } from "./clock.js";
import { Deque } from "./deque.js";

/** How long links are flushed for in each round, in milliseconds. */
const ROUND_MS = 1;

export interface FlushedLink {
  /** Hands over what was written for many, unless it has left with something else. Throws nothing. */
  flushFromMany(): void;
}

export class FlushRounds {
  readonly #clock: Clock;
  readonly #waiting = new Deque<FlushedLink>();
  #coming = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Flushes `link` behind those that wait already. The caller sees to it that each waits once. */
  add(link: FlushedLink): void {
    this.#waiting.push(link);
    if (this.#coming) return;
    this.#coming = true;
    this.#clock.defer(this.#round);
  }

  readonly #round = (): void => {
    this.#coming = false;
    const end = this.#clock.now() + ROUND_MS;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.flushFromMany();
      if (this.#waiting.length > 0 && this.#clock.now() >= end) return this.#nextRound();
    }
  };

  #nextRound(): void {
    this.#coming = true;
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, this.#round);
    else this.#clock.yield(this.#round);
  }
}
