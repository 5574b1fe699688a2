/** One session of a server: the connection, what its handlers see of it, and what brings the two together again. */
import type { Connection } from "../connection/connection.js";
import type { EventSink } from "../connection/emitter.js";
import type { ConnectionEvents } from "../connection/events.js";
import { randomSeed } from "../connection/handshake.js";
import type { ServerConnection } from "./server-connection.js";
import { newToken, type StoredSession } from "./sessions.js";

/** Who hears what happens to all sessions: one object, not listeners for each of thousands. */
export interface SessionHost {
  wants(event: keyof ConnectionEvents): boolean;
  heard<E extends keyof ConnectionEvents>(session: ServerSession, event: E, ...args: ConnectionEvents[E]): void;
}

export class ServerSession implements StoredSession, EventSink<ConnectionEvents> {
  readonly connection: Connection;
  readonly facade: ServerConnection;
  /** Seed of all that this server sends in the session: replayed frames keep their checksums. */
  readonly seed = randomSeed();
  /** A character for each byte of the token: as an array the 32 bytes would cost ten times their size. */
  readonly #token = String.fromCharCode(...newToken());
  /** Of the client's hellos, the one that it goes on with. */
  attempt = 0;
  readonly #host: SessionHost;

  constructor(connection: Connection, facade: ServerConnection, host: SessionHost) {
    this.connection = connection;
    this.facade = facade;
    this.#host = host;
    facade.bind(connection);
    connection.events.sink = this;
  }

  get token(): Uint8Array {
    return Uint8Array.from(this.#token, (character) => character.charCodeAt(0));
  }

  get heldBytes(): number {
    return this.connection.heldBytes;
  }

  wants(event: keyof ConnectionEvents): boolean {
    return this.#host.wants(event);
  }

  heard<E extends keyof ConnectionEvents>(event: E, ...args: ConnectionEvents[E]): void {
    this.#host.heard(this, event, ...args);
  }
}
