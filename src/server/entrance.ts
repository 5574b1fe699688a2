/**
 * Lets newcomers in one after the other: Node accepts a whole backlog at once, and what the server does for each of a crowd would
 * keep those waiting who are in. A crowd that comes back after a restart is let in no slower for it.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../connection/clock.js";
import { Deque } from "../connection/deque.js";

/** How long newcomers are let in for, in each round of the event loop, in milliseconds. */
const ROUND_MS = 1;

/** When more than this many wait, each that comes lets the first in at once: they hold descriptors. */
const MOST_WAITING = 1024;

const ignore = () => {};

interface Waiting {
  readonly socket: Duplex;
  readonly letIn: () => void;
}

export class Entrance {
  readonly #clock: Clock;
  readonly #waiting = new Deque<Waiting>();
  #spentMs = 0;
  #rounds = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `letIn`, now or in one of the next rounds. Nobody listens to `socket` before, and it reads nothing. */
  enter(socket: Duplex, letIn: () => void): void {
    if (this.#waiting.length === 0 && this.#spentMs < ROUND_MS) {
      this.#letIn(letIn);
    } else {
      // One that breaks meanwhile is found broken by whoever takes it.
      socket.on("error", ignore);
      this.#waiting.push({ socket, letIn });
      if (this.#waiting.length > MOST_WAITING) this.#next();
    }
    this.#nextRound();
  }

  #letIn(letIn: () => void): void {
    const began = this.#clock.now();
    letIn();
    this.#spentMs += this.#clock.now() - began;
  }

  #next(): void {
    const { socket, letIn } = this.#waiting.shift() as Waiting;
    socket.off("error", ignore);
    this.#letIn(letIn);
  }

  #nextRound(): void {
    if (this.#rounds) return;
    this.#rounds = true;
    const round = () => {
      this.#rounds = false;
      this.#spentMs = 0;
      while (this.#waiting.length > 0 && this.#spentMs < ROUND_MS) this.#next();
      if (this.#waiting.length > 0) this.#nextRound();
    };
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, round);
    else this.#clock.yield(round);
  }
}
