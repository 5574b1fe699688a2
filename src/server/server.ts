/** The server: accepts links, keeps sessions, serves commands, broadcasts. */

import { useInPlace } from "../accel/in-place.js";
import { useFastKeeping } from "../accel/keeping.js";
import { Broadcast } from "../calls/broadcast.js";
import { Connection } from "../calls/connection.js";
import type { Dispatcher } from "../calls/dispatcher.js";
import { type BareHandler, handleCommand, implementService } from "../calls/registration.js";
import { useStrictChecks } from "../calls/strict.js";
import { type ErrorCode, FramewireError } from "../errors.js";
import type { Hello, ResumeRequest, Welcome } from "../gen/framewire/v1/session.js";
import { CodecPool } from "../link/codec-pool.js";
import type { Link, LinkEnd, LinkObserver } from "../link/link.js";
import { rateLimits } from "../link/rate-limit.js";
import type { ServedLink } from "../link/served-link.js";
import type { Transport, TransportInfo } from "../link/transport.js";
import { checkNames, PEER_NAMES, type PeerDescription, type ResolvedServerOptions, resolveServerOptions } from "../options.js";
import { type Command, messageCommand } from "../protocol/commands.js";
import type { InputOf, MessageCodec, MethodDefinition, ServiceDefinition, ServiceImplementation } from "../protocol/definition.js";
import { type Clock, systemClock } from "../runtime/clock.js";
import { checkListener, Emitter } from "../runtime/emitter.js";
import { FairScheduler } from "../runtime/fair-scheduler.js";
import { FlushRounds } from "../runtime/flush-rounds.js";
import { type FailureEvent, handled, pending } from "../runtime/guard.js";
import { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { useServing } from "../runtime/serving.js";
import { TimerQueue } from "../runtime/timer-queue.js";
import type { ConnectionEvents } from "../session/events.js";
import { agreedLimits, ownLimits, sendWelcome, versionOneAgreement, WIRE_VERSION } from "../session/handshake.js";
import { Acceptance, type AcceptTarget, type Arrival, crowded, type LinkSettings, mayBeTold, type UpgradeRequest } from "./accept.js";
import { Admission } from "./admission.js";
import { type Authentication, checkAuthentication, ResumeRule } from "./authentication.js";
import { Counters, type ServerStats } from "./counters.js";
import { CLOSING, type CloseOptions, DrainNotice, drain, GOING_AWAY, resolveCloseOptions } from "./drain.js";
import { type ListenAddresses, Listeners, type ListenOptions, type ListenTarget } from "./listen.js";
import { newSession, type Resumption, resume } from "./resume.js";
import { Rooms } from "./rooms.js";
import { ServerAccount } from "./server-account.js";
import { connectionOf, ServerConnection } from "./server-connection.js";
import { type ServerContext, ServerDispatcher } from "./server-context.js";
import { SERVER_EVENTS, type ServerEvents, type ServerFailureEvent } from "./server-events.js";
import { ServerLog } from "./server-log.js";
import { type AuthenticationRequest, SERVER_OPTIONS, type ServerOptions } from "./server-options.js";
import { ServerSession, type SessionHost } from "./server-session.js";
import { MemorySessionStore, type SessionCounts, type SessionDrop, type SessionStore } from "./sessions.js";
import type { TlsReload } from "./tls.js";
import { WaitingRoom } from "./waiting-room.js";

useInPlace();
useFastKeeping();
useServing();
useStrictChecks();

/** Sends to many. */
export interface Broadcaster {
  /** Sends a one-way message to each member; it is encoded once. */
  send<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void;
}

function closing(): FramewireError {
  return new FramewireError("going-away", CLOSING);
}

/** What `disconnection` tells of a session that its store dropped. */
const DROPPED: Readonly<Record<SessionDrop, string>> = {
  expired: "the session was not resumed in time",
  evicted: "the session was dropped: too many or too large ones wait for their clients",
};

/** An event of a connection with what goes with it. */
type ConnectionEvent = { [E in keyof ConnectionEvents]: [E, ...ConnectionEvents[E]] }[keyof ConnectionEvents];

export class Server implements AcceptTarget, LinkObserver, SessionHost {
  readonly #options: ResolvedServerOptions & ServerOptions;
  readonly #clock: Clock;
  readonly #drainNotice = new DrainNotice();
  readonly #dispatcher = new ServerDispatcher(this.#drainNotice);
  readonly #events = new Emitter<ServerEvents>();
  readonly #log: ServerLog;
  readonly #rooms = new Rooms();
  readonly #sessions: SessionStore<ServerSession>;
  readonly #live = new Map<Connection, ServerSession>();
  readonly #admission: Admission;
  readonly #room: WaitingRoom;
  readonly #throttle: HandshakeThrottle;
  readonly #resumeRule: ResumeRule;
  readonly #counters = new Counters();
  readonly #account: ServerAccount;
  readonly #links: LinkSettings;
  readonly #listeners: Listeners;
  #closing = false;
  #nextId = 1;

  /** @throws FramewireError `invalid-option` */
  constructor(options: ServerOptions = {}) {
    checkNames("createServer", options, SERVER_OPTIONS);
    if (options.peer !== undefined) checkNames("peer", options.peer, PEER_NAMES);
    const resolved = resolveServerOptions(options);
    const timers = options.clock === undefined ? new TimerQueue(systemClock) : undefined;
    const clock = options.clock ?? (timers as Clock);
    this.#options = resolved;
    this.#clock = clock;
    this.#log = new ServerLog(options.logger, clock);
    this.#events.sink = {
      wants: () => false,
      heard: (event, ...[detail]) => {
        if (event === "failure") this.#log.failure(detail as ServerFailureEvent);
      },
    };
    this.#sessions = new MemorySessionStore(resolved, clock, (session, why) => this.#dropped(session, why));
    this.#admission = new Admission(resolved, clock);
    this.#room = new WaitingRoom(resolved.maxHandshakes);
    this.#throttle = new HandshakeThrottle(clock);
    this.#resumeRule = new ResumeRule(options, () => this.#log.noSubject());
    this.#account = new ServerAccount(resolved, clock, {
      connections: { [Symbol.iterator]: () => this.#live.keys() },
      handshakes: { [Symbol.iterator]: () => this.#handshakes() },
      addressOf: (connection) => this.#live.get(connection)?.facade.transport.remoteAddress ?? "",
      lateHandlers: () => this.#dispatcher.lateHandlers,
      evict: (connection, message) => this.#evict(connection, message),
    });
    this.#dispatcher.authorize = options.authorize as Dispatcher["authorize"];
    const heartbeat = { intervalMs: resolved.heartbeatIntervalMs, timeoutMs: () => resolved.heartbeatTimeoutMs };
    this.#links = {
      options: resolved,
      clock,
      heartbeat,
      rates: rateLimits(resolved),
      throttle: this.#throttle,
      shared: {
        pool: new CodecPool(),
        timers,
        scheduler: new FairScheduler(clock),
        rounds: new FlushRounds(clock),
        account: this.#account,
      },
    };
    const target: ListenTarget = {
      room: this.#room,
      throttle: this.#throttle,
      clock,
      handshakeTimeoutMs: resolved.handshakeTimeoutMs,
      accept: (transport, arrival) => this.accept(transport, arrival),
      failed: (failure) => this.#events.fail(failure),
      limited: (code, message, address) => this.#limited(code, message, address, undefined),
      mismatched: (error, info) => this.#mismatched(error, info),
    };
    this.#listeners = new Listeners(target, resolved);
  }

  /** Serves the methods of a service. Call it once for each service, before `listen`. @throws FramewireError */
  implement<D extends ServiceDefinition>(definition: D, implementation: ServiceImplementation<D, ServerContext>): void {
    implementService(this.#dispatcher, definition, implementation);
  }

  /** Serves a bare command; what the handler returns is the reply, encoded with `options.reply` or the same codec. @throws FramewireError */
  handle<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    handler: BareHandler<C, R, ServerContext>,
    options: { readonly reply?: R } = {},
  ): void {
    handleCommand(this.#dispatcher, cmd, codec, handler, options);
  }

  /** Puts code around every call; the first added is the outermost. */
  use(middleware: (context: ServerContext, next: () => Promise<unknown>) => unknown): void {
    this.#dispatcher.use(middleware as never);
  }

  /** Listens to an event; the function returned ends that. */
  on<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): () => void {
    checkListener("a server", event, listener, SERVER_EVENTS);
    return this.#events.on(event, listener);
  }

  /** The clients, those whose session waits to be resumed included. */
  get connections(): ServerConnection[] {
    return [...this.#live.values()].map(({ facade }) => facade);
  }

  /** How many sessions there are, and what those hold whose client is away. */
  get sessions(): SessionCounts {
    return this.#sessions.counts;
  }

  /**
   * Starts to listen; resolves with the addresses once all of them are open. Rejects with `connect-failed` if one is taken, and with
   * `connection-closed` once `close` was called.
   */
  listen(options: ListenOptions): Promise<ListenAddresses> {
    return this.#listeners.listen(options);
  }

  /** How the server is doing: open sockets, sessions, and how often each limit was reached. */
  get stats(): ServerStats {
    const { accepted, limits, dropped, refusals } = this.#counters;
    return {
      sockets: this.#admission.open,
      handshakes: this.#room.size,
      sessions: this.#live.size,
      lateHandlers: this.#dispatcher.lateHandlers,
      accepted,
      limits: { ...limits },
      dropped,
      invalid: this.#counters.invalid,
      heldBytes: this.#account.bytes,
      shed: this.#account.shed,
      refusals: { ...refusals },
    };
  }

  /**
   * Takes other certificates for new connections; those that are open go on. Settings that are not given stay as they are.
   * @throws FramewireError `invalid-option` if no such listener speaks TLS or Node refuses the certificates; then nothing has changed
   */
  reloadTls(certificates: TlsReload): void {
    this.#listeners.reloadTls(certificates);
  }

  /** Serves a socket from elsewhere: a memory pair, or a transport of your own. */
  accept(transport: Transport, arrival: Arrival = {}): void {
    this.#counters.accepted++;
    this.#log.accepted(transport.info);
    const full = this.#admission.enter(transport.info.remoteAddress);
    const refusal = this.#closing ? closing() : (full ?? arrival.refusal);
    const acceptance = new Acceptance(transport, arrival, this, this.#admission.share(transport.info.remoteAddress), this.#links);
    acceptance.link.observer = this;
    if (refusal !== undefined) acceptance.start(refusal);
    else acceptance.start(this.#room.enter(acceptance) ? undefined : crowded());
  }

  /** Sends a one-way message to every client; it is encoded once. */
  broadcast<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void {
    this.#sendAll(this.#live.keys(), messageCommand(method), message);
  }

  /** Sends to the members of a room. */
  to(room: string): Broadcaster {
    return {
      send: (method, message) => {
        this.#sendAll([...this.#rooms.members(room)].map(connectionOf), messageCommand(method), message);
      },
    };
  }

  /**
   * Stops accepting, tells every client to go and every handler to end its stream (`context.draining`), lets calls in flight finish for up to
   * `drainMs`, then closes. A connection closes as soon as nothing of it is in flight. Streams that are still open after `streamDrainMs`, by default
   * half of `drainMs`, end with `unavailable`. New calls are refused with `unavailable` meanwhile, so that their
   * callers know that nothing was done; messages are still handled. The clients spread their reconnects over
   * `reconnectSpreadMs`, by default as long as the drain. Rejects with `invalid-option` if an option cannot be; then nothing has changed.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const times = resolveCloseOptions(options);
    this.#closing = true;
    const closed = handled(this.#listeners.close());
    for (const newcomer of this.#room) if (newcomer instanceof Acceptance) newcomer.refuse(closing());
    for (const connection of [...this.#live.keys()]) if (connection.link === undefined) connection.close(GOING_AWAY, CLOSING);
    if (times.drainMs > 0) await drain([...this.#live.keys()], times, this.#clock, this.#drainNotice);
    this.#drainNotice.begin();
    for (const connection of [...this.#live.keys()]) connection.close(GOING_AWAY, CLOSING);
    await closed;
  }

  #sendAll(connections: Iterable<Connection>, command: Command, message: unknown): void {
    const broadcast = new Broadcast(command, message, this.#options.magic, this.#account);
    for (const connection of connections) connection.answer(broadcast.outgoing());
  }

  // AcceptTarget

  /** @internal */
  acceptV1(link: Link, upgrade: UpgradeRequest | undefined): void | Promise<void> {
    if (this.#options.minVersion === 2) throw new FramewireError("version-unsupported", "this server speaks version 2 only");
    this.#log.handshake(link.info, 1, false);
    const request: AuthenticationRequest = { credentials: new Uint8Array(0), peer: {}, transport: link.info, version: 1, upgrade };
    return this.#authenticated(request, (authentication) => {
      // Who has left while the server was still thinking is nobody's connection.
      if (!link.open) return;
      const session = this.#welcome(link, {}, authentication);
      this.#log.welcome(session.facade, 1);
      session.connection.attach(link, versionOneAgreement(this.#options));
    });
  }

  /** @internal */
  acceptHello(link: Link, hello: Hello, upgrade: UpgradeRequest | undefined): void | Promise<void> {
    this.#log.handshake(link.info, 2, hello.resume !== undefined);
    const peer: PeerDescription = hello.peer ?? {};
    const request: AuthenticationRequest = { credentials: hello.credentials, peer, transport: link.info, version: 2, upgrade };
    return this.#authenticated(request, (authentication) => {
      const found = hello.resume && this.#sessions.find(hello.resume.token);
      const place = (session: ServerSession | undefined) => {
        if (!link.open) return;
        const resumed =
          session !== undefined && this.#mayResume(session, authentication, link) && this.#resume(session, link, hello, authentication);
        if (!resumed) this.#begin(link, hello, peer, authentication);
      };
      const finding = pending(found);
      return finding === undefined
        ? place(found as ServerSession | undefined)
        : finding.then((session) => place(session as ServerSession | undefined));
    });
  }

  /** @internal */
  failed(failure: FailureEvent): void {
    this.#events.fail(failure);
  }

  /** @internal */
  settled(acceptance: Acceptance): void {
    this.#room.leave(acceptance);
  }

  /** @internal */
  refused(acceptance: Acceptance, end: LinkEnd): void {
    this.#room.leave(acceptance);
    this.#log.refused(end, acceptance.link.info);
    this.#events.emit("refused", end, acceptance.link.info);
  }

  /** A socket was refused before there was a link. */
  #mismatched(error: FramewireError, info: TransportInfo): void {
    this.#limited(error.code, error.message, info.remoteAddress, undefined);
    const end: LinkEnd = { closeCode: 1006, reason: error.message, error };
    this.#log.refused(end, info);
    this.#events.emit("refused", end, info);
  }

  // LinkObserver

  /** @internal */
  linkEnded(link: Link, { error }: LinkEnd): void {
    const { remoteAddress } = link.info;
    this.#admission.leave(remoteAddress);
    this.#account.linkEnded(link as ServedLink);
    if (!(error instanceof FramewireError)) return;
    const session = link.owner instanceof Connection ? this.#live.get(link.owner) : undefined;
    this.#limited(error.code, error.message, remoteAddress, session?.facade);
  }

  #limited(code: ErrorCode, message: string, address: string, connection: ServerConnection | undefined): void {
    if (!this.#counters.count(code)) return;
    this.#log.limit({ code, message, address, connection });
    this.#events.emit("limit", { code, message, address, connection });
  }

  #authenticated(request: AuthenticationRequest, then: (authentication: Authentication) => void | Promise<void>): void | Promise<void> {
    const { authenticate } = this.#options;
    if (authenticate === undefined) return then({});
    const check = (result: unknown) => {
      try {
        return checkAuthentication(result);
      } catch (error) {
        throw this.#refusedBy("authenticate", error);
      }
    };
    let result: unknown;
    try {
      result = authenticate(request);
    } catch (error) {
      throw this.#refusedBy("authenticate", error);
    }
    const thought = pending(result);
    if (thought === undefined) return then(check(result));
    return thought.then(
      (known) => this.#throttle.run(() => then(check(known))),
      (error) => {
        throw this.#refusedBy("authenticate", error);
      },
    );
  }

  #mayResume(session: ServerSession, authentication: Authentication, link: Link): boolean {
    try {
      return this.#resumeRule.allows(session.owner, { ...authentication, transport: link.info });
    } catch (error) {
      throw this.#refusedBy("sameIdentity", error);
    }
  }

  /** What a hook has thrown. An error that the peer may know is its verdict; any other is a failure of the hook. */
  #refusedBy(hook: string, error: unknown): unknown {
    if (!mayBeTold(error)) this.#events.fail({ hook, error });
    return error;
  }

  /** Opens a new session. */
  #begin(link: Link, hello: Hello, peer: PeerDescription, authentication: Authentication): void {
    const session = this.#welcome(link, peer, authentication);
    const welcome = newSession(hello.resume !== undefined);
    sendWelcome(link, { ...this.#welcomeFor(session), ...welcome });
    this.#log.welcome(session.facade, 2, welcome.verdict);
    this.#attach(session, link, hello);
  }

  /** Goes on with a session, or closes a link that is not the newest of its client. False if what the client says of the session cannot be. */
  #resume(session: ServerSession, link: Link, hello: Hello, { identity, subject }: Authentication): boolean {
    const request = hello.resume as ResumeRequest;
    const now = this.#clock.now();
    if (session.isLate(request.attempt, now)) {
      link.fail("session-replaced", "a later attempt of this client has the session");
      return true;
    }
    session.connection.sender.evictOversize(agreedLimits(hello.limits));
    session.connection.expireReplay();
    const resumption = resume(session.connection, request);
    if (resumption === undefined) return false;
    session.attempted(request.attempt, now);
    session.subject = subject;
    session.facade.identify(identity);
    sendWelcome(link, { ...this.#welcomeFor(session), ...resumption.welcome });
    this.#log.welcome(session.facade, 2, resumption.welcome.verdict);
    this.#attach(session, link, hello, resumption.resumed);
    return true;
  }

  #attach(session: ServerSession, link: Link, hello: Hello, resumed?: Resumption["resumed"]): void {
    this.#sessions.resumed(session);
    link.batching = hello.capabilities?.batching === true;
    session.connection.attach(link, {
      version: 2,
      ...agreedLimits(hello.limits),
      resumable: this.#options.resumeWindowMs > 0,
      ...(resumed === undefined ? {} : { resumed }),
    });
  }

  /** The connection and session of a new client. */
  #welcome(link: Link, peer: PeerDescription, { identity, subject }: Authentication): ServerSession {
    const facade = new ServerConnection({ id: String(this.#nextId++), peer, identity }, link.info, this.#rooms);
    const connection = new Connection("server", this.#dispatcher, facade, this.#options, this.#clock, { account: this.#account });
    const session = new ServerSession(connection, facade, this);
    session.subject = subject;
    this.#live.set(connection, session);
    this.#sessions.add(session);
    this.#events.emit("connection", facade);
    return session;
  }

  // SessionHost

  /** @internal */
  wants(event: keyof ConnectionEvents): boolean {
    return event === "frame" && this.#events.has(event);
  }

  /** @internal */
  heard<E extends keyof ConnectionEvents>(session: ServerSession, event: E, ...args: ConnectionEvents[E]): void;
  heard(session: ServerSession, ...[event, detail]: ConnectionEvent): void {
    const { facade } = session;
    switch (event) {
      case "failure":
        return this.#events.emit("failure", { ...detail, connection: facade });
      case "limit":
        return this.#limited(detail.code, detail.message, facade.transport.remoteAddress, facade);
      case "drop":
        this.#counters.dropped++;
        this.#log.drop(facade, detail);
        if (this.#events.has("drop")) this.#events.emit("drop", { ...detail, connection: facade });
        return;
      case "invalid":
        this.#counters.countInvalid(detail);
        this.#log.invalid(facade, detail);
        return this.#events.emit("invalid", { ...detail, connection: facade });
      case "frame":
        return this.#events.emit("frame", { ...detail, connection: facade });
      case "queued":
        return this.#sessions.grown(session);
      case "gap":
        return this.#log.gap(facade, detail);
      case "detach":
        this.#log.detached(facade, detail);
        return this.#detached(session, detail);
      case "close":
        this.#live.delete(session.connection);
        this.#sessions.remove(session);
        this.#rooms.leaveAll(facade);
        this.#log.closed(facade, detail);
        return this.#events.emit("disconnection", facade, detail);
      default:
      // Damage and a peer's goaway are for those who listen to the connection itself.
    }
  }

  #detached(session: ServerSession, end: LinkEnd): void {
    const { connection, facade } = session;
    if (connection.version === 2 && this.#options.resumeWindowMs > 0 && !this.#closing && !saidGoodbye(end, facade.transport)) {
      return this.#sessions.interrupted(session);
    }
    const error = end.error instanceof FramewireError ? end.error : undefined;
    connection.close(end.closeCode, end.reason || "the connection broke", error);
  }

  #dropped({ connection, facade }: ServerSession, why: SessionDrop): void {
    if (why === "evicted") {
      this.#log.eviction(facade);
      this.#events.emit("eviction", facade);
    }
    connection.close(1006, DROPPED[why]);
  }

  *#handshakes(): Generator<ServedLink> {
    for (const newcomer of this.#room) if (newcomer instanceof Acceptance) yield newcomer.link;
  }

  /** There is no room for the session of a client that is away. */
  #evict(connection: Connection, message: string): void {
    const session = this.#live.get(connection);
    if (session === undefined) return;
    this.#limited("slow-consumer", message, session.facade.transport.remoteAddress, session.facade);
    this.#sessions.remove(session);
    this.#dropped(session, "evicted");
  }

  #welcomeFor(session: ServerSession): Omit<Welcome, keyof Resumption["welcome"]> {
    const { peer, resumeWindowMs, heartbeatIntervalMs, heartbeatTimeoutMs } = this.#options;
    return {
      version: WIRE_VERSION,
      checksumSeed: session.seed,
      limits: ownLimits(this.#options),
      capabilities: { batching: true },
      peer: { name: peer?.name ?? "", version: peer?.version ?? "", platform: peer?.platform ?? "" },
      schemaFingerprint: "",
      token: resumeWindowMs > 0 ? session.token : new Uint8Array(0),
      resumeWindowMs,
      heartbeatIntervalMs,
      heartbeatTimeoutMs,
    };
  }
}

/** Whether the client left for good. The end of a TCP stream alone does not say so: a process that is killed ends it too. */
function saidGoodbye({ closeCode, announced }: LinkEnd, { kind }: TransportInfo): boolean {
  return closeCode === 1000 && (kind === "ws" || announced === true);
}

/** A server; `listen` opens it. @throws FramewireError `invalid-option` */
export function createServer(options: ServerOptions = {}): Server {
  return new Server(options);
}
