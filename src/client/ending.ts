/** From what ended an attempt or a connection to what a client makes of it: whom to blame, and whether to try again. */
import type { LinkEnd } from "../connection/link.js";
import { type CloseErrorCode, closeCodeOf, codeOfCloseCode, FramewireError, isRetryable } from "../errors.js";
import type { Ending } from "./lifecycle.js";

/** The end of a link, welcomed or not. */
export function endingOfLink({ closeCode, reason, error }: LinkEnd): Ending {
  const why = reason === "" ? `the connection ended with code ${closeCode}` : reason;
  return {
    closeCode,
    error:
      error instanceof FramewireError
        ? error
        : new FramewireError(codeOfCloseCode(closeCode) ?? "connection-closed", why, { fault: "remote", cause: error }),
    final: !isRetryable(closeCode),
  };
}

/** What the `credentials` option or the connector threw. */
export function endingOfFailure(cause: unknown): Ending {
  const error =
    cause instanceof FramewireError ? cause : new FramewireError("connect-failed", `the connection failed: ${String(cause)}`, { cause });
  return { error, final: isFinal(error) };
}

/** An address that cannot be, or an error whose close code says not to come back, such as `unauthenticated` from the application itself. */
function isFinal({ code }: FramewireError): boolean {
  const closeCode: number | undefined = closeCodeOf(code as CloseErrorCode);
  return code === "invalid-option" || (closeCode !== undefined && !isRetryable(closeCode));
}
