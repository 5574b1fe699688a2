/** What a server reports: each fact goes to its counters, its log and the listeners of its events. */

import type { ErrorCode, FramewireError } from "../errors.js";
import type { LinkEnd } from "../link/link.js";
import type { TransportInfo } from "../link/transport.js";
import { Emitter } from "../runtime/emitter.js";
import type { FailureEvent } from "../runtime/guard.js";
import type { DropEvent, FrameEvent, InvalidEvent } from "../session/events.js";
import { Counters } from "./counters.js";
import type { ServerConnection } from "./server-connection.js";
import type { ServerEvents, ServerFailureEvent } from "./server-events.js";
import type { ServerLog } from "./server-log.js";

export class ServerReports {
  readonly events = new Emitter<ServerEvents>();
  readonly counters = new Counters();
  readonly log: ServerLog;

  constructor(log: ServerLog) {
    this.log = log;
    // A `failure` event comes from listeners too, which the emitter calls.
    this.events.sink = {
      wants: () => false,
      heard: (event, ...[detail]) => {
        if (event === "failure") log.failure(detail as ServerFailureEvent);
      },
    };
  }

  accepted(info: TransportInfo): void {
    this.counters.accepted++;
    this.log.accepted(info);
  }

  /** Counts an error; reports it if its code is that of a limit. */
  limit(code: ErrorCode, message: string, address: string, connection?: ServerConnection): void {
    if (!this.counters.count(code)) return;
    this.log.limit({ code, message, address, connection });
    this.events.emit("limit", { code, message, address, connection });
  }

  /** A link ended before its handshake was done. */
  refused(end: LinkEnd, info: TransportInfo): void {
    this.log.refused(end, info);
    this.events.emit("refused", end, info);
  }

  /** A socket was refused before there was a link: its peer speaks another protocol. */
  mismatched(error: FramewireError, info: TransportInfo): void {
    this.limit(error.code, error.message, info.remoteAddress);
    this.refused({ closeCode: 1006, reason: error.message, error }, info);
  }

  /** Code of the application failed. */
  failure(failure: FailureEvent, connection?: ServerConnection): void {
    if (connection === undefined) this.events.fail(failure);
    else this.events.emit("failure", { ...failure, connection });
  }

  drop(connection: ServerConnection, event: DropEvent): void {
    this.counters.dropped++;
    this.log.drop(connection, event);
    if (this.events.has("drop")) this.events.emit("drop", { ...event, connection });
  }

  invalid(connection: ServerConnection, event: InvalidEvent): void {
    this.counters.countInvalid(event);
    this.log.invalid(connection, event);
    this.events.emit("invalid", { ...event, connection });
  }

  frame(connection: ServerConnection, event: FrameEvent): void {
    this.events.emit("frame", { ...event, connection });
  }

  evicted(connection: ServerConnection): void {
    this.log.eviction(connection);
    this.events.emit("eviction", connection);
  }

  disconnected(connection: ServerConnection, error: FramewireError): void {
    this.log.closed(connection, error);
    this.events.emit("disconnection", connection, error);
  }
}
