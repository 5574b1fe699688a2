/**
 * What is held for a peer, counted as memory: the parts of one connection's account are numbers that its link and its session keep
 * anyway, and a server's keeper of accounts adds them up. docs/decisions/accounts.md
 */
import type { Connection } from "../calls/connection.js";
import type { ServedLink } from "./served-link.js";

/** What handlers hold that go on for closed connections of one address. */
export interface LateShare {
  readonly key: string;
  bytes: number;
}

/** Keeps the account of a server. Each call compares what is held now with what was counted before. */
export interface AccountKeeper {
  /** What its application has not taken of one connection, in bytes, from which on that connection is not read. */
  readonly pauseBytes: number;
  /** What a link holds may have changed, or what the connection holds that owns it. */
  linkChanged(link: ServedLink): void;
  /** What a connection holds may have changed. */
  connectionChanged(connection: Connection): void;
  /** The socket of a link is gone, and its memory with it. */
  linkGone(link: ServedLink): void;
  /** A connection closes whose handlers, which hold so many bytes, go on. Gives where they are counted from now on. */
  closes(connection: Connection, bytes: number): LateShare;
  /** Handlers of connections that have closed hold so many bytes more; fewer, if negative. */
  lateChanged(share: LateShare, bytes: number): void;
  /** The part of `maxCalls` that a connection may have: less than 1 while many handlers go on whose calls have ended, 0 if too many are those of closed connections of its address. */
  callShare(connection: Connection): number;
  /** Bytes that many connections hold together have been added, or are gone. */
  sharedChanged(bytes: number): void;
}

// Memory of the objects that go with what is counted in bytes, measured on Node 20 to 24 and rounded up.

/** A chunk of bytes in memory of its own. */
export const CHUNK_MEMORY = 256;
/** The decoder of a stream that stands within a frame. */
export const DECODER_MEMORY = 2048;
/** A write that the socket has not taken. */
export const WRITE_MEMORY = 512;
/** A frame in a queue, beside what the queue counts itself. */
export const QUEUED_MEMORY = 384;
/** A call or message whose handler runs: context, promises, the entry of its table; and a timer or the like that it waits for. */
export const CALL_MEMORY = 1536;

/** A session whose client is away. */
export const SESSION_MEMORY = 2048;

/** A decoded message that waits, by the length of its payload: text may take two bytes for a character that came in one. */
export function messageMemory(payload: number): number {
  return 2 * payload + 192;
}
