/** The client: one session over as many sockets as it takes. */

import type { CallOptions } from "../calls/call-options.js";
import { InterceptedCaller, type Interceptor } from "../calls/caller.js";
import { Connection } from "../calls/connection.js";
import type { CallContext } from "../calls/context.js";
import type { Dispatcher, Middleware } from "../calls/dispatcher.js";
import { type BareHandler, sendMessage, serviceClient } from "../calls/registration.js";
import { FramewireError } from "../errors.js";
import { checks } from "../link/checks.js";
import { CONNECTION_DEFAULTS, checkNames, PEER_NAMES, resolveConnectionOptions, resolveReconnectOptions } from "../options.js";
import { bareCommand } from "../protocol/commands.js";
import type {
  InputOf,
  MessageCodec,
  MessageOf,
  MethodDefinition,
  OutputOf,
  ServiceClient,
  ServiceDefinition,
  ServiceImplementation,
} from "../protocol/definition.js";
import { systemClock, type Timer } from "../runtime/clock.js";
import { Emitter } from "../runtime/emitter.js";
import { type FailureEvent, handled } from "../runtime/guard.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import type { DropEvent, FrameEvent, GapEvent, InvalidEvent, Sent } from "../session/events.js";
import { explain } from "../session/explain.js";
import type { ClientParts } from "./all-parts.js";
import type { ClientLog } from "./client-log.js";
import type { ClientOptions, Connector } from "./client-options.js";
import { Dialer } from "./dialer.js";
import { endingOfLink } from "./ending.js";
import { Lifecycle, type StateDetail } from "./lifecycle.js";
import type { ClientOutbox } from "./outbox.js";
import { type ClientState, clientState, type LifecycleState } from "./reconnect.js";
import { watchPlatform } from "./wake.js";
import { whereabouts } from "./whereabouts.js";

/** What a client tells. */
export interface ClientEvents {
  /** Each change of state. `retry-pending` tells of each attempt that failed, with its error and the delay before the next. */
  state: [ClientState, StateDetail];
  /** Reliable frames were lost for good, and which. */
  gap: [GapEvent];
  /** A handler, hook or listener failed. The log tells it too. */
  failure: [FailureEvent];
  /** The server sent a request, message or item that could not be served. */
  invalid: [InvalidEvent];
  /** A message was not sent and never will be: at-most-once without a connection, or as its command's `slow_consumer` says. */
  drop: [DropEvent];
  /** Every frame, while anybody listens. */
  frame: [FrameEvent];
  /** The server is about to close; the client comes back after its drain. */
  goaway: [{ readonly reason: string; readonly reconnectSpreadMs: number }];
}

/** Those without a number for a default. */
const CLIENT_OPTIONS = {
  ...CONNECTION_DEFAULTS,
  peer: 0,
  logger: 0,
  credentials: 0,
  reconnect: 0,
  version: 0,
  outbox: 0,
  signal: 0,
  tls: 0,
  headers: 0,
  connector: 0,
  clock: 0,
  random: 0,
} satisfies Record<keyof ClientOptions, unknown>;

/** The context of a client's handlers. */
export type ClientContext = CallContext<Client>;

export class Client {
  readonly #lifecycle: Lifecycle;
  readonly #parts: ClientParts;
  readonly #dispatcher: Dispatcher;
  /** The client's own; the other events are those of its connection. */
  readonly #events = new Emitter<Pick<ClientEvents, "state">>((failure) => this.#connection.events.fail(failure));
  readonly #connection: Connection;
  readonly #caller: InterceptedCaller;
  readonly #outbox: ClientOutbox | undefined;
  readonly #log: ClientLog;
  readonly #dropped: Record<string, number> = {};
  /** Runs out when the session of the last link can be resumed no more. */
  #session: Timer | undefined;
  #unwatch: (() => void) | undefined;
  #outboxClosed: Promise<void> | undefined;

