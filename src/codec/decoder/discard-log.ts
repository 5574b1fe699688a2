/** Reports and counts the bytes that no frame was made of. */
import { FramewireError } from "../../errors.js";
import type { Damage, Discard, DiscardReason } from "../frame.js";

/** Starts and ends are stream offsets. */
export class DiscardLog {
  /** Runs of discarded bytes that have ended. */
  discards = 0;
  /** Bytes in them. */
  bytes = 0;
  /** With recovery `"close"`: what ended the decoding. */
  failure: FramewireError | undefined = undefined;
  readonly #onDamage: ((damage: Damage) => void) | undefined;
  readonly #onDiscard: ((discard: Discard) => void) | undefined;

  constructor(onDamage: ((damage: Damage) => void) | undefined, onDiscard: ((discard: Discard) => void) | undefined) {
    this.#onDamage = onDamage;
    this.#onDiscard = onDiscard;
  }

  /** A run of discarded bytes has begun. */
  damage(start: number, reason: DiscardReason): void {
    this.#onDamage?.({ start, reason });
  }

  /** A run of discarded bytes has ended. */
  discard(start: number, end: number, reason: DiscardReason): void {
    this.discards++;
    this.bytes += end - start;
    this.#onDiscard?.({ start, end, reason });
  }

  /** Recovery `"close"`: reports the damage and throws. */
  fail(start: number, end: number, reason: DiscardReason): never {
    const code = reason === "oversize" ? "frame-too-large" : "frame-malformed";
    this.failure = new FramewireError(code, `${reason} in the bytes ${start} to ${end} of the stream`, { fault: "remote" });
    this.damage(start, reason);
    this.discard(start, end, reason);
    throw this.failure;
  }
}
