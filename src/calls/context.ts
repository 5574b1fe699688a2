/** What a handler knows of the call it serves. */
import { type CallErrorCode, FramewireError } from "../errors.js";
import type { Command } from "../protocol/commands.js";
import type { Clock } from "../runtime/clock.js";

/** The facts of a call as they arrived. */
export interface CallFacts {
  readonly metadata: Readonly<Record<string, string>>;
  readonly trace: string | undefined;
  /** Milliseconds the caller gives, 0 = no limit. */
  readonly timeoutMs: number;
}

/** Names a value that middleware leaves for what runs inside it: `const user = contextKey<User>("user")`. */
export interface ContextKey<T> {
  readonly name: string;
  /** Never there: it only carries the type. */
  readonly type?: T;
}

/** A new key, different from every other. `name` is for people. */
export function contextKey<T>(name: string): ContextKey<T> {
  return { name };
}

/** Given to every handler as its second argument. `C` is what `connection` is: a server's connection, or the client. */
export class CallContext<C = unknown> {
  readonly connection: C;
  readonly command: Command;
  /** What the caller sent along. */
  readonly metadata: Readonly<Record<string, string>>;
  /** W3C traceparent of the caller, if it sent one. */
  readonly trace: string | undefined;
  /** Sent back with the reply. Set it before the handler returns. */
  responseMetadata: Record<string, string> | undefined;
  /** @internal On the clock of the connection; Infinity = none. */
  readonly deadline: number;
  readonly #clock: Clock;
  #abort: AbortController | undefined;
  #aborted: { readonly code: CallErrorCode; readonly message: string } | undefined;
  #values: Map<ContextKey<unknown>, unknown> | undefined;

  /** @internal */
  constructor(connection: C, command: Command, facts: CallFacts, clock: Clock) {
    this.connection = connection;
    this.command = command;
    this.metadata = facts.metadata;
    this.trace = facts.trace;
    this.#clock = clock;
    this.deadline = facts.timeoutMs > 0 ? clock.now() + facts.timeoutMs : Number.POSITIVE_INFINITY;
  }

  /** Milliseconds that the caller still gives, at least 0; Infinity = no limit. */
  get remainingMs(): number {
    return Math.max(0, this.deadline - this.#clock.now());
  }

  /** Aborted when the caller gives up, the deadline passes or the connection ends; its reason is a FramewireError. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      this.#tell();
    }
    return this.#abort.signal;
  }

  /** Leaves a value for what runs inside the middleware. */
  set<T>(key: ContextKey<T>, value: T): void {
    this.#values ??= new Map();
    this.#values.set(key, value);
  }

  /** The value that middleware left, `undefined` if none did. */
  get<T>(key: ContextKey<T>): T | undefined {
    return this.#values?.get(key) as T | undefined;
  }

  /** @internal The call is over, or the handler of a message has returned. */
  end?(): void;

  /** @internal The error that a handler's error stands for. */
  reasonOf?(error: unknown): unknown;

  /** @internal The call is over before its handler is. */
  abort(code: CallErrorCode, message: string): void {
    this.#aborted ??= { code, message };
    this.#tell();
  }

  /** An error is made for those only who ask for it: a peer may end thousands of calls whose handlers never look. */
  #tell(): void {
    if (this.#aborted === undefined || this.#abort === undefined || this.#abort.signal.aborted) return;
    const { code, message } = this.#aborted;
    this.#abort.abort(new FramewireError(code, message, { fault: "remote" }));
  }
}
