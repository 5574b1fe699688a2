/** The options of a client, and what opens its sockets. */

import type { Transport } from "../link/transport.js";
import type { ConnectionOptions, ReconnectOptions } from "../options.js";
import type { Awaitable } from "../protocol/definition.js";
import type { Clock } from "../runtime/clock.js";
import type { ClientOutbox } from "./outbox.js";

/** Opens a socket to `url`. Rejects with a FramewireError; stops when `signal` aborts. */
export type Connector = (url: URL, settings: ConnectorSettings, signal: AbortSignal) => Promise<Transport>;

/** What a connector needs beside the address. */
export interface ConnectorSettings {
  /** Wire versions to offer as WebSocket subprotocols or TLS ALPN protocols, best first. */
  readonly versions: readonly (1 | 2)[];
  readonly maxPayload: number;
  /** The client's `tls` and `headers` options. */
  readonly tls: object | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** Options of a client. */
export interface ClientOptions extends ConnectionOptions {
  /** Sent in the handshake, for the server's `authenticate` hook; a function is asked anew for each attempt. */
  readonly credentials?: string | Uint8Array | (() => Awaitable<string | Uint8Array>);
  /** Reconnects; `false` = none. */
  readonly reconnect?: ReconnectOptions | false;
  /** Wire version to speak: 2 (default; falls back to 1 where a WebSocket or TLS server offers only that), or 1. */
  readonly version?: 1 | 2;
  /**
   * Keeps reliable one-way sends and calls with one reply beyond the end of the process or page: `openOutbox` of `framewire/outbox`. Version 2
   * only. The client closes it when it is closed. Default: none; what waits or is in flight is lost with the process.
   */
  readonly outbox?: ClientOutbox;
  /** Ends the client for good when aborted. */
  readonly signal?: AbortSignal;
  /** TLS settings as `node:tls` takes them; not in browsers. */
  readonly tls?: object;
  /** HTTP headers of the WebSocket upgrade; not in browsers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Opens sockets; default: what the platform has. */
  readonly connector?: Connector;
  /** Where time comes from; a test hands in its own. */
  readonly clock?: Clock;
  /** Where jitter comes from; a test hands in its own. Default Math.random. */
  readonly random?: () => number;
}