  /** @internal @throws FramewireError `invalid-option` */
  constructor(url: string | URL, options: ClientOptions & { readonly connector: Connector }, parts: ClientParts) {
    checkNames("createClient", options, CLIENT_OPTIONS);
    if (options.peer !== undefined) checkNames("peer", options.peer, PEER_NAMES);
    const resolved = resolveConnectionOptions(options);
    const { clock = systemClock, random = Math.random, reconnect = {}, connector, version, outbox } = options;
    this.#outbox = outbox;
    this.#parts = parts;
    this.#dispatcher = parts.newDispatcher();
    this.#connection = new Connection("client", this.#dispatcher, this, resolved, clock, { parts, version, journal: outbox });
    this.#caller = new InterceptedCaller(this.#connection);
    const dialer = new Dialer(url, connector, this.#connection, resolved, clock, parts, {
      opened: (resumed) => this.#lifecycle.opened(resumed),
      ended: (ending) => this.#lifecycle.ended(ending),
    });
    const reconnects = resolveReconnectOptions(reconnect === false ? { retries: 0 } : reconnect);
    this.#lifecycle = new Lifecycle(
      { reconnect: reconnects, attemptMs: resolved.handshakeTimeoutMs, clock, random },
      {
        begin: (signal) => dialer.dial(signal),
        probe: () => this.#connection.link?.probe(),
        moved: (state, detail) => this.#moved(state, detail),
      },
    );
    explain?.owned(this.#connection, whereabouts(this.#events));
    const { events } = this.#connection;
    this.#log = parts.log(options, redactedUrl(url));
    events.sink = this.#log.sink;
    events.on("drop", ({ command }) => {
      this.#dropped[command] = (this.#dropped[command] ?? 0) + 1;
    });
    events.on("detach", (end) => {
      const { sessionMs } = dialer;
      this.#session?.cancel();
      this.#session = clock.setTimer(sessionMs, () =>
        this.#connection.failSession(new FramewireError("unavailable", `the session could not be resumed within ${sessionMs} ms`)),
      );
      this.#lifecycle.ended(endingOfLink(end));
    });
    events.on("close", (error) => {
      this.#lifecycle.close(error);
      if (outbox !== undefined) this.#outboxClosed = handled(outbox.close());
    });
    events.on("goaway", (goaway) => {
      this.#lifecycle.goaway(goaway.reconnectSpreadMs);
      if (reconnects.retries > 0) this.#connection.holdCalls();
    });
    outbox?.claim(resolved, (error) => this.#end(error));
    this.#obey(options.signal);
  }

  get state(): ClientState {
    return clientState(this.#lifecycle.state);
  }

  /** Wire version in use; the one asked for until a server has answered. */
  get version(): 1 | 2 {
    return this.#connection.version;
  }

  /** Messages dropped since the client was made, by their method, or for bare commands by number, such as `0x04b2`: each was a `drop` event. */
  get dropped(): Readonly<Record<string, number>> {
    return { ...this.#dropped };
  }

  /** Listens to an event; the function returned ends that. */
  on<E extends keyof ClientEvents>(event: E, listener: (...args: ClientEvents[E]) => void): () => void {
    const { events } = this.#connection;
    checks?.clientEvent(event, listener);
    return event === "state" ? this.#events.on(event, listener as never) : events.on(event as Exclude<E, "state">, listener as never);
  }

  /**
   * Connects, or tries again at once. Resolves when connected; rejects when the client gives up, and once it is closed. Until then
   * the event `state` tells of each attempt that fails, with its error. A client that has given up connects anew.
   */
  connect(): Promise<void> {
    return this.#lifecycle.connect();
  }

  /** Serves methods that the server calls. @throws FramewireError */
  implement<D extends ServiceDefinition>(definition: D, implementation: ServiceImplementation<D, ClientContext>): void {
    this.#parts.implement(this.#dispatcher, definition, implementation);
  }

  /** Serves a bare command; what the handler returns is the reply, encoded with `options.reply` or the same codec. @throws FramewireError */
  handle<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    handler: BareHandler<C, R, ClientContext>,
    options: { readonly reply?: R } = {},
  ): void {
    this.#parts.handle(this.#dispatcher, cmd, codec, handler, options);
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

  /**
   * Sends a one-way message: a method of a service, or a bare command. Resolves when it is handed over, to an outbox if there is one, or dropped, which
   * `Sent` says; rejects if it never goes out for another reason. The promise may be left un-awaited: its rejection is marked as handled.
   */
  send<M extends MethodDefinition>(method: M, message: MessageOf<M>, options?: CallOptions): Promise<Sent>;
  send<C extends MessageCodec>(cmd: number, codec: C, message: InputOf<C>, options?: CallOptions): Promise<Sent>;
  send(target: MethodDefinition | number, first: unknown, second?: unknown, options?: CallOptions): Promise<Sent> {
    return handled(sendMessage(this.#caller, target, first, second, options));
  }

  /** Calls a bare command; the reply is decoded with `options.reply`, by default with the codec of the request. */
  async request<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    message: InputOf<C>,
    options: CallOptions & { readonly reply?: R } = {},
  ): Promise<OutputOf<R>> {
    return (await this.#caller.call(bareCommand(cmd, codec, options.reply ?? codec, false), message, options)) as OutputOf<R>;
  }

  /**
   * Ends the client for good: calls in flight fail, and nothing is kept but what an outbox has. Resolves when the outbox
   * is free for the next client.
   */
  async close(): Promise<void> {
    this.#end(new FramewireError("connection-closed", "the client was closed"));
    await this.#outboxClosed;
  }

  #end(error: FramewireError): void {
    // 1000 takes the session with it. With an outbox the next client goes on with it.
    this.#connection.close(this.#outbox === undefined ? 1000 : 1001, error.message, error);
  }

  /** Ends the client when `signal` aborts, be it aborted already. */
  #obey(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const onAbort = () => this.#end(new FramewireError("connection-closed", "the client was aborted", { cause: signal.reason }));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort);
    this.#connection.events.on("close", () => signal.removeEventListener("abort", onAbort));
  }

  #moved(to: LifecycleState, detail: StateDetail): void {
    const state = clientState(to);
    this.#connection.giveUp(state === "disconnected" ? detail.error : undefined);
    if (state === "connected" || state === "disconnected") this.#session?.cancel();
    if (to === "disconnected") {
      this.#unwatch?.();
      this.#unwatch = undefined;
    } else {
      this.#unwatch ??= watchPlatform((reason) => this.#lifecycle.wake(reason));
    }
    this.#log.moved(state, detail);
    this.#events.emit("state", state, detail);
  }
}
