/** What a caller can say about one call. */

import { FramewireError } from "../errors.js";
import { checks } from "../link/checks.js";
import { isTimeout, type WhenBusy } from "../options.js";
import type { CallContext } from "./context.js";

/** What a caller can say about one call. */
export interface CallOptions {
  /** Aborting it cancels the call; a signal that is aborted already sends nothing. */
  readonly signal?: AbortSignal;
  /** Longest time the call may take, waiting for a connection included; Infinity or 0 = no limit. Default: the connection's `timeoutMs` for calls with one reply, no limit for streams. */
  readonly timeoutMs?: number;
  /** Sent along with the request. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** W3C traceparent, handed to the handler. Default: that of `parent`. */
  readonly trace?: string;
  /** The call being served that this one is made for: its cancellation, what is left of its deadline and its trace are handed on. */
  readonly parent?: CallContext;
  /** What it does when the peer takes no more calls now: wait until one has ended, or fail with `resource-exhausted`. Default: the connection's `whenBusy`. */
  readonly whenBusy?: WhenBusy;
  /** Given the metadata of the reply. */
  readonly onMetadata?: (metadata: Readonly<Record<string, string>>) => void;
}

/** @throws FramewireError `invalid-option` */
export function checkCallOptions(options: CallOptions): void {
  checks?.callOptions(options);
  if (!isTimeout(options.timeoutMs)) throw new FramewireError("invalid-option", `timeoutMs is ${String(options.timeoutMs)}`);
}

/** The sooner of a call's own limit and what is left of its parent's, at least 1 ms; 0 = no limit. */
export function timeoutOf(ownMs: number, parent: CallContext | undefined): number {
  const left = Math.min(ownMs > 0 ? ownMs : Number.POSITIVE_INFINITY, parent?.remainingMs ?? Number.POSITIVE_INFINITY);
  return left === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(left));
}
