/** What a connection tells: the events and their details. */
import type { Discard } from "../codec/index.js";
import type { FramewireError } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { Goaway } from "../gen/framewire/v1/session.js";
import type { LinkEnd } from "../link/link.js";
import type { SlowConsumerPolicy } from "../protocol/commands.js";
import type { FailureEvent } from "../runtime/guard.js";
import type { SequenceRange } from "./receive-sequence.js";

/** Reliable frames that are lost for good: always told, never silent. */
export interface GapEvent extends SequenceRange {
  /** `in`: the peer's frames that never came; `out`: ours that the peer never got, as far as it said. */
  readonly direction: "in" | "out";
  readonly reason: string;
}

/** One frame that passed, for logs and tools. */
export interface FrameEvent {
  readonly direction: "in" | "out";
  readonly version: number;
  readonly cmd: number;
  readonly kind: FrameKind;
  /** 0 = belongs to no call. */
  readonly callId: number;
  /** Valid during the event only. */
  readonly payload: Uint8Array;
  /** Bytes on the wire. */
  readonly bytes: number;
}

/** A message was not sent, and never will be. */
export interface DropEvent {
  readonly cmd: number;
  /** The method's name; for a bare command its number, such as `0x04b2`. */
  readonly command: string;
  /**
   * `slow-consumer`: the peer does not keep up, and the command says that such messages are dropped then; `not-connected`: an at-most-once
   * message was sent while there was no connection, or still waited when the connection broke.
   */
  readonly reason: "slow-consumer" | "not-connected";
  /** How the command has its messages dropped; absent for `not-connected`. */
  readonly policy?: Exclude<SlowConsumerPolicy, "close"> | undefined;
}

/** What became of a message that was sent. It may gain fields. */
export interface Sent {
  /** Set if the message was dropped and never goes out: what the `drop` event tells. Absent: it was handed over. */
  readonly dropped?: DropEvent | undefined;
}

/** A request, message or stream item of the peer that could not be served. Its schema may be another one. */
export interface InvalidEvent {
  /**
   * `unknown-command`: nothing here handles it; `undecodable`: its payload or metadata cannot be read; `wrong-kind`: the command streams, and the
   * peer sent a message, or speaks version 1.
   */
  readonly reason: "unknown-command" | "undecodable" | "wrong-kind";
  readonly cmd: number;
  /** The method's name; for an unknown command its number, such as `0x04b2`. */
  readonly command: string;
  /** What a caller is answered, with the codec's error as its cause, which may show parts of the payload. */
  readonly error: FramewireError;
}

/** The names of its events. */
export const CONNECTION_EVENTS = {
  frame: 0,
  damage: 0,
  gap: 0,
  failure: 0,
  invalid: 0,
  drop: 0,
  queued: 0,
  limit: 0,
  detach: 0,
  goaway: 0,
  close: 0,
} as const satisfies Record<keyof ConnectionEvents, 0>;

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** Every frame of the application, and every frame received, while anybody listens. */
  frame: [FrameEvent];
  /** Bytes were lost to damage. */
  damage: [Discard];
  /** Reliable frames are lost for good. */
  gap: [GapEvent];
  /** A handler, hook or listener failed. */
  failure: [FailureEvent];
  /** The peer sent a request, message or item that could not be served. */
  invalid: [InvalidEvent];
  /** A message was dropped. */
  drop: [DropEvent];
  /** A frame waits for the next link. */
  queued: [];
  /** A limit refused what the peer asked for; this is what it was told. */
  limit: [FramewireError];
  /** The link is gone; the session may go on. */
  detach: [LinkEnd];
  /** The peer will close soon. */
  goaway: [Goaway];
  /** The connection ended for good. */
  close: [FramewireError];
}
