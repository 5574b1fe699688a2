/** The public server. It joins the parts: listeners, handshakes, sessions, rooms, drain and what is reported. */

import { useInPlace } from "../accel/in-place.js";
import { useFastKeeping } from "../accel/keeping.js";
import { Broadcast } from "../calls/broadcast.js";
import type { Connection } from "../calls/connection.js";
import type { Dispatcher } from "../calls/dispatcher.js";
import { type BareHandler, handleCommand, implementService } from "../calls/registration.js";
import { useStrictChecks } from "../calls/strict.js";
import { CodecPool } from "../link/codec-pool.js";
import { rateLimits } from "../link/rate-limit.js";
import type { Transport } from "../link/transport.js";
import { checkNames, PEER_NAMES, type ResolvedServerOptions, resolveServerOptions } from "../options.js";
import { messageCommand } from "../protocol/commands.js";
import type { InputOf, MessageCodec, MethodDefinition, ServiceDefinition, ServiceImplementation } from "../protocol/definition.js";
import { type Clock, systemClock } from "../runtime/clock.js";
import { checkListener } from "../runtime/emitter.js";
import { FairScheduler } from "../runtime/fair-scheduler.js";
import { FlushRounds } from "../runtime/flush-rounds.js";
import { handled } from "../runtime/guard.js";
import { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { useServing } from "../runtime/serving.js";
import { TimerQueue } from "../runtime/timer-queue.js";
import type { Arrival, LinkSettings } from "./accept.js";
import type { ServerStats } from "./counters.js";
import { type CloseOptions, DrainNotice, drain, resolveCloseOptions } from "./drain.js";
import { Handshakes } from "./handshake.js";
import { Listeners } from "./listen.js";
import type { ListenAddresses, ListenOptions } from "./listen-options.js";
import { ServerReports } from "./reports.js";
import { Rooms } from "./rooms.js";
import { ServerAccount } from "./server-account.js";
import { connectionOf, type ServerConnection } from "./server-connection.js";
import { type ServerContext, ServerDispatcher } from "./server-context.js";
import { SERVER_EVENTS, type ServerEvents } from "./server-events.js";
import { ServerLog } from "./server-log.js";
import { SERVER_OPTIONS, type ServerOptions } from "./server-options.js";
import { ServerSessions } from "./server-sessions.js";
import type { SessionCounts } from "./sessions.js";
import type { TlsReload } from "./tls.js";

useInPlace();
useFastKeeping();
useServing();
useStrictChecks();

/** What narrows a send to rooms. */
export interface ToOptions {
  /** Members that do not get the message, such as its sender. */
  readonly except?: ServerConnection | readonly ServerConnection[];
}

/** The names of these options. */
const TO_OPTIONS = { except: 0 } satisfies Record<keyof ToOptions, 0>;

/** Sends to many. */
export interface Broadcaster {
  /** Sends a one-way message to each member; it is encoded once. */
  send<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void;
}

/** A server: accepts clients, keeps their sessions, serves commands, sends to many. */
export interface Server {
  /** Serves the methods of a service. Call it once for each service, before `listen`. @throws FramewireError */
  implement<D extends ServiceDefinition>(definition: D, implementation: ServiceImplementation<D, ServerContext>): void;

  /** Serves a bare command; what the handler returns is the reply, encoded with `options.reply` or the same codec. @throws FramewireError */
  handle<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    handler: BareHandler<C, R, ServerContext>,
    options?: { readonly reply?: R },
  ): void;

  /** Puts code around every call; the first added is the outermost. */
  use(middleware: (context: ServerContext, next: () => Promise<unknown>) => unknown): void;

  /** Listens to an event; the function returned ends that. */
  on<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): () => void;

  /** The clients, those whose session waits to be resumed included. */
  readonly connections: ServerConnection[];

  /** How many sessions there are, and what those without a connected client hold. */
  readonly sessions: SessionCounts;

  /** How the server is doing: open sockets, sessions, and how often each limit was reached. */
  readonly stats: ServerStats;

  /**
   * Starts to listen; resolves with the addresses once all of them are open: one for each key of `options`. Rejects with `connect-failed` if one
   * is taken, and with `connection-closed` once `close` was called.
   */
  listen<K extends keyof ListenOptions>(options: Pick<Required<ListenOptions>, K>): Promise<Pick<Required<ListenAddresses>, K>>;
  listen(options: ListenOptions): Promise<ListenAddresses>;

  /**
   * Takes other certificates for new connections; those that are open go on. Settings that are not given stay as they are.
   * @throws FramewireError `invalid-option` if no such listener speaks TLS or Node refuses the certificates; then nothing has changed
   */
  reloadTls(certificates: TlsReload): void;

  /** Serves a socket from elsewhere: a memory pair, or a transport of your own. */
  accept(transport: Transport, arrival?: Arrival): void;

  /** Sends a one-way message to every client; it is encoded once. */
  broadcast<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void;

  /** Sends to the members of a room, or of several rooms: to each of them once. */
  to(rooms: string | readonly string[], options?: ToOptions): Broadcaster;

  /** The members of a room, those without a connected client included. */
  members(room: string): Promise<ServerConnection[]>;

  /**
   * Stops accepting, tells every client to go and every handler to end its stream (`context.draining`), lets calls in flight finish for up to
   * `drainMs`, then closes. A connection closes as soon as nothing of it is in flight. Streams that are still open after `streamDrainMs`, by default
   * half of `drainMs`, end with `unavailable`. New calls are refused with `unavailable` meanwhile, so that their
   * callers know that nothing was done; messages are still handled. The clients spread their reconnects over
   * `reconnectSpreadMs`, by default as long as the drain. Rejects with `invalid-option` if an option cannot be; then nothing has changed.
   */
  close(options?: CloseOptions): Promise<void>;

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

