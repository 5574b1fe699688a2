/** What a server's handlers know of the call they serve. */

import { CallContext, type CallFacts } from "../calls/context.js";
import { Dispatcher } from "../calls/dispatcher.js";
import type { FramewireError } from "../errors.js";
import type { Command } from "../protocol/commands.js";
import type { Clock } from "../runtime/clock.js";
import type { DrainNotice } from "./drain.js";
import type { ServerConnection } from "./server-connection.js";

/** The context of a server's handlers. */
export class ServerContext extends CallContext<ServerConnection> {
  readonly #notice: DrainNotice;
  #draining: AbortController | undefined;
  #over = false;

  /** @internal */
  constructor(notice: DrainNotice, connection: ServerConnection, command: Command, facts: CallFacts, clock: Clock) {
    super(connection, command, facts, clock);
    this.#notice = notice;
  }

  /**
   * Aborted when `server.close()` begins: a stream that never ends by itself should end then. Streams that are still open at half of `drainMs`
   * end with `unavailable`, and `signal` is aborted. It is not aborted once the call is over.
   */
  get draining(): AbortSignal {
    if (this.#draining === undefined) {
      this.#draining = new AbortController();
      if (!this.#over || this.#notice.begun) this.#notice.add(this);
    }
    return this.#draining.signal;
  }

  /** @internal */
  drain(reason: FramewireError): void {
    this.#draining?.abort(reason);
  }

  /** @internal What takes an AbortSignal throws an error of its own when that is aborted, with the signal's reason as its cause. */
  override reasonOf(error: unknown): unknown {
    const reason: unknown = this.#draining?.signal.reason;
    return reason !== undefined && causeOf(error) === reason ? reason : error;
  }

  /** @internal */
  override end(): void {
    this.#over = true;
    if (this.#draining !== undefined) this.#notice.remove(this);
  }
}

/** The cause of an error of any make; reading it may throw. */
function causeOf(error: unknown): unknown {
  try {
    return typeof error === "object" && error !== null ? (error as { readonly cause?: unknown }).cause : undefined;
  } catch {
    return undefined;
  }
}

/** The handlers and middleware of one server. */
export class ServerDispatcher extends Dispatcher {
  readonly #notice: DrainNotice;

  constructor(notice: DrainNotice) {
    super();
    this.#notice = notice;
  }

  override context(connection: unknown, command: Command, facts: CallFacts, clock: Clock): ServerContext {
    return new ServerContext(this.#notice, connection as ServerConnection, command, facts, clock);
  }
}
