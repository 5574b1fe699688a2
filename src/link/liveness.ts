/** When to ask for a sign of life, and when to give a peer up. Pure state; the link owns the timer. */

/** What to do now, and after how many milliseconds to look again. */
export interface LivenessVerdict {
  readonly action: "none" | "ping" | "dead";
  /** Infinity = there is nothing to look for. */
  readonly lookAgainMs: number;
}

/** How often a peer is asked, and how long it may take to answer. */
export interface Heartbeat {
  /** Milliseconds of silence before a ping; 0 = silence is never a reason for one. */
  readonly intervalMs: number;
  /** Milliseconds of silence after a ping until the peer is dead, at this moment. */
  timeoutMs(): number;
}

/**
 * Any received byte counts as life. A ping goes out after `intervalMs` of silence; a peer that stays silent for
 * `timeoutMs` after it is dead. Its pong may be stuck behind our own bytes: as long as those move, it lives.
 */
export class Liveness {
  #heartbeat: Heartbeat;
  #lastReceived: number;
  /** When the ping went out that was not answered; -1 = there is none. */
  #waitingSince = -1;
  /** Whether bytes of ours were waiting for the network at the last look, and how many had gone out. */
  #backlog = false;
  #flushedBytes = 0;

  constructor(heartbeat: Heartbeat, now: number) {
    this.#heartbeat = heartbeat;
    this.#lastReceived = now;
  }

  get heartbeat(): Heartbeat {
    return this.#heartbeat;
  }

  /** Goes on with another heartbeat. */
  set heartbeat(heartbeat: Heartbeat) {
    this.#heartbeat = heartbeat;
  }

  received(now: number): void {
    this.#lastReceived = now;
    this.#waitingSince = -1;
  }

  /** A ping goes out for another reason than silence, such as a change of network. */
  expect(now: number): void {
    if (this.#waitingSince === -1) this.#waitingSince = now;
  }

  /**
   * `flushedBytes`: all bytes that the network has taken so far. `backlog`: whether more are waiting. Without a backlog
   * the network taking bytes proves nothing: it takes them for a peer that is gone, too, until its buffers are full.
   */
  check(now: number, flushedBytes: number, backlog: boolean): LivenessVerdict {
    const progressed = this.#backlog && flushedBytes > this.#flushedBytes;
    this.#flushedBytes = flushedBytes;
    this.#backlog = backlog;
    const { intervalMs } = this.#heartbeat;
    const timeoutMs = this.#heartbeat.timeoutMs();
    if (this.#waitingSince === -1) {
      if (intervalMs === 0) return { action: "none", lookAgainMs: Number.POSITIVE_INFINITY };
      const silence = now - this.#lastReceived;
      if (silence < intervalMs) return { action: "none", lookAgainMs: intervalMs - silence };
      this.#waitingSince = now;
      return { action: "ping", lookAgainMs: timeoutMs / 4 };
    }
    if (progressed) this.#waitingSince = now;
    const left = timeoutMs - (now - this.#waitingSince);
    if (left <= 0) return { action: "dead", lookAgainMs: 0 };
    return { action: "none", lookAgainMs: Math.min(left, timeoutMs / 4) };
  }
}