class FramewireServer implements Server {
  readonly #options: ResolvedServerOptions;
  readonly #clock: Clock;
  readonly #drainNotice = new DrainNotice();
  readonly #dispatcher = new ServerDispatcher(this.#drainNotice);
  readonly #rooms = new Rooms<ServerConnection>();
  readonly #reports: ServerReports;
  readonly #account: ServerAccount;
  readonly #sessions: ServerSessions;
  readonly #handshakes: Handshakes;
  readonly #listeners: Listeners;

  constructor(options: ServerOptions) {
    checkNames("createServer", options, SERVER_OPTIONS);
    if (options.peer !== undefined) checkNames("peer", options.peer, PEER_NAMES);
    const resolved = resolveServerOptions(options);
    const timers = options.clock === undefined ? new TimerQueue(systemClock) : undefined;
    const clock = options.clock ?? (timers as Clock);
    this.#options = resolved;
    this.#clock = clock;
    this.#dispatcher.authorize = options.authorize as Dispatcher["authorize"];
    this.#reports = new ServerReports(new ServerLog(options.logger, clock));
    this.#account = new ServerAccount(resolved, clock, {
      connections: { [Symbol.iterator]: () => this.#sessions.connections() },
      handshakes: { [Symbol.iterator]: () => this.#handshakes.links() },
      addressOf: (connection) => this.#sessions.handleOf(connection)?.transport.remoteAddress ?? "",
      lateHandlers: () => this.#dispatcher.lateHandlers,
      evict: (connection, message) => this.#sessions.evict(connection, message),
    });
    const sessions = { options: resolved, clock, dispatcher: this.#dispatcher, account: this.#account, rooms: this.#rooms };
    this.#sessions = new ServerSessions(sessions, this.#reports);
    const throttle = new HandshakeThrottle(clock);
    const links: LinkSettings = {
      options: resolved,
      clock,
      heartbeat: { intervalMs: resolved.heartbeatIntervalMs, timeoutMs: () => resolved.heartbeatTimeoutMs },
      rates: rateLimits(resolved),
      throttle,
      shared: {
        pool: new CodecPool(),
        timers,
        scheduler: new FairScheduler(clock),
        rounds: new FlushRounds(clock),
        account: this.#account,
      },
    };
    this.#handshakes = new Handshakes(resolved, links, this.#sessions, this.#reports, this.#account);
    const target = {
      handshakes: this.#handshakes.queue,
      throttle,
      clock,
      handshakeTimeoutMs: resolved.handshakeTimeoutMs,
      accept: this.accept.bind(this),
      failed: this.#reports.failure.bind(this.#reports),
      limited: this.#reports.limit.bind(this.#reports),
      mismatched: this.#reports.mismatched.bind(this.#reports),
    };
    this.#listeners = new Listeners(target, resolved);
  }

  implement<D extends ServiceDefinition>(definition: D, implementation: ServiceImplementation<D, ServerContext>): void {
    implementService(this.#dispatcher, definition, implementation);
  }

  handle<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    handler: BareHandler<C, R, ServerContext>,
    options: { readonly reply?: R } = {},
  ): void {
    handleCommand(this.#dispatcher, cmd, codec, handler, options);
  }

  use(middleware: (context: ServerContext, next: () => Promise<unknown>) => unknown): void {
    this.#dispatcher.use(middleware as never);
  }

  on<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): () => void {
    checkListener("a server", event, listener, SERVER_EVENTS);
    return this.#reports.events.on(event, listener);
  }

  get connections(): ServerConnection[] {
    return this.#sessions.handles();
  }

  get sessions(): SessionCounts {
    return this.#sessions.counts;
  }

  get stats(): ServerStats {
    const { accepted, limits, dropped, invalid, disconnects } = this.#reports.counters;
    return {
      sockets: this.#handshakes.openSockets,
      handshakes: this.#handshakes.queue.size,
      sessions: this.#sessions.size,
      lateHandlers: this.#dispatcher.lateHandlers,
      accepted,
      limits: { ...limits },
      dropped,
      invalid,
      heldBytes: this.#account.bytes,
      shed: this.#account.shed,
      disconnects: { ...disconnects },
    };
  }

  listen<K extends keyof ListenOptions>(options: Pick<Required<ListenOptions>, K>): Promise<Pick<Required<ListenAddresses>, K>>;
  listen(options: ListenOptions): Promise<ListenAddresses>;
  listen(options: ListenOptions): Promise<ListenAddresses> {
    return this.#listeners.listen(options);
  }

  reloadTls(certificates: TlsReload): void {
    this.#listeners.reloadTls(certificates);
  }

  accept(transport: Transport, arrival: Arrival = {}): void {
    this.#handshakes.accept(transport, arrival);
  }

  broadcast<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void {
    this.#sendAll(this.#sessions.connections(), method, message);
  }

  to(rooms: string | readonly string[], options: ToOptions = {}): Broadcaster {
    checkNames("to", options, TO_OPTIONS);
    const { except = [] } = options;
    const left = new Set([except].flat());
    return {
      send: (method, message) => {
        const members = this.#rooms.union([rooms].flat()).filter((member) => !left.has(member));
        this.#sendAll(members.map(connectionOf), method, message);
      },
    };
  }

  async members(room: string): Promise<ServerConnection[]> {
    return [...this.#rooms.members(room)];
  }

  async close(options: CloseOptions = {}): Promise<void> {
    const times = resolveCloseOptions(options);
    this.#sessions.beginClosing();
    const closed = handled(this.#listeners.close());
    this.#handshakes.refuseAll();
    this.#sessions.closeAll({ detachedOnly: true });
    if (times.drainMs > 0) await drain([...this.#sessions.connections()], times, this.#clock, this.#drainNotice);
    this.#drainNotice.begin();
    this.#sessions.closeAll();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #sendAll(connections: Iterable<Connection>, method: MethodDefinition, message: unknown): void {
    const broadcast = new Broadcast(messageCommand(method), message, this.#options.magic, this.#account);
    for (const connection of connections) connection.answer(broadcast.outgoing());
  }
}

/** A server; `listen` opens it. @throws FramewireError `invalid-option` */
export function createServer(options: ServerOptions = {}): Server {
  return new FramewireServer(options);
}
