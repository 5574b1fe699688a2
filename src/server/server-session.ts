/** One session of a server: its connection, the handle that handlers see, and what a resume needs. */
import type { Connection } from "../calls/connection.js";
import type { EventSink } from "../runtime/emitter.js";
import type { ConnectionEvents } from "../session/events.js";
import { randomSeed } from "../session/handshake.js";
import { addressKey } from "./admission.js";
import type { SessionOwner } from "./authentication.js";
import type { ServerConnection } from "./server-connection.js";
import { newToken, type StoredSession } from "./sessions.js";

/** Receives the events of all sessions: one object, not listeners for each of thousands. */
export interface SessionHost {
  wants(event: keyof ConnectionEvents): boolean;
  heard<E extends keyof ConnectionEvents>(session: ServerSession, event: E, ...args: ConnectionEvents[E]): void;
}

/** How long the attempt number of a hello is remembered, in milliseconds. No hello is delayed for longer. */
const ATTEMPT_MS = 60_000;

export class ServerSession implements StoredSession, EventSink<ConnectionEvents> {
  readonly connection: Connection;
  readonly handle: ServerConnection;
  /** Seed of all that this server sends in the session: replayed frames keep their checksums. */
  readonly seed = randomSeed();
  /** A character for each byte of the token: as an array the 32 bytes would cost ten times their size. */
  readonly #token = String.fromCharCode(...newToken());
  /** The `subject` that the `authenticate` hook returned for its client. */
  subject: string | undefined;
  #attempt = 0;
  #attemptAt = 0;
  readonly #host: SessionHost;

  constructor(connection: Connection, handle: ServerConnection, host: SessionHost) {
    this.connection = connection;
    this.handle = handle;
    this.#host = host;
    handle.bind(connection);
    connection.events.sink = this;
  }

  /** Its client, as last authenticated. */
  get owner(): SessionOwner {
    const { identity, transport } = this.handle;
    return { identity, subject: this.subject, transport };
  }

  get token(): Uint8Array {
    return Uint8Array.from(this.#token, (character) => character.charCodeAt(0));
  }

  /** Whether a hello of the client was sent before the one that has the session, and delayed on its way. */
  isLate(attempt: number, now: number): boolean {
    return attempt !== 0 && attempt <= this.#attempt && now - this.#attemptAt <= ATTEMPT_MS;
  }

  /** The client has resumed the session with its hello of this attempt number. */
  attempted(attempt: number, now: number): void {
    this.#attempt = attempt;
    this.#attemptAt = now;
  }

  get heldBytes(): number {
    return this.connection.sender.heldBytes + this.connection.receivedMemory;
  }

  get address(): string {
    return addressKey(this.handle.transport.remoteAddress);
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
