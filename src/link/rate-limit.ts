/** How fast one peer may send: a token bucket for frames, one for bytes, and one for the frames of its address. */

/** The smallest burst, in frames: twice as many as a resume sends again by default. */
const MIN_BURST_FRAMES = 8192;

/** The smallest burst, in bytes. */
const MIN_BURST_BYTES = 8 * 1024 * 1024;

/** Tolerance for the rounding of sums. */
const ROUNDING_MS = 0.001;

/** Weight of a frame without use, such as a duplicate or an unsolicited pong; a plain frame weighs 1. */
export const USELESS_FRAME_WEIGHT = 100;

/** One ping and one request for a resend in this time have the weight of plain frames: the loss timers of a peer are slower. docs/wire.md section 5.6. */
const TIMED_FRAME_MS = 50;

/**
 * A token bucket kept as one number, the time until which it is spent (GCRA,
 * https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). The same object serves every connection of a server.
 */
export class RateLimit {
  /** Units a second. */
  readonly perSecond: number;
  readonly #burstMs: number;

  /** `perSecond` units, and never less than `minBurst` of them at once. */
  constructor(perSecond: number, minBurst: number) {
    this.perSecond = perSecond;
    this.#burstMs = perSecond === Number.POSITIVE_INFINITY ? perSecond : (Math.max(perSecond, minBurst) * 1000) / perSecond;
  }

  /** Spends `units`: from the time until which the bucket was spent to the one until which it is now. */
  spend(spentUntil: number, units: number, now: number): number {
    return Math.max(spentUntil, now) + (units * 1000) / this.perSecond;
  }

  /** Whether more was spent than the bucket holds. */
  exceeded(spentUntil: number, now: number): boolean {
    return spentUntil - now > this.#burstMs + ROUNDING_MS;
  }
}

/** The limits of one connection, and of all that come from one address. */
export interface RateLimits {
  readonly frames: RateLimit;
  readonly bytes: RateLimit;
  readonly framesOfAddress: RateLimit;
}

/** What all connections of one address have sent. */
export interface AddressShare {
  framesSpentUntil: number;
}

/** All connections of one address may send this many times as much as one. */
const ADDRESS_FACTOR = 2;

/** From the options of a server. */
export function rateLimits(options: {
  readonly maxFramesPerSecond: number;
  readonly maxBytesPerSecond: number;
  readonly maxPayload: number;
}): RateLimits {
  return {
    frames: new RateLimit(options.maxFramesPerSecond, MIN_BURST_FRAMES),
    bytes: new RateLimit(options.maxBytesPerSecond, Math.max(MIN_BURST_BYTES, options.maxPayload * 4)),
    framesOfAddress: new RateLimit(ADDRESS_FACTOR * options.maxFramesPerSecond, ADDRESS_FACTOR * MIN_BURST_FRAMES),
  };
}

/** Meters one connection against the limits. */
export class RateMeter {
  readonly #limits: RateLimits;
  readonly #address: AddressShare | undefined;
  #weight = 0;
  #framesSpentUntil = 0;
  #bytesSpentUntil = 0;
  #nextPingAt = 0;
  #nextAskAt = 0;

  /** `address`: the share of the peer's address, if there is one. */
  constructor(limits: RateLimits, address?: AddressShare) {
    this.#limits = limits;
    this.#address = address;
  }

  /** Frames of this weight arrived. */
  add(weight: number): void {
    this.#weight += weight;
  }

  /** A ping or a request for a resend arrived: a frame without use, unless it is the first within `TIMED_FRAME_MS`. */
  addTimed(kind: "ping" | "ask", now: number): void {
    if (now < (kind === "ping" ? this.#nextPingAt : this.#nextAskAt)) this.#weight += USELESS_FRAME_WEIGHT;
    else if (kind === "ping") this.#nextPingAt = now + TIMED_FRAME_MS;
    else this.#nextAskAt = now + TIMED_FRAME_MS;
  }

  /** A chunk was read, with the frames that were added. Returns which limit it exceeds, as text for the error. */
  settle(bytes: number, now: number): string | undefined {
    const limits = this.#limits;
    this.#framesSpentUntil = limits.frames.spend(this.#framesSpentUntil, this.#weight, now);
    this.#bytesSpentUntil = limits.bytes.spend(this.#bytesSpentUntil, bytes, now);
    const address = this.#address;
    if (address !== undefined) {
      address.framesSpentUntil = limits.framesOfAddress.spend(address.framesSpentUntil, this.#weight, now);
      if (limits.framesOfAddress.exceeded(address.framesSpentUntil, now)) {
        // Only this connection is closed: what it sent does not count against the others of the address.
        address.framesSpentUntil -= limits.framesOfAddress.spend(0, this.#weight, 0);
        return `more than ${limits.framesOfAddress.perSecond} frames a second from one address (twice maxFramesPerSecond)`;
      }
    }
    this.#weight = 0;
    if (limits.frames.exceeded(this.#framesSpentUntil, now))
      return `more than ${limits.frames.perSecond} frames a second (maxFramesPerSecond)`;
    if (limits.bytes.exceeded(this.#bytesSpentUntil, now)) return `more than ${limits.bytes.perSecond} bytes a second (maxBytesPerSecond)`;
    return undefined;
  }
}
