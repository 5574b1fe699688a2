/** Reads what the peer asks for: the handler, the message and the facts of a request, and the event for one that cannot be served. */

import type { FrameView } from "../codec/index.js";
import { type FramewireError, peersError } from "../errors.js";
import { decodeMessage } from "../protobuf/messages.js";
import type { Command, Handler } from "../protocol/commands.js";
import { CALL_MEMORY, messageMemory } from "../runtime/memory-costs.js";
import { serving } from "../runtime/serving.js";
import type { InvalidEvent } from "../session/events.js";
import { decodeExt } from "../session/metadata.js";
import type { CallFacts } from "./context.js";
import type { Dispatcher } from "./dispatcher.js";
import type { CallHost } from "./host.js";

/** The facts of a request that has none. */
export const NO_FACTS: CallFacts = { metadata: Object.create(null) as CallFacts["metadata"], trace: undefined, timeoutMs: 0 };

/** Why fewer calls are begun for a peer than `maxCalls`. */
export const OVERRUN = "too many handlers still run whose calls have ended, on all connections, for maxServerBytes";

/** Memory of a call or message whose handler runs. */
export function callMemory({ start, end }: FrameView): number {
  return serving ? CALL_MEMORY + messageMemory(end - start) : 0;
}

/** Decodes a request. @throws FramewireError `invalid-argument`. */
export function decodeRequest(command: Command, frame: FrameView): unknown {
  try {
    return decodeMessage(command.request, frame);
  } catch (cause) {
    throw peersError("invalid-argument", `the payload is not a valid request of ${command.name}`, cause);
  }
}

/**
 * The handler of a message or request without a call number; `undefined`, after `host` was notified, if there is none or it cannot run now.
 * `how` says why a command that streams cannot be served.
 */
export function handlerOf(host: CallHost, dispatcher: Dispatcher, cmd: number, how: string): Handler | undefined {
  const handler = dispatcher.registry.get(cmd);
  if (handler === undefined) {
    host.invalid(dispatcher.unknown(cmd));
    return undefined;
  }
  const { command } = handler;
  if (command.requestStream || command.responseStream) {
    host.invalid(wrongKind(command, how));
    return undefined;
  }
  if (serving && host.callRoom === 0) {
    host.exceed("rate-exceeded", OVERRUN);
    return undefined;
  }
  return handler;
}

/** The event for a command that streams, and was not called as a stream: `how` it was called. */
function wrongKind({ cmd, name }: Command, how: string): InvalidEvent {
  return { reason: "wrong-kind", cmd, command: name, error: peersError("unimplemented", `${name} streams; ${how}`) };
}

/** The event for what {@link decodeRequest} has thrown. */
export function undecodable({ cmd, name }: Command, error: unknown): InvalidEvent {
  return { reason: "undecodable", cmd, command: name, error: error as FramewireError };
}

/** What a request's trailer says. @throws FramewireError `invalid-argument` */
export function factsOf(frame: FrameView): CallFacts {
  const { ext, trace } = frame;
  const timeoutMs = frame.timeoutMs ?? 0;
  if (ext === undefined && trace === undefined && timeoutMs === 0) return NO_FACTS;
  try {
    return { metadata: decodeExt(ext).metadata, trace, timeoutMs };
  } catch (cause) {
    throw peersError("invalid-argument", "the ext field is not a valid FrameExt", cause);
  }
}
