/**
 * Sees to it that what was sent is acknowledged. Damage at the end of what a peer sent, a lost acknowledgement and a
 * lost wish to have something again all look the same: silence. docs/wire.md section 5.6.
 */
import { type Clock, type Sleeper, setAlarm, type Timer } from "./clock.js";

/** Time without an acknowledgement after which the peer is asked for a sign; doubles with each further one. */
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** What is watched, and what can be done about it. */
export interface AckWatched {
  /** Highest sequence acknowledged. */
  acked(): number;
  /** Highest sequence sent. */
  sent(): number;
  /** Sends a ping whose pong `answered` hears of. */
  ping(): void;
  /** Sends everything again that is not acknowledged. */
  sendAgain(): void;
  /** The peer lives and has what was sent to it twice, but does not acknowledge. */
  giveUp(): void;
}

/**
 * A pong comes behind the acknowledgement of all that went out before its ping. If that did not come with it, those
 * frames are lost and go out again; if that changes nothing either, the peer does not acknowledge at all.
 */
export class AckWatch implements Sleeper {
  readonly #clock: Clock;
  readonly #watched: AckWatched;
  #timer: Timer | undefined;
  #delayMs = FIRST_MS;
  /** What was acknowledged when the timer was set. */
  #before = 0;
  /** What was acknowledged when the ping under way went out. */
  #pingedAt: number | undefined;
  /** What was acknowledged when all that was not went out again. */
  #resentAt: number | undefined;

  constructor(clock: Clock, watched: AckWatched) {
    this.#clock = clock;
    this.#watched = watched;
  }

  /** Something went out that is to be acknowledged. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#before = this.#watched.acked();
    this.#timer = setAlarm(this.#clock, this.#delayMs, this);
  }

  /** @internal */
  wake(): void {
    const watched = this.#watched;
    this.#timer = undefined;
    const acked = watched.acked();
    if (acked === watched.sent()) return this.stop();
    if (acked > this.#before) {
      this.#delayMs = FIRST_MS;
    } else {
      this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_MS);
      this.#pingedAt = acked;
      watched.ping();
    }
    this.start();
  }

  /** The pong of a `ping` came. */
  answered(): void {
    const pingedAt = this.#pingedAt;
    this.#pingedAt = undefined;
    const acked = this.#watched.acked();
    if (pingedAt !== acked || acked === this.#watched.sent()) return;
    if (this.#resentAt === acked) {
      this.stop();
      this.#watched.giveUp();
    } else {
      this.#resentAt = acked;
      this.#watched.sendAgain();
    }
  }

  /** There is nothing to wait for, or no link. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#delayMs = FIRST_MS;
    this.#pingedAt = undefined;
    this.#resentAt = undefined;
  }
}
