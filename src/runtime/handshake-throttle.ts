/**
 * Runs the work of handshakes one after the other, 1 ms of it per event-loop turn: a thousand clients that connect at once do not delay
 * the connections that are established. It does not make the handshakes themselves slower. docs/decisions/crowds.md
 */
import type { Clock } from "./clock.js";
import { Queue } from "./queue.js";

/** Time for handshakes in each event-loop turn, in milliseconds. */
const ROUND_MS = 1;

export class HandshakeThrottle {
  readonly #clock: Clock;
  readonly #queue = new Queue<() => void>();
  #spentMs = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the next task runs at once. */
  get free(): boolean {
    return this.#queue.length === 0 && this.#spentMs < ROUND_MS;
  }

  /** Runs `task` now and returns its result, or in one of the next event-loop turns: then it returns a promise of the result. */
  run(task: () => void | Promise<void>): void | Promise<void> {
    this.#schedule();
    if (this.free) return this.#timed(task);
    return new Promise((resolve, reject) => {
      this.#queue.push(() => {
        try {
          resolve(this.#timed(task));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #timed(task: () => void | Promise<void>): void | Promise<void> {
    const startedMs = this.#clock.now();
    try {
      return task();
    } finally {
      this.#spentMs += this.#clock.now() - startedMs;
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const round = () => {
      this.#scheduled = false;
      this.#spentMs = 0;
      while (this.#queue.length > 0 && this.#spentMs < ROUND_MS) this.#queue.shift()?.();
      if (this.#queue.length > 0) this.#schedule();
    };
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, round);
    else this.#clock.yield(round);
  }
}
