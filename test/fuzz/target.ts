/** What a fuzz target is, and the list of them. */
import { decoderTarget } from "./target-decoder.js";
import { peersTarget } from "./target-peers.js";
import { sessionTarget } from "./target-session.js";

export interface Target {
  readonly name: string;
  /** Parts of the URLs of the compiled files whose coverage counts. */
  readonly covers: readonly string[];
  /** Byte strings that mean something to the target; mutations put them in. */
  readonly dictionary: readonly Uint8Array[];
  /** Inputs to start from when the corpus is empty. */
  seeds(): Uint8Array[];
  /**
   * Runs one input. Throws when a promise is broken. The features it returns say what happened; an input with a
   * new one is kept, as one that reaches new code is.
   */
  run(input: Uint8Array): Iterable<string>;
  /** A change that random bytes would not make, such as a right checksum. */
  repair?(input: Uint8Array): Uint8Array;
  /** Puts a part of an input into something larger of the target's kind. */
  wrap?(part: Uint8Array): Uint8Array;
}

/** A target that chooses everything by a seed: one seed is one run. */
export interface SeedTarget {
  readonly name: string;
  /** Rejects if a promise is broken. `note` is given each step of the run. Resolves with the number of frames that the peers sent. */
  run(seed: number, note: (line: string) => void): Promise<number>;
}

export const TARGETS: readonly Target[] = [decoderTarget, sessionTarget];

export const SEED_TARGETS: readonly SeedTarget[] = [peersTarget];
