/** What calls, streams and sends fail with, and where the errors of it are made. */
import { type ErrorCode, FramewireError, type FramewireErrorOptions, inFull, reasonOf, withLines } from "../errors.js";
import type { Command } from "../protocol/commands.js";

/** What an error is made of. A {@link FramewireError} has all of it. */
export interface Failure extends FramewireErrorOptions {
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Rejects with the error of a failure. The promise that the caller awaits is to be resolved with this one, in the same turn: two microtasks
 * later the one is linked to the other, and V8 follows the link to the caller's `await` when it writes the error's stack. So a
 * call that succeeds costs nothing more. What is an error already was made with the caller's line on the stack, and stays as it is.
 */
export async function raise(failure: Failure): Promise<never> {
  await undefined;
  await undefined;
  throw errorOf(failure);
}

/** The error of a failure. */
export function errorOf(failure: Failure): FramewireError {
  return failure instanceof FramewireError ? failure : new FramewireError(failure.code, failure.message, failure);
}

/** What happened to a frame, as a failure of what the frame was sent for. */
export function named(name: string, { code, message, cause }: FramewireError): Failure {
  return { code, message: `${name}: ${message}`, cause };
}

/** Lines of our own between that of a caller and the place where its call is refused, at most. */
const OWN_LINES = 15;

/** The error for a request or message that is refused at once, while the caller's line is on the stack. */
export function refused(name: string, cause: unknown): FramewireError {
  const failure: Failure =
    cause instanceof FramewireError
      ? named(name, cause)
      : { code: "invalid-argument", message: `${name}: the message could not be encoded: ${reasonOf(cause)}`, cause };
  return inFull ? withLines(OWN_LINES, () => errorOf(failure)) : errorOf(failure);
}

/** `cause` is what the caller's signal was aborted with. */
export function cancelled({ name }: Command, cause: unknown): Failure {
  return { code: "cancelled", message: `${name} was cancelled: ${reasonOf(cause)}`, cause };
}

/** `what` the peer sent is not what the codec of the command decodes. */
export function unreadable(what: string, { name }: Command, cause: unknown): Failure {
  return { code: "internal", message: `${what} of ${name} could not be read: ${reasonOf(cause)}`, fault: "remote", cause };
}

/** What the source of requests has thrown, or what kept one of them from being sent. */
export function sourceFailure({ name }: Command, cause: unknown): Failure {
  if (cause instanceof FramewireError) return { ...named(name, cause), cause };
  return { code: "cancelled", message: `the request stream of ${name} failed: ${reasonOf(cause)}`, cause };
}
