/** One session of a server: the connection, what its handlers see of it, and what brings the two together again. */
import type { Connection } from "../calls/connection.js";
import type { EventSink } from "../runtime/emitter.js";
import type { ConnectionEvents } from "../session/events.js";
import { randomSeed } from "../session/handshake.js";
import { addressKey } from "./admission.js";
import type { SessionOwner } from "./authentication.js";
import type { ServerConnection } from "./server-connection.js";
import { newToken, type StoredSession } from "./sessions.js";

/** Who hears what happens to all sessions: one object, not listeners for each of thousands. */
export interface SessionHost {
  wants(event: keyof ConnectionEvents): boolean;
  heard<E extends keyof ConnectionEvents>(session: ServerSession, event: E, ...args: ConnectionEvents[E]): void;
}

/** How long the number of a hello counts, in milliseconds. No hello is delayed for longer. */
const ATTEMPT_MS = 60_000;

export class ServerSession implements StoredSession, EventSink<ConnectionEvents> {
  readonly connection: Connection;
  readonly facade: ServerConnection;
  /** Seed of all that this server sends in the session: replayed frames keep their checksums. */
  readonly seed = randomSeed();
  /** A character for each byte of the token: as an array the 32 bytes would cost ten times their size. */
  readonly #token = String.fromCharCode(...newToken());
  /** The `subject` that the `authenticate` hook returned for its client. */
  subject: string | undefined;
  #attempt = 0;
  #attemptAt = 0;
  readonly #host: SessionHost;

  constructor(connection: Connection, facade: ServerConnection, host: SessionHost) {
    this.connection = connection;
    this.facade = facade;
    this.#host = host;
    facade.bind(connection);
    connection.events.sink = this;
  }

  /** Its client, as authenticated last. */
  get owner(): SessionOwner {
    const { identity, transport } = this.facade;
    return { identity, subject: this.subject, transport };
  }

  get token(): Uint8Array {
    return Uint8Array.from(this.#token, (character) => character.charCodeAt(0));
  }

  /** Whether a hello of the client was sent before the one that has the session, and delayed on its way. */
  isLate(attempt: number, now: number): boolean {
    return attempt !== 0 && attempt <= this.#attempt && now - this.#attemptAt <= ATTEMPT_MS;
  }

  /** The client goes on with the session, by its hello of this number. */
  attempted(attempt: number, now: number): void {
    this.#attempt = attempt;
    this.#attemptAt = now;
  }

  get heldBytes(): number {
    return this.connection.sender.heldBytes + this.connection.receivedMemory;
  }

  get address(): string {
    return addressKey(this.facade.transport.remoteAddress);
  }

  get unused(): boolean {
    return this.connection.received === 0 && this.connection.replay.acked === 0;
  }

  wants(event: keyof ConnectionEvents): boolean {
    return this.#host.wants(event);
  }

  heard<E extends keyof ConnectionEvents>(event: E, ...args: ConnectionEvents[E]): void {
    this.#host.heard(this, event, ...args);
  }
}
