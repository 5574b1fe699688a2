/** What a server counts, and which limits it tells of. */

import type { ErrorCode } from "../errors.js";
import type { InvalidEvent } from "../session/events.js";

/** Every limit that closes a connection or refuses a call. */
const LIMITS = [
  "error-rate",
  "frame-timeout",
  "frame-too-large",
  "handshake-timeout",
  "heartbeat-timeout",
  "rate-exceeded",
  "resource-exhausted",
  "resync-budget",
  "slow-consumer",
  "too-many-connections",
  "write-timeout",
] as const satisfies readonly ErrorCode[];

/** Every reason to disconnect a client that is no limit. */
const DISCONNECTS = [
  "frame-malformed",
  "origin-refused",
  "permission-denied",
  "protocol-mismatch",
  "protocol-violation",
  "unauthenticated",
  "unavailable",
  "version-unsupported",
] as const satisfies readonly ErrorCode[];

/** The code of a limit; each but `resource-exhausted`, which refuses a call, is the code that the connection closes with. */
export type LimitCode = (typeof LIMITS)[number];

type DisconnectCode = (typeof DISCONNECTS)[number];

/** Requests, messages and stream items that could not be served. */
export interface InvalidCounts {
  /** For commands that nothing here handles. */
  readonly unknownCommands: number;
  /** By the name of the method: with a payload that cannot be decoded, or for a stream, from a peer that cannot call one. */
  readonly methods: Readonly<Record<string, number>>;
}

/** How a server is doing. Plain numbers, as of the moment they were asked for. */
export interface ServerStats {
  /** Sockets open now, those in the handshake included. */
  readonly sockets: number;
  /** Those in the handshake, TLS and the WebSocket upgrade included. */
  readonly handshakes: number;
  /** Sessions, those that wait to be resumed included. */
  readonly sessions: number;
  /** Handlers that still run though their call has ended: those that do not heed `context.signal`. */
  readonly lateHandlers: number;
  /** Sockets accepted since the start. */
  readonly accepted: number;
  /** How often each limit was reached since the start. */
  readonly limits: Readonly<Record<LimitCode, number>>;
  /** Messages dropped since the start: because a client did not keep up, as their command's `slow_consumer` says, or at-most-once ones for a client that was away. */
  readonly dropped: number;
  /** What clients sent since the start that could not be served. */
  readonly invalid: InvalidCounts;
  /** Bytes of memory held for all clients: everything that waits, in either direction. Bounded by `maxServerBytes`. */
  readonly heldBytes: number;
  /** Connections closed, and sessions dropped, since the start because of `maxServerBytes`. Each counts in `limits` too. */
  readonly shed: number;
  /** How often the server disconnected a client since the start for a reason that is no limit: in the handshake or later, such as a violation of the protocol. */
  readonly disconnects: Readonly<Record<DisconnectCode, number>>;
}

function zeros<C extends string>(codes: readonly C[]): Record<C, number> {
  return Object.fromEntries(codes.map((code) => [code, 0])) as Record<C, number>;
}

export class Counters {
  readonly limits = zeros(LIMITS);
  readonly disconnects = zeros(DISCONNECTS);
  accepted = 0;
  dropped = 0;
  #unknownCommands = 0;
  /** Bounded by the methods that are served. */
  readonly #methods = new Map<string, number>();

  get invalid(): InvalidCounts {
    return { unknownCommands: this.#unknownCommands, methods: Object.fromEntries(this.#methods) };
  }

  countInvalid({ reason, command }: InvalidEvent): void {
    if (reason === "unknown-command") this.#unknownCommands++;
    else this.#methods.set(command, (this.#methods.get(command) ?? 0) + 1);
  }

  /** Counts `code`. True if it is that of a limit. */
  count(code: ErrorCode): code is LimitCode {
    if (code in this.disconnects) this.disconnects[code as DisconnectCode]++;
    if (!(code in this.limits)) return false;
    this.limits[code as LimitCode]++;
    return true;
  }
}
