import { VirtualClock } from "../../src/testing/virtual-clock.js";

/** A clock on which work takes time, and whose rounds of the event loop a test makes itself. */
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
