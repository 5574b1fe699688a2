/** The client: one session over as many sockets as it takes. */
import { InterceptedCaller, type Interceptor } from "../connection/caller.js";
import type { CallOptions } from "../connection/calls.js";
import { type Clock, systemClock, type Timer } from "../connection/clock.js";
import { bareCommand } from "../connection/commands.js";
import { Connection } from "../connection/connection.js";
import type { CallContext } from "../connection/context.js";
import type {
  Awaitable,
  InputOf,
  MessageCodec,
  OutputOf,
  ServiceClient,
  ServiceDefinition,
  ServiceImplementation,
} from "../connection/definition.js";
import { Dispatcher, type Middleware } from "../connection/dispatcher.js";
import { Emitter } from "../connection/emitter.js";
import type { FrameEvent, GapEvent } from "../connection/events.js";
import { randomSeed } from "../connection/handshake.js";
import type { LinkEnd } from "../connection/link.js";
import { type BareHandler, handleCommand, implementService, serviceClient } from "../connection/registration.js";
import type { HandlerFailure } from "../connection/served-calls.js";
import type { Transport } from "../connection/transport.js";
import { codeOfCloseCode, FramewireError, isRetryable } from "../errors.js";
import {
  type ConnectionOptions,
  type ReconnectOptions,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
  resolveReconnectOptions,
} from "../options.js";
import { type ClientSession, HandshakeEnded, shakeHands } from "./handshake.js";
import { Backoff, CLIENT_TRANSITIONS, type ClientState, type ClientTransition } from "./reconnect.js";

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

/** What goes with a change of state. */
export interface StateDetail {
  /** Why, for people. */
  readonly reason: string;
  /** Milliseconds until the next attempt, in `retry-pending`. */
  readonly delayMs?: number;
  /** The close code of the connection that ended, if one did. */
  readonly closeCode?: number;
  /** What ended it, if it was an error of this side or of the network. */
  readonly error?: FramewireError;
}

/** What a client tells. */
export interface ClientEvents {
  state: [ClientState, StateDetail];
  /** Reliable frames were lost for good, and which. */
  gap: [GapEvent];
  /** A handler failed, or a frame asked for what is not there: for the log. */
  failure: [HandlerFailure];
  /** Every frame, while anybody listens. */
  frame: [FrameEvent];
  /** The server is about to close; the client comes back after its drain. */
  goaway: [{ readonly reason: string; readonly reconnectSpreadMs: number }];
}

/** The context of a client's handlers. */
export type ClientContext = CallContext<Client>;

export class Client {
  readonly #url: URL;
  readonly #options: ResolvedConnectionOptions & ClientOptions;
  readonly #clock: Clock;
  readonly #connector: Connector;
  readonly #dispatcher = new Dispatcher();
  readonly #events = new Emitter<ClientEvents>();
  readonly #connection: Connection;
  readonly #caller: InterceptedCaller;
  readonly #backoff: Backoff;
  readonly #resetAfterMs: number;
  #state: ClientState = "disconnected";
  #session: ClientSession = { seed: randomSeed(), token: new Uint8Array(0) };
  #attempt: AbortController | undefined;
  #timer: Timer | undefined;
  #stable: Timer | undefined;
  #spreadMs: number | undefined;
  #waiters: { resolve(): void; reject(error: FramewireError): void }[] = [];

