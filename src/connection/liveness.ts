/** When to ask for a sign of life, and when to give a peer up. Pure state; the link owns the timer. */

/** What to do now, and after how many milliseconds to look again. */
export interface LivenessVerdict {
  readonly action: "none" | "ping" | "dead";
  readonly lookAgainMs: number;
}

/**
 * Any received byte counts as life. A ping goes out after `intervalMs` of silence; a peer that stays silent for
 * `timeoutMs` after it is dead. A check that comes late, as in a suspended page, still pings first. While our own
 * bytes are going out the peer's pong may be stuck behind them, so that progress in sending counts as life too.
 */
export class Liveness {
  readonly intervalMs: number;
  readonly timeoutMs: () => number;
  #lastReceived: number;
  #waitingSince: number | undefined;
  #flushedBytes = 0;

  constructor(intervalMs: number, timeoutMs: () => number, now: number) {
    this.intervalMs = intervalMs;
    this.timeoutMs = timeoutMs;
    this.#lastReceived = now;
  }

  received(now: number): void {
    this.#lastReceived = now;
    this.#waitingSince = undefined;
  }

  /** A ping is about to go out by other means (a probe after a network change). */
  expect(now: number): void {
    this.#waitingSince ??= now;
  }

  /** `flushedBytes`: all bytes that have left so far. */
  check(now: number, flushedBytes: number): LivenessVerdict {
    const progressed = flushedBytes > this.#flushedBytes;
    this.#flushedBytes = flushedBytes;
    if (this.#waitingSince === undefined) {
      const silence = now - this.#lastReceived;
      if (silence < this.intervalMs) return { action: "none", lookAgainMs: this.intervalMs - silence };
      this.#waitingSince = now;
      return { action: "ping", lookAgainMs: this.timeoutMs() / 4 };
    }
    if (progressed) this.#waitingSince = now;
    const left = this.timeoutMs() - (now - this.#waitingSince);
    if (left <= 0) return { action: "dead", lookAgainMs: 0 };
    return { action: "none", lookAgainMs: Math.min(left, this.timeoutMs() / 4) };
  }
}
