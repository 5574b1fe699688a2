/** From what ended an attempt or a connection to what a client makes of it: whom to blame, and whether to try again. */

import { type CloseErrorCode, closeCodeOf, codeOfCloseCode, FramewireError, isRetryable } from "../errors.js";
import type { LinkEnd } from "../link/link.js";
import type { Ending } from "./lifecycle.js";

/** The end of a link, welcomed or not. */
export function endingOfLink({ closeCode, reason, error: cause }: LinkEnd): Ending {
  const why = reason || `the connection ended with code ${closeCode}`;
  const error =
    cause instanceof FramewireError
      ? cause
      : new FramewireError(codeOfCloseCode(closeCode) ?? "connection-closed", why, { fault: "remote", cause });
  return { closeCode, error, final: !isRetryable(closeCode) || isFinal(error) };
}

/** What the `credentials` option or the connector threw. */
export function endingOfFailure(cause: unknown): Ending {
  const error =
    cause instanceof FramewireError ? cause : new FramewireError("connect-failed", `the connection failed: ${String(cause)}`, { cause });
  return { error, final: isFinal(error) };
}

/**
 * An address that cannot be, a port that speaks another protocol, or an error whose close code says not to come back, such as `unauthenticated`
 * from the application itself.
 */
function isFinal({ code }: FramewireError): boolean {
  // Most codes have no close code.
  return code === "invalid-option" || code === "protocol-mismatch" || !isRetryable(closeCodeOf(code as CloseErrorCode) ?? 0);
}
