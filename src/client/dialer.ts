/** One attempt after the other to open a connection: credentials, socket, handshake. Remembers the session between them. */

import type { Connection } from "../calls/connection.js";
import { asBytes } from "../codec/bytes.js";
import { FramewireError, inFull } from "../errors.js";
import type { Transport } from "../link/transport.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Welcome } from "../protocol/control-messages.js";
import type { Clock } from "../runtime/clock.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { randomSeed } from "../session/handshake.js";
import type { ClientParts } from "./all-parts.js";
import type { ClientOptions, Connector, ConnectorSettings } from "./client-options.js";
import { endingOfFailure, endingOfLink } from "./ending.js";
import { type HandshakeTarget, shakeHands } from "./handshake.js";
import type { Ending } from "./lifecycle.js";
import type { ClientOutbox } from "./outbox.js";

const EMPTY = new Uint8Array(0);

/** Who hears what comes of an attempt: one of the two calls, once, or neither if it was aborted. */
export interface DialTarget {
  /** The connection has its link. */
  opened(resumed: boolean): void;
  ended(ending: Ending): void;
}

export class Dialer {
  readonly #url: URL;
  readonly #connector: Connector;
  readonly #connection: Connection;
  readonly #options: ResolvedConnectionOptions & ClientOptions;
  readonly #clock: Clock;
  readonly #parts: ClientParts;
  readonly #target: DialTarget;
  /** How long the session of the last link can be resumed after the end of that, at most. */
  sessionMs = 0;
  #seed = randomSeed();
  readonly #outbox: ClientOutbox | undefined;
  #token: Uint8Array;
  /** The outbox, while the token is an earlier client's. */
  #earlier: ClientOutbox | undefined;

  #attempts = 0;

  /** @throws FramewireError `invalid-option` */
  constructor(
    url: string | URL,
    connector: Connector,
    connection: Connection,
    options: ResolvedConnectionOptions & ClientOptions,
    clock: Clock,
    parts: ClientParts,
    target: DialTarget,
  ) {
    this.#url = parseUrl(url);
    this.#connector = connector;
    this.#connection = connection;
    this.#options = options;
    this.#clock = clock;
    this.#parts = parts;
    this.#target = target;
    this.#outbox = options.outbox;
    this.#token = options.outbox?.token ?? EMPTY;
    if (this.#token.length > 0) this.#earlier = this.#outbox;
  }

  /** Starts an attempt. What comes after `signal` has aborted is too late: it is let go of, and changes nothing. */
  dial(signal: AbortSignal): void {
    this.#dial(signal).catch((error) => this.#connection.events.fail({ error }));
  }

  async #dial(signal: AbortSignal): Promise<void> {
    let transport: Transport | undefined;
    try {
      const { maxPayload, tls, headers } = this.#options;
      const credentials = await this.#credentials();
      if (signal.aborted) return;
      const settings = { versions: this.#versions(), maxPayload, tls, headers };
      transport = await this.#connector(this.#url, settings, signal);
      if (signal.aborted) return transport.destroy();
      this.#shakeHands(this.#outbox?.guard(transport) ?? transport, credentials, signal);
    } catch (cause) {
      transport?.destroy();
      if (!signal.aborted) this.#target.ended(endingOfFailure(cause));
    }
  }

  #versions(): ConnectorSettings["versions"] {
    if (this.#options.version === 1) return [1];
    // Version 1 acknowledges nothing: an outbox would never know what it may forget.
    return this.#outbox === undefined ? this.#parts.versions : [2];
  }

  #shakeHands(transport: Transport, credentials: Uint8Array, signal: AbortSignal): void {
    const { peer, version } = this.#options;
    this.#connection.expireReplay();
    const { received, replay } = this.#connection;
    const introduction = {
      peer: { name: peer?.name ?? "", version: peer?.version ?? "", platform: peer?.platform ?? "" },
      credentials,
      schemaFingerprint: "",
    };
    // Only frames of a session that may go on are sent again with the checksums that they have.
    if (this.#token.length === 0) this.#seed = randomSeed();
    const memory = {
      seed: this.#seed,
      token: this.#token,
      received,
      oldest: replay.oldest,
      next: replay.next,
      outbox: this.#earlier,
      attempt: this.#outbox?.nextAttempt() ?? ++this.#attempts,
    };
    const target: HandshakeTarget = {
      welcomed: (link, agreement, welcome) => {
        this.#token = welcome?.token ?? EMPTY;
        this.#earlier = undefined;
        this.#outbox?.welcomed(this.#token);
        this.sessionMs = welcome === undefined ? 0 : sessionMs(welcome);
        this.#connection.attach(link, agreement);
        this.#target.opened(agreement.resumed !== undefined);
      },
      refused: (end) => {
        if (!signal.aborted) this.#target.ended(endingOfLink(end));
      },
    };
    const withoutHello = version === 1 || transport.info.protocol === 1 ? this.#parts.versionOne(this.#options) : undefined;
    shakeHands(transport, withoutHello, introduction, memory, target, this.#options, this.#clock, signal);
  }

  /** Asked anew for each attempt: a token that has run out must not be shown twice. */
  async #credentials(): Promise<Uint8Array> {
    const { credentials } = this.#options;
    if (typeof credentials !== "function") return bytesOf(credentials);
    try {
      return bytesOf(await credentials());
    } catch (error) {
      // A FramewireError is what the attempt ends with, such as `unauthenticated`.
      if (!(error instanceof FramewireError)) this.#connection.events.fail({ hook: "credentials", error });
      throw error;
    }
  }
}

/** A server keeps a session for its window, from when it notices the end of the link: by its heartbeat at the latest. */
function sessionMs({ resumeWindowMs, heartbeatIntervalMs, heartbeatTimeoutMs }: Welcome): number {
  return resumeWindowMs + heartbeatIntervalMs + heartbeatTimeoutMs;
}

function bytesOf(credentials: string | Uint8Array | undefined): Uint8Array {
  if (credentials === undefined) return EMPTY;
  if (typeof credentials === "string") return new TextEncoder().encode(credentials);
  const bytes = asBytes(credentials);
  if (bytes === undefined) throw new TypeError("credentials must be a string or bytes");
  // A copy, as the socket has yet to open: the application may use its buffer again.
  return new Uint8Array(bytes);
}

function parseUrl(url: string | URL): URL {
  try {
    return new URL(url);
  } catch {
    // Without the platform's own error, which holds the URL as it was given.
    throw new FramewireError("invalid-option", `${redactedUrl(url)} is not a URL${inFull ? "; use ws://, wss://, tcp:// or tls://" : ""}`);
  }
}
