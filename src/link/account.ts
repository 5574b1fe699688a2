/**
 * What is held for a peer, counted as memory: the parts of one connection's account are numbers that its link and its session keep
 * anyway, and a server's keeper of accounts adds them up. docs/decisions/accounts.md
 */

/** A link or a connection, as the account knows it. */
export interface Accounted {
  /** Bytes that the account has counted for it. */
  counted: number;
}

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
  linkChanged(link: Accounted): void;
  /** What a connection holds may have changed. */
  connectionChanged(connection: Accounted): void;
  /** The socket of a link is gone, and its memory with it. */
  linkGone(link: Accounted): void;
  /** A connection closes whose handlers, which hold so many bytes, go on. Gives where they are counted from now on. */
  closes(connection: Accounted, bytes: number): LateShare;
  /** Handlers of connections that have closed hold so many bytes more; fewer, if negative. */
  lateChanged(share: LateShare, bytes: number): void;
  /** The part of `maxCalls` that a connection may have: less than 1 while many handlers go on whose calls have ended, 0 if too many are those of closed connections of its address. */
  callShare(connection: Accounted): number;
  /** Bytes that many connections hold together have been added, or are gone. */
  sharedChanged(bytes: number): void;
}
