/** Many timers over one: a server's thousands of connections each keep a few, most of which are disarmed or moved before they run. */
import type { Clock, Timer } from "./clock.js";

class QueuedTimer implements Timer {
  readonly at: number;
  readonly run: () => void;
  readonly #queue: TimerQueue;
  /** Index in the heap; -1 = not armed any more. */
  place = -1;

  constructor(at: number, run: () => void, queue: TimerQueue) {
    this.at = at;
    this.run = run;
    this.#queue = queue;
  }

  cancel(): void {
    this.#queue.remove(this);
  }
}

/** A clock whose timers are entries in a heap, and one timer of the clock below, set to the nearest. */
export class TimerQueue implements Clock {
  readonly #clock: Clock;
  readonly #heap: QueuedTimer[] = [];
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
    const timer = new QueuedTimer(this.#clock.now() + delayMs, run, this);
    timer.place = this.#heap.length;
    this.#heap.push(timer);
    this.#rise(timer);
    this.#arm();
    return timer;
  }

  /** @internal */
  remove(timer: QueuedTimer): void {
    if (timer.place === -1) return;
    const last = this.#heap.pop() as QueuedTimer;
    if (last !== timer) {
      this.#put(last, timer.place);
      this.#rise(last);
      this.#sink(last);
    }
    timer.place = -1;
    // A timer that fires for nobody costs less than setting it anew each time; only an empty queue must not keep the process alive.
    if (this.#heap.length === 0) this.#disarm();
  }

  #arm(): void {
    const next = this.#heap[0];
    if (next === undefined || next.at >= this.#armedFor) return;
    this.#armed?.cancel();
    this.#armedFor = next.at;
    this.#armed = this.#clock.setTimer(Math.max(0, next.at - this.#clock.now()), () => this.#fire());
  }

  #disarm(): void {
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
        this.remove(next);
        next.run();
      }
    } finally {
      this.#arm();
    }
  }

  #rise(timer: QueuedTimer): void {
    while (timer.place > 0) {
      const parent = this.#heap[(timer.place - 1) >> 1] as QueuedTimer;
      if (parent.at <= timer.at) return;
      this.#swap(parent, timer);
    }
  }

  #sink(timer: QueuedTimer): void {
    for (;;) {
      const left = this.#heap[timer.place * 2 + 1];
      const right = this.#heap[timer.place * 2 + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || timer.at <= child.at) return;
      this.#swap(timer, child);
    }
  }

  #swap(a: QueuedTimer, b: QueuedTimer): void {
    const { place } = a;
    this.#put(a, b.place);
    this.#put(b, place);
  }

  #put(timer: QueuedTimer, place: number): void {
    this.#heap[place] = timer;
    timer.place = place;
  }
}
