/** Time, handed in: so that tests turn the clock by hand and nothing in the connection knows of timers. */

/** One armed timer. */
export interface Timer {
  /** Disarms it; harmless after it has run. */
  cancel(): void;
}

/** Who can be woken: an object in place of a function, for those of whom there are thousands. */
export interface Sleeper {
  wake(): void;
}

/** Where a connection gets its time from. */
export interface Clock {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Runs `run` once, `delayMs` from now. */
  setTimer(delayMs: number, run: () => void): Timer;
  /** Wakes `sleeper` once, `delayMs` from now. Default: a timer whose function does that. */
  setAlarm?(delayMs: number, sleeper: Sleeper): Timer;
  /** Runs `run` once the work at hand is done and before the event loop waits again. */
  defer(run: () => void): void;
  /** Runs `run` once the event loop has looked at everything else that waits. Default: a timer of 0 ms. */
  yield?(run: () => void): void;
}

/** Wakes `sleeper` once, `delayMs` from now. */
export function setAlarm(clock: Clock, delayMs: number, sleeper: Sleeper): Timer {
  return clock.setAlarm === undefined ? clock.setTimer(delayMs, () => sleeper.wake()) : clock.setAlarm(delayMs, sleeper);
}

/** setTimeout takes delays of up to 2^31-1 ms and runs longer ones at once. */
const LONGEST_DELAY = 0x7fff_ffff;

/**
 * On Node the queue that runs when all promises at hand have gone on: frames written by their continuations leave
 * together, and a lone one without a further turn of the event loop, which `setImmediate` would cost.
 */
const nextTick = (globalThis as { process?: { nextTick?: (run: () => void) => void } }).process?.nextTick;
const deferNative: (run: () => void) => void = nextTick ?? ((run) => queueMicrotask(() => queueMicrotask(run)));

/** Node looks a global of its own up anew, by a function, at each use. */
const { performance } = globalThis;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(delayMs, run) {
    const handle = setTimeout(run, Math.min(delayMs, LONGEST_DELAY));
    return { cancel: () => clearTimeout(handle) };
  },
  defer: deferNative,
  ...(typeof setImmediate === "function"
    ? {
        yield: (run: () => void) => {
          setImmediate(run);
        },
      }
    : {}),
};
