/** Many timers over one: a server's thousands of connections each keep a few, most of which are disarmed or moved before they run. */
import type { Clock, Sleeper, Timer } from "./clock.js";

/** What is due at once runs for so long before others have a turn, in milliseconds: deadlines of a crowd end together. */
const ROUND_MS = 1;

/** What can be in the queue, once at a time. Who always has a timer is its own entry, and is spared one for each. */
export interface QueueEntry {
  /** When it is due, in whole milliseconds: a fraction would cost each entry memory of its own. Belongs to the queue while it is armed. */
  at: number;
  /** Index in the heap; -1 = not armed. Belongs to the queue. */
  place: number;
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
  readonly #heap: QueueEntry[] = [];
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
    this.#remove(entry);
    entry.at = Math.ceil(at);
    entry.place = this.#heap.length;
    this.#heap.push(entry);
    this.#rise(entry);
    this.#setTimer();
  }

  /** Harmless for an entry that is not armed. */
  disarm(entry: QueueEntry): void {
    this.#remove(entry);
    // A timer that fires for nobody costs less than setting it anew each time; only an empty queue must not keep the process alive.
    if (this.#heap.length === 0) this.#cancelTimer();
  }

  #timer(delayMs: number, target: Sleeper | (() => void)): Timer {
    const timer = new QueuedTimer(target, this);
    this.arm(timer, this.#clock.now() + delayMs);
    return timer;
  }

  #remove(entry: QueueEntry): void {
    if (entry.place === -1) return;
    const last = this.#heap.pop() as QueueEntry;
    if (last !== entry) {
      this.#put(last, entry.place);
      this.#rise(last);
      this.#sink(last);
    }
    entry.place = -1;
  }

  #setTimer(): void {
    const next = this.#heap[0];
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
      for (let next = this.#heap[0]; next !== undefined && next.at <= now; next = this.#heap[0]) {
        this.#remove(next);
        next.run();
        if (this.#clock.now() - now >= ROUND_MS) break;
      }
    } finally {
      this.#setTimer();
    }
  }

  #rise(entry: QueueEntry): void {
    while (entry.place > 0) {
      const parent = this.#heap[(entry.place - 1) >> 1] as QueueEntry;
      if (parent.at <= entry.at) return;
      this.#swap(parent, entry);
    }
  }

  #sink(entry: QueueEntry): void {
    for (;;) {
      const left = this.#heap[entry.place * 2 + 1];
      const right = this.#heap[entry.place * 2 + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || entry.at <= child.at) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: QueueEntry, b: QueueEntry): void {
    const { place } = a;
    this.#put(a, b.place);
    this.#put(b, place);
  }

  #put(entry: QueueEntry, place: number): void {
    this.#heap[place] = entry;
    entry.place = place;
  }
}
