/** The sessions of a server: found by the token that a reconnecting client shows. */
import type { Connection } from "../connection/connection.js";

const ID_LENGTH = 16;
const TOKEN_LENGTH = 32;

interface StoredSession {
  readonly token: Uint8Array;
  readonly connection: Connection;
}

/** A fresh token: 16 bytes that find the session, 16 that prove the right to it. */
export function newToken(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(TOKEN_LENGTH));
}

/** Live and interrupted sessions, in memory. */
export class SessionTable {
  readonly #sessions = new Map<string, StoredSession>();

  get size(): number {
    return this.#sessions.size;
  }

  add(token: Uint8Array, connection: Connection): void {
    this.#sessions.set(idOf(token), { token, connection });
  }

  /** The session of `token`. Its secret half is compared in constant time. */
  find(token: Uint8Array): Connection | undefined {
    if (token.length !== TOKEN_LENGTH) return undefined;
    const stored = this.#sessions.get(idOf(token));
    if (stored === undefined) return undefined;
    let difference = 0;
    for (let i = 0; i < TOKEN_LENGTH; i++) difference |= stored.token[i]! ^ token[i]!;
    return difference === 0 ? stored.connection : undefined;
  }

  remove(token: Uint8Array): void {
    this.#sessions.delete(idOf(token));
  }
}

function idOf(token: Uint8Array): string {
  return String.fromCharCode(...token.subarray(0, ID_LENGTH));
}
