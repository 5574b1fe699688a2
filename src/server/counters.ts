/** What a server counts, and which limits it tells of. */
import type { ErrorCode } from "../errors.js";

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

/** Every reason to turn a client away that is no limit. */
const REFUSALS = [
  "frame-malformed",
  "origin-refused",
  "protocol-violation",
  "unauthenticated",
  "version-unsupported",
] as const satisfies readonly ErrorCode[];

/** The code of a limit; each but `resource-exhausted`, which refuses a call, is the code that the connection closes with. */
export type LimitCode = (typeof LIMITS)[number];

type RefusalCode = (typeof REFUSALS)[number];

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
  /** Messages dropped since the start as their command's `slow_consumer` says, because a client did not keep up. */
  readonly dropped: number;
  /** Bytes of memory held for all clients: everything that waits, in either direction. Bounded by `maxServerBytes`. */
  readonly heldBytes: number;
  /** Connections closed, and sessions dropped, since the start because of `maxServerBytes`. Each counts in `limits` too. */
  readonly shed: number;
  /** How often a client was turned away since the start, and why. */
  readonly refusals: Readonly<Record<RefusalCode, number>>;
}

function zeros<C extends string>(codes: readonly C[]): Record<C, number> {
  return Object.fromEntries(codes.map((code) => [code, 0])) as Record<C, number>;
}

export class Counters {
  readonly limits = zeros(LIMITS);
  readonly refusals = zeros(REFUSALS);
  accepted = 0;
  dropped = 0;

  /** Counts `code`. True if it is that of a limit. */
  count(code: ErrorCode): code is LimitCode {
    if (code in this.refusals) this.refusals[code as RefusalCode]++;
    if (!(code in this.limits)) return false;
    this.limits[code as LimitCode]++;
    return true;
  }
}
