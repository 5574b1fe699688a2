/** The options of `openOutbox`, the same on all platforms. */

/** What a send has to survive before it counts as accepted: the end of the process or page, or a power cut as well. */
export type Durability = "process" | "power";

/** Options of an outbox. */
export interface OutboxOptions {
  /**
   * `"power"` (default) waits for the disk: milliseconds for each batch of sends. `"process"` hands them to the system
   * and no further: much faster, and all that a crash or reload asks for.
   */
  readonly durability?: Durability;
}
