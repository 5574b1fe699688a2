/** A clock that a test turns by hand. */
import type { Clock, Timer } from "../runtime/clock.js";

interface Armed {
  readonly at: number;
  /** Timers of one moment run in the order they were armed. */
  readonly order: number;
  readonly run: () => void;
  /** Place in the heap; -1 = not armed any more. */
  place: number;
}

/**
 * Time that stands still until a test moves it, for `createServer({ clock })`, `createClient(url, { clock })` and
 * everything in this module. Two runs of the same test run the same timers in the same order.
 *
 * Promises go on between two timers as they do in real life: that is why the methods that move time are asynchronous.
 * Work outside of this clock (sockets, files, `setTimeout`) is not waited for.
 */
export class VirtualClock implements Clock {
  readonly #timers: Armed[] = [];
  #deferred: (() => void)[] = [];
  #now: number;
  #order = 0;

  /** The clock starts at `now` milliseconds, default 0. */
  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Timers that are armed: a test can see that none was forgotten. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const armed: Armed = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run, place: -1 };
    this.#insert(armed);
    return { cancel: () => this.#remove(armed) };
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Moves time by `ms`, running what comes due on the way, each timer at its own time. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settle();
    for (let next = this.#timers[0]; next !== undefined && next.at <= end; next = this.#timers[0]) await this.#turnTo(next);
    this.#now = end;
  }

  /** Runs what is due now, and what that brings about, until nothing is left to do at this moment. */
  runUntilIdle(): Promise<void> {
    return this.advance(0);
  }

  /**
   * Moves time from timer to timer until `condition` holds; gives the milliseconds that took.
   * @throws Error if it does not within `limitMs` (default one hour), or no timer is left
   */
  async runUntil(condition: () => boolean, limitMs = 3_600_000): Promise<number> {
    const start = this.#now;
    await this.#settle();
    while (!condition()) {
      const next = this.#timers[0];
      if (next === undefined) throw new Error(`nothing is left to run, and the condition does not hold at ${this.#now} ms`);
      if (next.at - start > limitMs) throw new Error(`the condition does not hold after ${limitMs} ms`);
      await this.#turnTo(next);
    }
    return this.#now - start;
  }

  async #turnTo(timer: Armed): Promise<void> {
    this.#now = Math.max(this.#now, timer.at);
    this.#remove(timer);
    timer.run();
    await this.#settle();
  }

  /** Lets promises go on and runs what was deferred, in turns, until neither has anything left. */
  async #settle(): Promise<void> {
    for (;;) {
      await microtasks();
      const deferred = this.#deferred;
      if (deferred.length === 0) return;
      this.#deferred = [];
      for (const run of deferred) run();
    }
  }

  // A binary heap: thousands of clients keep thousands of timers, most of which are disarmed before they run.

  #insert(armed: Armed): void {
    armed.place = this.#timers.length;
    this.#timers.push(armed);
    this.#rise(armed);
  }

  #remove(armed: Armed): void {
    if (armed.place === -1) return;
    const last = this.#timers.pop() as Armed;
    if (last !== armed) {
      this.#put(last, armed.place);
      this.#rise(last);
      this.#sink(last);
    }
    armed.place = -1;
  }

  #rise(armed: Armed): void {
    while (armed.place > 0) {
      const parent = this.#timers[(armed.place - 1) >> 1] as Armed;
      if (before(parent, armed)) return;
      this.#swap(parent, armed);
    }
  }

  #sink(armed: Armed): void {
    for (;;) {
      const left = this.#timers[armed.place * 2 + 1];
      const right = this.#timers[armed.place * 2 + 2];
      const child = right !== undefined && left !== undefined && before(right, left) ? right : left;
      if (child === undefined || before(armed, child)) return;
      this.#swap(armed, child);
    }
  }

  #swap(a: Armed, b: Armed): void {
    const { place } = a;
    this.#put(a, b.place);
    this.#put(b, place);
  }

  #put(armed: Armed, place: number): void {
    this.#timers[place] = armed;
    armed.place = place;
  }
}

function before(a: Armed, b: Armed): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when every promise that can go on has gone on. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