  /** @throws FramewireError `invalid-option` */
  constructor(url: string | URL, options: ClientOptions & { readonly connector: Connector }) {
    this.#url = parseUrl(url);
    this.#options = { ...options, ...resolveConnectionOptions(options) };
    this.#clock = options.clock ?? systemClock;
    this.#connector = options.connector;
    const reconnect = resolveReconnectOptions(options.reconnect === false ? { retries: 0 } : (options.reconnect ?? {}));
    this.#backoff = new Backoff(reconnect, options.random ?? Math.random);
    this.#resetAfterMs = reconnect.resetAfterMs;
    this.#connection = new Connection("client", this.#dispatcher, this, this.#options, this.#clock);
    this.#caller = new InterceptedCaller(this.#connection);
    const { events } = this.#connection;
    events.on("failure", (failure) => this.#events.emit("failure", failure));
    events.on("gap", (gap) => this.#events.emit("gap", gap));
    events.on("detach", (end) => this.#lost(end));
    events.on("goaway", (goaway) => {
      this.#spreadMs = goaway.reconnectSpreadMs;
      this.#events.emit("goaway", goaway);
    });
    options.signal?.addEventListener("abort", () => void this.close(), { once: true });
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Wire version in use; 2 until a server has answered. */
  get version(): 1 | 2 {
    return this.#connection.version;
  }

  /** Listens to an event; the function returned ends that. */
  on<E extends keyof ClientEvents>(event: E, listener: (...args: ClientEvents[E]) => void): () => void {
    if (event === "frame") return this.#connection.events.on("frame", listener as (frame: FrameEvent) => void);
    return this.#events.on(event, listener);
  }

  /** Connects, or tries again at once. Resolves when connected; rejects when the client gives up. */
  connect(): Promise<void> {
    if (this.#connection.closed) return Promise.reject(new FramewireError("connection-closed", "this client was closed"));
    if (this.#state === "connected") return Promise.resolve();
    const connected = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    if (this.#state === "disconnected") this.#backoff.reset();
    this.#move("connect", { reason: "connect was called" });
    return connected;
  }

  /** Serves methods that the server calls. @throws FramewireError */
  implement<D extends ServiceDefinition>(definition: D, implementation: ServiceImplementation<D, ClientContext>): void {
    implementService(this.#dispatcher, definition, implementation);
  }

  /** Serves a bare command; what the handler returns is the reply, encoded with `options.reply` or the same codec. @throws FramewireError */
  handle<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    handler: BareHandler<C, R, ClientContext>,
    options: { readonly reply?: R } = {},
  ): void {
    handleCommand(this.#dispatcher, cmd, codec, handler, options.reply);
  }

  /** Puts code around every call that this client serves; the first added is the outermost. */
  use(middleware: Middleware<Client>): void {
    this.#dispatcher.use(middleware as Middleware<never>);
  }

  /** Puts code around every call that this client makes through `service` and `request`; the first added is the outermost. */
  intercept(interceptor: Interceptor): void {
    this.#caller.add(interceptor);
  }

  /** The typed client of a service. Calls made without a connection wait for one, within the limits of the queue. */
  service<D extends ServiceDefinition>(definition: D): ServiceClient<D, CallOptions> {
    return serviceClient(this.#caller, definition);
  }

  /** Sends a bare one-way message. Resolves when it went out; rejects if it never will. */
  async send<C extends MessageCodec>(cmd: number, codec: C, message: InputOf<C>): Promise<void> {
    await this.#caller.send(bareCommand(cmd, codec, codec, true), message);
  }

  /** Calls a bare command; the reply is decoded with `options.reply`, by default with the codec of the request. */
  async request<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    message: InputOf<C>,
    options: CallOptions & { readonly reply?: R } = {},
  ): Promise<OutputOf<R>> {
    return (await this.#caller.unary(bareCommand(cmd, codec, options.reply ?? codec, false), message, options)) as OutputOf<R>;
  }

  /** Ends the client for good: calls in flight fail, and nothing is kept. */
  async close(): Promise<void> {
    if (this.#connection.closed) return;
    this.#attempt?.abort(new FramewireError("connection-closed", "the client was closed"));
    this.#connection.close(1000, "the client was closed");
    this.#move("close", { reason: "close was called" });
  }

  /** One step through the table; events that mean nothing in the state are ignored. */
  #move(transition: ClientTransition, detail: StateDetail): void {
    const next = CLIENT_TRANSITIONS[this.#state][transition];
    if (next === undefined) return;
    this.#state = next;
    this.#timer?.cancel();
    this.#stable?.cancel();
    this.#events.emit("state", next, detail);
    switch (next) {
      case "connecting":
        return void this.#tryOnce();
      case "connected":
        this.#stable = this.#clock.setTimer(this.#resetAfterMs, () => this.#backoff.reset());
        for (const { resolve } of this.#waiters.splice(0)) resolve();
        return;
      case "retry-pending":
        this.#timer = this.#clock.setTimer(detail.delayMs ?? 0, () => this.#move("due", { reason: "the delay is over" }));
        return;
      case "disconnected": {
        const error = detail.error ?? new FramewireError("connection-closed", detail.reason);
        for (const { reject } of this.#waiters.splice(0)) reject(error);
      }
    }
  }

  async #tryOnce(): Promise<void> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const { handshakeTimeoutMs, maxPayload, version, tls, headers } = this.#options;
    const timer = this.#clock.setTimer(handshakeTimeoutMs, () =>
      attempt.abort(new FramewireError("handshake-timeout", `no connection within ${handshakeTimeoutMs} ms`)),
    );
    try {
      const credentials = await this.#credentials();
      const settings = { versions: version === 1 ? ([1] as const) : ([2, 1] as const), maxPayload, tls, headers };
      const transport = await this.#connector(this.#url, settings, attempt.signal);
      if (attempt.signal.aborted || this.#connection.closed) return transport.destroy();
      await this.#openLink(transport, credentials);
      this.#move("opened", { reason: "connected" });
    } catch (cause) {
      if (!this.#connection.closed) this.#failed(cause);
    } finally {
      timer.cancel();
    }
  }

  async #openLink(transport: Transport, credentials: Uint8Array): Promise<void> {
    const { peer, version } = this.#options;
    const { welcome } = await shakeHands(
      transport,
      version === 1 ? 1 : (transport.info.protocol ?? 2),
      this.#connection,
      {
        peer: { name: peer?.name ?? "", version: peer?.version ?? "", platform: peer?.platform ?? "" },
        credentials,
        schemaFingerprint: "",
      },
      this.#session,
      this.#options,
      this.#clock,
      pageHidden,
    );
    if (welcome !== undefined) this.#session = { seed: this.#session.seed, token: welcome.token };
  }

  async #credentials(): Promise<Uint8Array> {
    const { credentials } = this.#options;
    const value = typeof credentials === "function" ? await credentials() : credentials;
    return typeof value === "string" ? new TextEncoder().encode(value) : (value ?? new Uint8Array(0));
  }

  #failed(cause: unknown): void {
    if (cause instanceof HandshakeEnded) return this.#lost(cause.end);
    const error =
      cause instanceof FramewireError ? cause : new FramewireError("connect-failed", `the connection failed: ${String(cause)}`, { cause });
    this.#retry({ reason: error.message, error });
  }

  #lost(end: LinkEnd): void {
    const code = codeOfCloseCode(end.closeCode);
    const reason = end.reason === "" ? `the connection ended with code ${end.closeCode}` : end.reason;
    const error =
      end.error instanceof FramewireError
        ? end.error
        : new FramewireError(code ?? "connection-closed", reason, { fault: "remote", cause: end.error });
    const detail = { reason, closeCode: end.closeCode, error };
    if (isRetryable(end.closeCode)) this.#retry(detail);
    else this.#move("give-up", detail);
  }

  #retry(detail: StateDetail): void {
    const spreadMs = this.#spreadMs;
    this.#spreadMs = undefined;
    const delayMs = this.#backoff.next();
    if (delayMs === undefined)
      return this.#move("give-up", { ...detail, reason: `${detail.reason}; gave up after ${this.#backoff.retries} retries` });
    const spread = spreadMs === undefined || spreadMs === 0 ? delayMs : spreadMs * (this.#options.random ?? Math.random)();
    this.#move("retry", { ...detail, delayMs: spread });
  }
}

function pageHidden(): boolean {
  return typeof document !== "undefined" && document.visibilityState === "hidden";
}

function parseUrl(url: string | URL): URL {
  try {
    return new URL(url);
  } catch (cause) {
    throw new FramewireError("invalid-option", `${String(url)} is not a URL; use ws://, wss://, tcp:// or tls://`, { cause });
  }
}
