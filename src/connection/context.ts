/** What a handler knows of the call it serves. */
import { type CallErrorCode, FramewireError } from "../errors.js";
import type { Command } from "./commands.js";

/** The facts of a call as they arrived. */
export interface CallFacts {
  readonly metadata: Readonly<Record<string, string>>;
  readonly trace: string | undefined;
  /** Milliseconds the caller gives, 0 = no limit. */
  readonly timeoutMs: number;
}

/** Given to every handler as its second argument. `C` is what `connection` is: a server's connection, or the client. */
export class CallContext<C = unknown> {
  readonly connection: C;
  readonly command: Command;
  /** What the caller sent along. */
  readonly metadata: Readonly<Record<string, string>>;
  /** W3C traceparent of the caller, if it sent one. */
  readonly trace: string | undefined;
  /** Milliseconds that the caller gave the call when it sent it; 0 = no limit. */
  readonly timeoutMs: number;
  /** Sent back with the reply. Set it before the handler returns. */
  responseMetadata: Record<string, string> | undefined;
  #abort: AbortController | undefined;
  #aborted: FramewireError | undefined;

  constructor(connection: C, command: Command, facts: CallFacts) {
    this.connection = connection;
    this.command = command;
    this.metadata = facts.metadata;
    this.trace = facts.trace;
    this.timeoutMs = facts.timeoutMs;
  }

  /** Aborted when the caller gives up, the deadline passes or the connection ends; its reason is a FramewireError. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#aborted !== undefined) this.#abort.abort(this.#aborted);
    }
    return this.#abort.signal;
  }

  /** @internal The call is over before its handler is. */
  abort(code: CallErrorCode, message: string): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = new FramewireError(code, message, { fault: "remote" });
    this.#abort?.abort(this.#aborted);
  }
}
