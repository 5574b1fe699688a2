/** A clock for tests over real sockets: timers run when the test says so, everything else goes on by itself. */
import { VirtualClock } from "../../src/testing/virtual-clock.js";

export class HandClock extends VirtualClock {
  override defer(run: () => void): void {
    setImmediate(run);
  }

  yield(run: () => void): void {
    setImmediate(run);
  }
}
