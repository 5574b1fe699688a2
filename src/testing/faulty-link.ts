/** Both directions of a link that misbehaves as told, and what ends them together. */
import type { Clock, Timer } from "../runtime/clock.js";
import type { LinkFaults } from "./faults.js";
import { FaultyLine } from "./faulty-line.js";
import type { SeededRandom } from "./random.js";

/** `up` is from the side that connected to the side that accepted. */
export type Direction = "up" | "down";

/** What a link's faults act on. */
export interface LinkEnds {
  /** Bytes arrived at the end of a direction; they belong to the receiver. */
  arrived(direction: Direction, bytes: Uint8Array): void;
  /** The sender of a direction closed, and all its bytes have arrived. */
  ended(direction: Direction): void;
  /** The link was cut: both sides lose it at once. */
  cut(): void;
}

/** Where a link gets its time and chance from, and how it behaves. */
export interface LinkSetting {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly faults: LinkFaults;
  /** Each send arrives whole or not at all, as on WebSocket. */
  readonly wholeMessages: boolean;
}

export class FaultyLink {
  readonly up: FaultyLine;
  readonly down: FaultyLine;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #faults: LinkFaults;
  readonly #ends: LinkEnds;
  readonly #timers = new Set<Timer>();
  #cut = false;
  #closed = false;

  constructor({ clock, random, faults, wholeMessages }: LinkSetting, ends: LinkEnds) {
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
    this.#ends = ends;
    const line = (direction: Direction) =>
      new FaultyLine(clock, random.fork(), faults[direction] ?? {}, wholeMessages, {
        arrived: (bytes) => ends.arrived(direction, bytes),
        ended: () => ends.ended(direction),
        broke: () => this.cut(),
      });
    this.up = line("up");
    this.down = line("down");
  }

  /** Whether it was cut, by its faults or by hand. */
  get wasCut(): boolean {
    return this.#cut;
  }

  /** Starts what happens by time. */
  start(): void {
    const { cutAfterMs, silentAfterMs, stalls } = this.#faults;
    if (cutAfterMs !== undefined) this.#later(cutAfterMs, () => this.cut());
    if (silentAfterMs !== undefined) this.#later(silentAfterMs, () => this.halfOpen());
    if (stalls !== undefined) this.#stallAgain(stalls);
    this.up.start();
    this.down.start();
  }

  /** Breaks the link at once: what is under way is lost, and both sides see it end. */
  cut(): void {
    if (this.#closed) return;
    this.#cut = true;
    this.close();
    this.#ends.cut();
  }

  /** Nothing arrives for `ms` in this direction, default both; then everything that waited does. */
  stall(ms: number, direction?: Direction): void {
    if (direction !== "down") this.up.stall(ms);
    if (direction !== "up") this.down.stall(ms);
  }

  /** From now on nothing sent in this direction, default both, arrives, and nobody is told. */
  halfOpen(direction?: Direction): void {
    if (direction !== "down") this.up.silence();
    if (direction !== "up") this.down.silence();
  }

  /** The link is over without having been cut. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.up.close();
    this.down.close();
  }

  #stallAgain(stalls: NonNullable<LinkFaults["stalls"]>): void {
    this.#later(this.#random.between(...stalls.everyMs), () => {
      const forMs = this.#random.between(...stalls.forMs);
      this.stall(forMs);
      this.#later(forMs, () => this.#stallAgain(stalls));
    });
  }

  #later(delayMs: number, run: () => void): void {
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }
}
