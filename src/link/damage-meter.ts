/** How much damage a link has taken in the last minute, and when it is too much. */
import type { Damage } from "../codec/index.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { SlidingMinute } from "../runtime/sliding-minute.js";

/** A limit that was passed. */
export interface DamageVerdict {
  readonly code: "resync-budget" | "error-rate";
  readonly message: string;
}

/**
 * Two limits over a sliding minute. A resynchronisation is one gap between two good frames, however many candidates
 * failed in it; each failed candidate is a damaged frame. Bytes that look like no frame at all are part of a gap only.
 */
export class DamageMeter {
  readonly #options: ResolvedConnectionOptions;
  readonly #good: SlidingMinute;
  readonly #bad = new SlidingMinute();
  readonly #resyncs = new SlidingMinute();
  #inGap = false;

  /** `good` counts the whole frames, also those before the first damage. */
  constructor(options: ResolvedConnectionOptions, good: SlidingMinute) {
    this.#options = options;
    this.#good = good;
  }

  /** The gap is over: a whole frame arrived, or the end of a WebSocket message. */
  boundary(): void {
    this.#inGap = false;
  }

  /** Bytes were damaged. Counted when that shows, and not again when their end is known. */
  bad({ reason }: Damage, now: number): void {
    if (!this.#inGap) this.resync(now);
    this.#inGap = true;
    if (reason === "garbage") return;
    this.#bad.add(now);
  }

  /** The stream lost its place. */
  resync(now: number): void {
    this.#resyncs.add(now);
  }

  verdict(now: number): DamageVerdict | undefined {
    const { errorRate, errorRateFrames, resyncBudget } = this.#options;
    const bad = this.#bad.total(now);
    const all = bad + this.#good.total(now);
    if (all >= errorRateFrames && bad > all * errorRate) {
      return { code: "error-rate", message: `${bad} of ${all} frames in a minute were damaged (errorRate)` };
    }
    if (this.#resyncs.total(now) <= resyncBudget) return undefined;
    return { code: "resync-budget", message: `more than ${resyncBudget} resynchronisations in a minute (resyncBudget)` };
  }
}
