/** The sessions of a server: found by the token that a reconnecting client sends, bounded while their clients have no connection. */

import type { Awaitable } from "../protocol/definition.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { type EvictableSession, InterruptedSessions } from "./interrupted-sessions.js";

const ID_LENGTH = 16;
const TOKEN_LENGTH = 32;

/** A fresh token: 16 bytes that find the session, 16 that prove the right to it. */
export function newToken(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(TOKEN_LENGTH));
}

/** A session as its store sees it. */
export interface StoredSession extends EvictableSession {
  readonly token: Uint8Array;
}

/** How many sessions there are, and what they hold. */
export interface SessionCounts {
  /** All sessions, with and without a connected client. */
  readonly sessions: number;
  /** Those whose client has no connection and may still resume them. */
  readonly interrupted: number;
  /** Bytes of frames kept for them. */
  readonly interruptedBytes: number;
  /** Interrupted sessions dropped before their time, since the start. */
  readonly evicted: number;
}

/**
 * Where a server keeps its sessions. The server reports what happens to each of them; the store decides how long one is
 * kept. `find` may return a promise: a store that shares sessions between servers can ask the others there, and can
 * persist them in `interrupted` and `grown`.
 */
export interface SessionStore<S extends StoredSession> {
  readonly counts: SessionCounts;
  /** A new session. Its client is connected. */
  add(session: S): void;
  /** The session of `token`, for a client that asks to resume it; `undefined` if there is none, or none any more. */
  find(token: Uint8Array): Awaitable<S | undefined>;
  /** The client has lost its connection. From now on the session may be dropped. */
  interrupted(session: S): void;
  /** More is kept for a client without a connection. */
  grown(session: S): void;
  /** The client has resumed the session. */
  resumed(session: S): void;
  /** The session is over. */
  remove(session: S): void;
}

/** How long, how many and how much a store keeps for clients without a connection. */
export interface SessionLimits {
  readonly resumeWindowMs: number;
  readonly maxSessions: number;
  readonly maxSessionBytes: number;
}

/** Why a store dropped a session. */
export type SessionDrop = "expired" | "evicted";

/** Sessions in the memory of this process: a restarted server has none. */
export class MemorySessionStore<S extends StoredSession> implements SessionStore<S> {
  readonly #limits: SessionLimits;
  readonly #clock: Clock;
  readonly #drop: (session: S, why: SessionDrop) => void;
  readonly #sessions = new Map<string, S>();
  readonly #interrupted = new InterruptedSessions<S>();
  #evicted = 0;
  #timer: Timer | undefined;

  /** `drop` ends a session that the store has removed. */
  constructor(limits: SessionLimits, clock: Clock, drop: (session: S, why: SessionDrop) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#drop = drop;
  }

  get counts(): SessionCounts {
    return {
      sessions: this.#sessions.size,
      interrupted: this.#interrupted.size,
      interruptedBytes: this.#interrupted.bytes,
      evicted: this.#evicted,
    };
  }

  add(session: S): void {
    this.#sessions.set(idOf(session.token), session);
  }

  /** The secret half of the token is compared in constant time. */
  find(token: Uint8Array): S | undefined {
    if (token.length !== TOKEN_LENGTH) return undefined;
    const session = this.#sessions.get(idOf(token));
    if (session === undefined) return undefined;
    const own = session.token;
    let difference = 0;
    for (let i = 0; i < TOKEN_LENGTH; i++) difference |= own[i]! ^ token[i]!;
    return difference === 0 ? session : undefined;
  }

  interrupted(session: S): void {
    this.#interrupted.remove(session);
    this.#interrupted.add(session, this.#clock.now());
    this.#evict();
    this.#watch();
  }

  grown(session: S): void {
    this.#interrupted.update(session);
    this.#evict();
  }

  resumed(session: S): void {
    this.#interrupted.remove(session);
  }

  remove(session: S): void {
    this.resumed(session);
    this.#sessions.delete(idOf(session.token));
    if (this.#interrupted.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #evict(): void {
    const { maxSessions, maxSessionBytes } = this.#limits;
    const interrupted = this.#interrupted;
    for (;;) {
      const session =
        interrupted.size > maxSessions
          ? interrupted.firstOfMany
          : interrupted.bytes > maxSessionBytes
            ? interrupted.firstOfBytes
            : undefined;
      if (session === undefined) return;
      this.#evicted++;
      this.remove(session);
      this.#drop(session, "evicted");
    }
  }

  /** One timer for all: the session that was interrupted first expires first. */
  #watch(): void {
    if (this.#timer !== undefined) return;
    const { oldest } = this.#interrupted;
    if (oldest === undefined) return;
    const delayMs = oldest.since + this.#limits.resumeWindowMs - this.#clock.now();
    this.#timer = this.#clock.setTimer(Math.max(0, delayMs), () => {
      this.#timer = undefined;
      this.#expire();
      this.#watch();
    });
  }

  #expire(): void {
    const over = this.#clock.now() - this.#limits.resumeWindowMs;
    for (let next = this.#interrupted.oldest; next !== undefined && next.since <= over; next = this.#interrupted.oldest) {
      this.remove(next.session);
      this.#drop(next.session, "expired");
    }
  }
}

function idOf(token: Uint8Array): string {
  return String.fromCharCode(...token.subarray(0, ID_LENGTH));
}
