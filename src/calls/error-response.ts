/** The response that reports to a caller why its call failed. */

import { codeOfStatus, FramewireError, isCallErrorCode, statusOf } from "../errors.js";
import type { Command } from "../protocol/commands.js";
import { KIND_RESPONSE } from "../protocol/frame-kind.js";
import { failureOf } from "../runtime/guard.js";
import { checkMetadata, encodeFailure } from "../session/metadata.js";
import { Outgoing } from "../session/outgoing.js";
import type { CallContext } from "./context.js";
import type { CallHost } from "./host.js";

/** What a response has of its command; of one that nothing here handles there is no more. */
export type Called = Pick<Command, "cmd" | "name" | "reliable">;

/** A FramewireError with a call code is meant for the caller. Anything else stays on this side, as a failure: the caller gets `internal` and no more. */
export function errorResponse(
  host: CallHost,
  command: Called,
  callId: number,
  error: unknown,
  context: Pick<CallContext, "responseMetadata"> | undefined,
): Outgoing {
  const { name } = command;
  const meant = error instanceof FramewireError && isCallErrorCode(error.code);
  const status = meant ? statusOf(error.code as Parameters<typeof statusOf>[0]) : statusOf("internal");
  if (!meant) host.failed(failureOf(error, name));
  const frame = new Outgoing(command, KIND_RESPONSE, callId, command.reliable);
  frame.status = status;
  const text = meant ? error.message : `${name}: the handler failed (${codeOfStatus(status)})`;
  const { maxExt } = host;
  try {
    // Read in here: a handler may have put a getter in its place, which throws.
    const metadata = { ...checkMetadata(context?.responseMetadata), ...(meant ? checkMetadata(error.metadata) : undefined) };
    frame.ext = encodeFailure(metadata, text, maxExt);
  } catch (cause) {
    // The text goes without metadata that cannot be sent.
    frame.ext = encodeFailure(undefined, text, maxExt);
    if (meant) host.failed({ command: name, error: cause });
  }
  return frame;
}
