/** What a server tells while it runs. */

import type { FramewireError } from "../errors.js";
import type { LinkEnd } from "../link/link.js";
import type { TransportInfo } from "../link/transport.js";
import type { FailureEvent } from "../runtime/guard.js";
import type { DropEvent, FrameEvent, InvalidEvent } from "../session/events.js";
import type { LimitCode } from "./counters.js";
import type { ServerConnection } from "./server-connection.js";

/** A frame that passed, and whose it was. */
export interface ServerFrameEvent extends FrameEvent {
  readonly connection: ServerConnection;
}

/** A limit was reached. */
export interface LimitEvent {
  readonly code: LimitCode;
  /** For people. */
  readonly message: string;
  /** Of the client, `""` where there is none to know. */
  readonly address: string;
  /** Absent if the handshake was not done. */
  readonly connection: ServerConnection | undefined;
}

/** A message was not sent to a client. */
export interface ServerDropEvent extends DropEvent {
  readonly connection: ServerConnection;
}

/** A client sent what could not be served. */
export interface ServerInvalidEvent extends InvalidEvent {
  readonly connection: ServerConnection;
}

/** Something of the application failed. */
export interface ServerFailureEvent extends FailureEvent {
  /** Absent if it was no connection's yet, and for the server's own listeners. */
  readonly connection?: ServerConnection;
}

/** The names of a server's events. */
export const SERVER_EVENTS = {
  connection: 0,
  disconnection: 0,
  eviction: 0,
  refused: 0,
  limit: 0,
  drop: 0,
  failure: 0,
  invalid: 0,
  frame: 0,
} as const satisfies Record<keyof ServerEvents, 0>;

/** What a server tells. */
export interface ServerEvents {
  /** A client is connected and its session new. */
  connection: [ServerConnection];
  /** A client's session is over. */
  disconnection: [ServerConnection, FramewireError];
  /** The session of a client that was away is dropped before its time, for lack of room. Its `disconnection` follows. */
  eviction: [ServerConnection];
  /** A link ended before its handshake was done. */
  refused: [LinkEnd, TransportInfo];
  /** A limit closed a connection, or refused a call. */
  limit: [LimitEvent];
  /** A message for a client was dropped: the client does not keep up, or is away and the message is at-most-once. */
  drop: [ServerDropEvent];
  /** A handler, hook or listener failed. The log tells it too. */
  failure: [ServerFailureEvent];
  /** A client sent a request, message or item that could not be served: its schema may be an older one. */
  invalid: [ServerInvalidEvent];
  /** Every frame, while anybody listens. */
  frame: [ServerFrameEvent];
}
