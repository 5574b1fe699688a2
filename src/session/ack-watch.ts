/**
 * Sees to it that what was sent is acknowledged. Damage at the end of what a peer sent, a lost acknowledgement and a
 * lost request for a resend all look the same: silence. docs/wire.md section 5.6.
 */
import { type Clock, type Sleeper, setAlarm, type Timer } from "../runtime/clock.js";
import type { RoundTrip } from "../runtime/round-trip.js";

/** The least time without an acknowledgement after which the peer is probed; doubles with each further probe. */
const FIRST_MS = 75;
const LONGEST_MS = 30_000;

/** Up to this delay a peer that does not acknowledge counts as slow. */
const SLOW_MS = 1_000;
/** Resends that must have changed nothing before a peer that is not slow counts as one that does not acknowledge. */
const FRUITLESS_RESENDS = 4;

/** Probes are numbered from 1 to this, again and again: more than can be under way. */
const NUMBERS = 100;

/** What is watched, and what can be done about it. */
export interface AckWatched {
  /** The highest sequence acknowledged, and the next one to be sent. */
  readonly replay: { readonly acked: number; readonly next: number };
  /** Sends a ping whose pong is reported to `answered` with its number. `settling`: with more bytes than a damaged frame can still claim. */
  probe(number: number, settling: boolean): void;
  /** Sends everything again that is not acknowledged. */
  sendAgain(): void;
  /** The peer is alive and has what was sent to it several times, but does not acknowledge. */
  giveUp(): void;
}

interface Probe {
  readonly number: number;
  readonly at: number;
  /** Highest sequence sent before it. */
  readonly sent: number;
}

/**
 * A pong comes after all that was sent before its ping has arrived, or not: what it does not acknowledge is lost, and is sent
 * again. A peer that is slow to acknowledge answers with what it has, and gets nothing twice.
 */
export class AckWatch implements Sleeper {
  readonly #clock: Clock;
  readonly #watched: AckWatched;
  readonly #roundTrip: RoundTrip;
  #timer: Timer | undefined;
  #timerAt = 0;
  /** 1, and twice as much with each probe that brings no acknowledgement. */
  #backoff = 1;
  /** A frame under way, and since when its acknowledgement is waited for. */
  #oldest = 0;
  #since = 0;
  /** When it went out, if that is known and was once: then its round trip can be measured. Otherwise -1. */
  #sentAt = -1;
  /** Those under way. */
  #probes: Probe[] = [];
  #number = 0;
  /** What was acknowledged when all that was not went out again, and how often that was. */
  #resentAt = -1;
  #resends = 0;

  constructor(clock: Clock, watched: AckWatched, roundTrip: RoundTrip) {
    this.#clock = clock;
    this.#watched = watched;
    this.#roundTrip = roundTrip;
  }

  /** A frame went out that is to be acknowledged. */
  start(): void {
    const { acked, next } = this.#watched.replay;
    const alone = next === acked + 2;
    if (!alone && this.#timer !== undefined) return;
    this.#waitFrom(this.#clock.now(), acked);
    this.#sentAt = alone ? this.#since : -1;
  }

  /** More than before is acknowledged: all up to `sequence`. */
  acknowledged(sequence: number): void {
    if (this.#sentAt < 0 && this.#backoff === 1) return;
    const now = this.#clock.now();
    if (this.#sentAt >= 0 && sequence >= this.#oldest) {
      this.#roundTrip.sample(now - this.#sentAt);
      this.#sentAt = -1;
    }
    if (this.#backoff > 1) this.#waitFrom(now, sequence);
  }

  /** What is not acknowledged goes out again: pings that are under way prove nothing of it. */
  resent(): void {
    const now = this.#clock.now();
    this.#sentAt = -1;
    this.#probes = [];
    this.#since = now;
    this.#oldest = this.#watched.replay.acked + 1;
    if (this.#timer === undefined) this.#arm(now, this.#delay());
  }

  /** Waits for an acknowledgement beyond `acked` as if nothing had been missing before. A timer that runs earlier stays: it looks again. */
  #waitFrom(now: number, acked: number): void {
    this.#since = now;
    this.#oldest = acked + 1;
    this.#backoff = 1;
    const delay = this.#delay();
    if (this.#timer !== undefined && this.#timerAt <= now + delay) return;
    this.#timer?.cancel();
    this.#arm(now, delay);
  }

  /** @internal */
  wake(): void {
    const watched = this.#watched;
    this.#timer = undefined;
    const { acked, next } = watched.replay;
    if (acked === next - 1) return this.stop();
    const now = this.#clock.now();
    if (acked >= this.#oldest) {
      // How long the next one has been under way is not known.
      this.#oldest = acked + 1;
      this.#since = now;
    }
    const left = this.#since + this.#delay() - now;
    if (left > 0) return this.#arm(now, left);
    this.#since = now;
    this.#probe(acked, now);
    this.#arm(now, this.#delay());
  }

  #probe(acked: number, now: number): void {
    this.#number = (this.#number % NUMBERS) + 1;
    if (this.#probes.length === NUMBERS) this.#probes.shift();
    this.#probes.push({ number: this.#number, at: now, sent: this.#watched.replay.next - 1 });
    const settling = this.#roundTrip.measured || this.#backoff > 1 || this.#resentAt === acked;
    this.#backoff *= 2;
    this.#watched.probe(this.#number, settling);
  }

  /** The pong of the probe with this number came, from a peer that says it has all up to `received`. */
  answered(number: number, received: number): void {
    const index = this.#probes.findIndex((probe) => probe.number === number);
    const probe = this.#probes[index];
    if (probe === undefined) return;
    this.#probes.splice(0, index + 1);
    this.#roundTrip.sample(this.#clock.now() - probe.at);
    const { acked } = this.#watched.replay;
    if (acked >= probe.sent) return;
    const slow = this.#delay() <= SLOW_MS;
    // A pong without an acknowledgement, of a peer that has acknowledged before: it may just be slow.
    if (received < acked && slow) return;
    if (this.#resentAt !== acked) this.#resends = 0;
    this.#resentAt = acked;
    if (this.#resends++ >= FRUITLESS_RESENDS && !slow) {
      this.stop();
      this.#watched.giveUp();
    } else {
      this.#watched.sendAgain();
    }
  }

  /** There is nothing to wait for, or no link. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#backoff = 1;
    this.#sentAt = -1;
    this.#probes = [];
    this.#resentAt = -1;
  }

  #delay(): number {
    return Math.min(this.#roundTrip.twice(FIRST_MS) * this.#backoff, LONGEST_MS);
  }

  #arm(now: number, delayMs: number): void {
    this.#timerAt = now + delayMs;
    this.#timer = setAlarm(this.#clock, delayMs, this);
  }
}
