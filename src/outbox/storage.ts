/** What an outbox needs of the place where it keeps things. */
import type { FramewireError } from "../errors.js";

/** One send as it is kept: without what a connection adds when it goes out. Plain data. */
export interface OutboxFrame {
  readonly cmd: number;
  /** A FrameKind; absent = a one-way message. */
  readonly kind?: number | undefined;
  readonly callId?: number | undefined;
  readonly payload?: Uint8Array | undefined;
  readonly timeoutMs?: number | undefined;
  readonly trace?: string | undefined;
  readonly ext?: Uint8Array | undefined;
}

/** What is kept of the session. */
export interface OutboxSession {
  /** The secret that resumes it; empty = there is none. */
  readonly token: Uint8Array;
  /** Calls may have used every number below this one. */
  readonly callIds: number;
  /** Attempts made so far to connect with this session or an earlier one. */
  readonly attempts: number;
}

/** A place with nothing in it. */
export const NO_SESSION: OutboxSession = { token: new Uint8Array(0), callIds: 0, attempts: 0 };

/** What an earlier client left. */
export interface OutboxContents {
  readonly session: OutboxSession;
  /** In the order of their ids. `sequence`: what the frame last went out with, 0 = it did not. */
  readonly entries: readonly { readonly id: number; readonly frame: OutboxFrame; readonly sequence: number }[];
  /** Bytes in the middle that could not be read: sends may be lost with them. A last record cut short is no such damage. */
  readonly damagedBytes: number;
}

/**
 * A place that keeps entries by id, each with a sequence, and the session. Changes take effect in the order they are
 * made; after a crash a storage may lack the last of them, but never an earlier one alone, and none that `flushed`
 * has confirmed. No method but `load` and `flushed` throws or rejects: a storage that fails says so there.
 */
export interface OutboxStorage {
  /** Reads what there is. Called once, first. Rejects with FramewireError `outbox-failed`. */
  load(): Promise<OutboxContents>;
  /** Why no entry can be taken now, while those that are there can be sent: a disk without room. Absent or `undefined`: there is room. */
  readonly full?: FramewireError | undefined;
  /** Ids grow. */
  put(id: number, frame: OutboxFrame): void;
  /** 0 = the entry is to be sent anew. */
  number(id: number, sequence: number): void;
  /** Nothing waits for this: an entry that comes back is harmless. */
  remove(id: number): void;
  session(session: OutboxSession): void;
  /** `undefined`: every `put`, `number` and `session` so far would survive; otherwise a promise of it. Rejects with `outbox-failed`. */
  flushed(): Promise<void> | undefined;
  /** Writes what is left and lets go of the place. */
  close(): Promise<void>;
}
