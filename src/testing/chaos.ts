/** Chaos over all links of one network or proxy: who misbehaves how, by hand or by profile, and what came of it. */
import { type Clock, systemClock } from "../runtime/clock.js";
import { type FaultSource, faultsOf } from "./faults.js";
import { type Direction, FaultyLink, type LinkEnds } from "./faulty-link.js";
import { SeededRandom } from "./random.js";

/** Options of everything that makes faults. */
export interface ChaosOptions {
  /** What happens to the links. Default `"clean"`. */
  readonly faults?: FaultSource;
  /** The same seed, clock and traffic give the same faults. Default 1. */
  readonly seed?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** What has happened so far, over all links. */
export interface ChaosStats {
  /** Links opened. */
  readonly links: number;
  /** Links open now. */
  readonly open: number;
  /** Links cut, by faults or by hand. */
  readonly cuts: number;
  /** Bytes that arrived. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Bytes that arrived with another value. */
  readonly corrupted: number;
  /** Bytes that never arrived. */
  readonly lost: number;
}

export class Chaos {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #open = new Set<FaultyLink>();
  #faults: FaultSource;
  #links = 0;
  #past = { cuts: 0, bytesUp: 0, bytesDown: 0, corrupted: 0, lost: 0 };

  constructor({ faults = "clean", seed = 1, clock = systemClock }: ChaosOptions) {
    this.#faults = faults;
    this.#random = new SeededRandom(seed);
    this.#clock = clock;
  }

  get stats(): ChaosStats {
    const sum = { ...this.#past };
    for (const link of this.#open) count(sum, link);
    return { links: this.#links, open: this.#open.size, ...sum };
  }

  /** What happens to links that are opened from now on. */
  use(faults: FaultSource): void {
    this.#faults = faults;
  }

  /** Cuts every open link. */
  cut(): void {
    for (const link of [...this.#open]) link.cut();
  }

  /** Lets nothing arrive on the open links for `ms`, in this direction or both. */
  stall(ms: number, direction?: Direction): void {
    for (const link of this.#open) link.stall(ms, direction);
  }

  /** Makes the open links go silent, in this direction or both: nothing sent from now on arrives, and nobody is told. */
  halfOpen(direction?: Direction): void {
    for (const link of this.#open) link.halfOpen(direction);
  }

  /** @internal A new link between `ends`; its owner says when it is over. */
  link(ends: LinkEnds, wholeMessages: boolean): FaultyLink {
    const random = this.#random.fork();
    const faults = faultsOf(this.#faults, ++this.#links, random);
    const link = new FaultyLink(
      { clock: this.#clock, random, faults, wholeMessages },
      {
        ...ends,
        arrived: (direction, bytes) => ends.arrived(direction, bytes),
        ended: (direction) => ends.ended(direction),
        cut: () => {
          this.over(link);
          ends.cut();
        },
      },
    );
    this.#open.add(link);
    return link;
  }

  /** @internal */
  over(link: FaultyLink): void {
    if (!this.#open.delete(link)) return;
    link.close();
    count(this.#past, link);
  }
}

function count(sum: { cuts: number; bytesUp: number; bytesDown: number; corrupted: number; lost: number }, link: FaultyLink): void {
  const up = link.up.stats;
  const down = link.down.stats;
  if (link.wasCut) sum.cuts++;
  sum.bytesUp += up.bytes;
  sum.bytesDown += down.bytes;
  sum.corrupted += up.corrupted + down.corrupted;
  sum.lost += up.lost + down.lost;
}
