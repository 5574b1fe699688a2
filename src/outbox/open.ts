/** The options of `openOutbox`, the same on all platforms. */
import { FramewireError } from "../errors.js";
import { checkNames } from "../options.js";

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

const OUTBOX_OPTIONS = { durability: 0 } satisfies Record<keyof OutboxOptions, 0>;

/** @throws FramewireError `invalid-option` */
export function durabilityOf(options: OutboxOptions): Durability {
  checkNames("openOutbox", options, OUTBOX_OPTIONS);
  const { durability = "power" } = options;
  if (durability === "power" || durability === "process") return durability;
  throw new FramewireError("invalid-option", `durability is ${String(durability)}; it must be "power" or "process"`);
}
