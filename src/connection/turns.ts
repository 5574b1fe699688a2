/** Peers that send a lot take turns: one of them in each round of the event loop, however many there are. */
import type { Clock } from "./clock.js";
import { Deque } from "./deque.js";

/** Whoever sends little is looked at in every round, and so waits for the work of one heavy sender at most. */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting = new Deque<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `goOn` when its turn has come. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn);
    if (this.#waiting.length === 1) this.#nextRound();
  }

  #nextRound(): void {
    const run = () => {
      const goOn = this.#waiting.shift();
      if (this.#waiting.length > 0) this.#nextRound();
      goOn?.();
    };
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, run);
    else this.#clock.yield(run);
  }
}
