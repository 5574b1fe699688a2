/** Many timers over one: a server's thousands of connections each keep a few, most of which are disarmed or moved before they run. */
import type { Clock, Sleeper, Timer } from "./clock.js";
import { Heap, type HeapEntry } from "./heap.js";

/** What is due at once runs for so long before others have a turn, in milliseconds: deadlines of a crowd end together. */
const ROUND_MS = 1;

/** What can be in the queue, once at a time. Who always has a timer is its own entry, and is spared one for each. */
export interface QueueEntry extends HeapEntry {
  run(): void;
}

class QueuedTimer implements QueueEntry, Timer {
  at = 0;
  place = -1;
  readonly #target: Sleeper | (() => void);
  readonly #queue: TimerQueue;

  constructor(target: Sleeper | (() => void), queue: TimerQueue) {
    this.#target = target;
    this.#queue = queue;
  }

  run(): void {
    const target = this.#target;
    if (typeof target === "function") target();
    else target.wake();
  }

  cancel(): void {
    this.#queue.disarm(this);
  }
}

/** A clock whose timers are entries in a heap, and one timer of the clock below, set to the nearest. */
export class TimerQueue implements Clock {
  readonly #clock: Clock;
  readonly #heap = new Heap<QueueEntry>();
  #armed: Timer | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  defer(run: () => void): void {
    this.#clock.defer(run);
  }

  yield(run: () => void): void {
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, run);
    else this.#clock.yield(run);
  }

  setTimer(delayMs: number, run: () => void): Timer {
    return this.#timer(delayMs, run);
  }

  setAlarm(delayMs: number, sleeper: Sleeper): Timer {
    return this.#timer(delayMs, sleeper);
  }

  /** Runs `entry` at this time of the clock, and not when it was to run before. */
  arm(entry: QueueEntry, at: number): void {
    this.#heap.remove(entry);
    entry.at = Math.ceil(at);
    this.#heap.push(entry);
    this.#setTimer();
  }

  /** Harmless for an entry that is not armed. */
  disarm(entry: QueueEntry): void {
    this.#heap.remove(entry);
    // A timer that fires for nobody costs less than setting it anew each time; only an empty queue must not keep the process alive.
    if (this.#heap.size === 0) this.#cancelTimer();
  }

  #timer(delayMs: number, target: Sleeper | (() => void)): Timer {
    const timer = new QueuedTimer(target, this);
    this.arm(timer, this.#clock.now() + delayMs);
    return timer;
  }

  #setTimer(): void {
    const next = this.#heap.first;
    if (next === undefined || next.at >= this.#armedFor) return;
    this.#armed?.cancel();
    this.#armedFor = next.at;
    this.#armed = this.#clock.setTimer(Math.max(0, next.at - this.#clock.now()), () => this.#fire());
  }

  #cancelTimer(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#armed = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    try {
      for (let next = this.#heap.first; next !== undefined && next.at <= now; next = this.#heap.first) {
        this.#heap.remove(next);
        next.run();
        if (this.#clock.now() - now >= ROUND_MS) break;
      }
    } finally {
      this.#setTimer();
    }
  }
}
