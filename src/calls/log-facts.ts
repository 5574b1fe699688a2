/** What lines of the log tell of events that both ends have. */
import type { LogFacts } from "../runtime/logger.js";
import type { DropEvent, InvalidEvent } from "../session/events.js";

/**
 * The facts of what cannot be served. Without the error, as what a codec says of a payload may show parts of it; an unknown command is no
 * `method`, as the peer chooses its number.
 */
export function invalidFacts({ reason, command, error }: InvalidEvent): LogFacts {
  return { [reason === "unknown-command" ? "cmd" : "method"]: command, reason, code: error.code };
}

/** The facts of a message that was dropped. */
export function dropFacts({ command, reason, policy }: DropEvent): LogFacts {
  return { method: command, reason, policy };
}
