/** The virtual clock of src/testing is the clock of the unit tests. These two differ from it in what runs between two moments of it. */
import { VirtualClock } from "../../src/testing/virtual-clock.js";

/** For tests over real sockets, whose bytes arrive in turns of the real event loop: timers run when the test moves time, everything else by itself. */
export class HandClock extends VirtualClock {
  override defer(run: () => void): void {
    setImmediate(run);
  }

  yield(run: () => void): void {
    setImmediate(run);
  }
}

/** For tests of scheduling: work takes time, and the test makes each turn of the event loop. */
export class BusyClock extends VirtualClock {
  #worked = 0;
  #waiting: (() => void)[] = [];

  override now(): number {
    return super.now() + this.#worked;
  }

  work(ms: number): void {
    this.#worked += ms;
  }

  yield(run: () => void): void {
    this.#waiting.push(run);
  }

  round(): void {
    for (const run of this.#waiting.splice(0)) run();
  }
}
