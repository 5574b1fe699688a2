/**
 * Lets newcomers in one after the other: what the server does for each of a crowd that speaks up at once would keep those
 * waiting who are in. A crowd that comes back after a restart is let in no slower for it.
 */
import type { Clock } from "./clock.js";
import { Deque } from "./deque.js";

/** How long newcomers are let in for, in each round of the event loop, in milliseconds. */
const ROUND_MS = 1;

export class Entrance {
  readonly #clock: Clock;
  readonly #waiting = new Deque<() => void>();
  #spentMs = 0;
  #rounds = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the next to come is let in at once. */
  get free(): boolean {
    return this.#waiting.length === 0 && this.#spentMs < ROUND_MS;
  }

  /** Calls `letIn` now, and gives what it gives, or in one of the next rounds: then there is a promise of that. */
  enter(letIn: () => void | Promise<void>): void | Promise<void> {
    this.#nextRound();
    if (this.free) return this.#letIn(letIn);
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(this.#letIn(letIn));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #letIn(letIn: () => void | Promise<void>): void | Promise<void> {
    const began = this.#clock.now();
    try {
      return letIn();
    } finally {
      this.#spentMs += this.#clock.now() - began;
    }
  }

  #nextRound(): void {
    if (this.#rounds) return;
    this.#rounds = true;
    const round = () => {
      this.#rounds = false;
      this.#spentMs = 0;
      while (this.#waiting.length > 0 && this.#spentMs < ROUND_MS) this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#nextRound();
    };
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, round);
    else this.#clock.yield(round);
  }
}
