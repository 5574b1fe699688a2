/** What calls, served calls and version 1 exchanges need of their connection. */
import type { FrameView } from "../codec/index.js";
import type { FramewireError } from "../errors.js";
import type { Link } from "../link/link.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Clock } from "../runtime/clock.js";
import type { FailureEvent } from "../runtime/guard.js";
import type { InvalidEvent } from "../session/events.js";
import type { Outgoing } from "../session/outgoing.js";

export interface CallHost {
  readonly options: ResolvedConnectionOptions;
  readonly clock: Clock;
  /** Wire version in use, or expected. */
  readonly version: 1 | 2;
  /** Credit that the peer gives each stream to start with, in bytes. */
  readonly peerCredit: number;
  /** Calls of this side that the peer serves at once. */
  readonly peerMaxCalls: number;
  /** The link in use, if there is one. */
  readonly link: Link | undefined;
  /** Most bytes of metadata, or of metadata and the text of an error, that the peer takes in one frame. */
  readonly maxExt: number;
  /** This side is about to close: new calls of the peer are refused. */
  readonly draining: boolean;
  /** Sends a frame now, or as soon as there is a connection and room. @throws FramewireError if it cannot wait. */
  post(frame: Outgoing): void;
  /** The same for frames that answer the peer: one that does not take its answers loses the connection. Never throws. */
  answer(frame: Outgoing): void;
  /** The calls of this side, to which replies of a version 1 peer go. */
  readonly calls: { onReply(callId: number, frame: FrameView): void };
  /** A request to a version 1 peer went out, without its number: the reply is the next free one with this `cmd`. */
  awaitReply(cmd: number, callId: number): void;
  /** A call that this side opened is over: the peer may take another in its place. */
  ended(request: Outgoing): void;
  /** The same for a response to a call that this side knows nothing of: an earlier process may have opened it. */
  answered(callId: number): void;
  /** Takes the frames of a call that still wait back out of the queue, and the one that opens it; their owners are not notified. */
  withdraw(callId: number, request?: Outgoing): void;
  /** Resolves when the link takes bulk data; `undefined` = now. */
  whenWritable(): Promise<void> | undefined;
  /** So many more bytes of memory hold what the peer has sent and the application has not taken; fewer, if negative. */
  held(bytes: number): void;
  /** Calls of the peer that may run at once: `maxCalls`, and fewer while many handlers still run whose calls have ended. */
  readonly callRoom: number;
  /** Ends the connection because of a limit. */
  exceed(code: "rate-exceeded", message: string): void;
  /** A call of either direction has settled. */
  callSettled(): void;
  /** A handler failed. */
  failed(failure: FailureEvent): void;
  /** The frame at hand cannot be served. It was of no use here. */
  invalid(event: InvalidEvent): void;
  /** A limit refused what the peer asked for. */
  limited(error: FramewireError): void;
}
