/** What errors of Node's builds say beyond those of a page, which carries less: why a call was not sent, or has no reply. */
import type { Outgoing } from "./outgoing.js";

/** A call that has met its deadline. */
export interface LateCall {
  readonly options: { readonly timeoutMs?: number | undefined };
  readonly request: Outgoing;
}

/** A connection, with its link if it has one. */
export interface Linked {
  readonly link: unknown;
}

/** The side that has made a call. */
export interface CallingSide extends Linked {
  readonly options: { readonly timeoutMs: number };
  /** Calls of this side that the peer serves at once. */
  readonly peerMaxCalls: number;
}

export interface Explain {
  /** Whose limit a late call has met, whether it was ever sent, and why not or why no reply came. `open`: calls of this side that have not settled. */
  timeout(call: LateCall, host: CallingSide, open: number): string;
  /** Handlers that count against `maxCalls` though their calls have ended. */
  late(handlers: number): string;
  /** Why what waits was not sent. */
  away(connection: Linked): string;
  /** `describe` says it, for a connection that is a client's. */
  owned(connection: object, describe: () => string): void;
}

/** Absent on pages: a bundler sees it and drops what nobody can come to. */
export let explain: Explain | undefined;

export function provideExplain(provided: Explain): void {
  explain = provided;
}
