/** The server: accepts links, keeps sessions, serves commands, broadcasts. */
import { Broadcast } from "../connection/broadcast.js";
import { type Clock, systemClock } from "../connection/clock.js";
import { type Command, methodCommand } from "../connection/commands.js";
import { Connection } from "../connection/connection.js";
import type { CallContext } from "../connection/context.js";
import type {
  Awaitable,
  InputOf,
  MessageCodec,
  MethodDefinition,
  ServiceDefinition,
  ServiceImplementation,
} from "../connection/definition.js";
import { Dispatcher, type Middleware } from "../connection/dispatcher.js";
import { Emitter } from "../connection/emitter.js";
import type { FrameEvent } from "../connection/events.js";
import { agreedLimits, ownLimits, randomSeed, sendWelcome, versionOneAgreement, WIRE_VERSION } from "../connection/handshake.js";
import type { Link, LinkEnd } from "../connection/link.js";
import { type BareHandler, handleCommand, implementService } from "../connection/registration.js";
import type { HandlerFailure } from "../connection/served-calls.js";
import type { Transport, TransportInfo } from "../connection/transport.js";
import { FramewireError } from "../errors.js";
import type { Hello, ResumeRequest, Welcome } from "../gen/framewire/v1/session.js";
import {
  type ConnectionOptions,
  type PeerDescription,
  type ResolvedServerOptions,
  resolveServerOptions,
  type ServerLimits,
} from "../options.js";
import { Acceptance, type AcceptTarget } from "./accept.js";
import { type ListenAddresses, Listeners, type ListenOptions } from "./listen.js";
import { newSession, type Resumption, resume } from "./resume.js";
import { Rooms } from "./rooms.js";
import { ServerConnection } from "./server-connection.js";
import { MemorySessionStore, newToken, type SessionCounts, type SessionDrop, type SessionStore, type StoredSession } from "./sessions.js";

/** What an `authenticate` hook gets to decide by. */
export interface AuthenticationRequest {
  /** What the client's `credentials` option gave; empty for version 1 peers. */
  readonly credentials: Uint8Array;
  readonly peer: PeerDescription;
  /** Address, transport and certificate of the client. */
  readonly transport: TransportInfo;
  readonly version: 1 | 2;
}

/** Options of a server. */
export interface ServerOptions extends ConnectionOptions, ServerLimits {
  /**
   * Decides who may connect; what it returns is `connection.identity`. Throwing refuses the client with close code
   * 4416; the text reaches the client only if it is a FramewireError `unauthenticated`.
   */
  readonly authenticate?: (request: AuthenticationRequest) => Awaitable<unknown>;
  /** Origins whose pages may connect, such as `https://app.example`; `"any"` for all. Default: the server's own. */
  readonly allowedOrigins?: readonly string[] | "any";
  /** Oldest wire version served. Default 1. */
  readonly minVersion?: 1 | 2;
  /** Where time comes from; a test hands in its own. */
  readonly clock?: Clock;
}

/** A frame that passed, and whose it was. */
export interface ServerFrameEvent extends FrameEvent {
  readonly connection: ServerConnection;
}

/** What a server tells. */
export interface ServerEvents {
  /** A client is connected and its session new. */
  connection: [ServerConnection];
  /** A client's session is over. */
  disconnection: [ServerConnection, FramewireError];
  /** The session of a client that was away is dropped before its time, for lack of room. Its `disconnection` follows. */
  eviction: [ServerConnection];
  /** A link ended before its handshake was done. */
  refused: [LinkEnd, TransportInfo];
  /** A handler failed, or a frame asked for what is not there: for the log. */
  failure: [HandlerFailure, ServerConnection];
  /** Every frame, while anybody listens. */
  frame: [ServerFrameEvent];
}

/** Sends to many. */
export interface Broadcaster {
  /** Sends a one-way message to each member; it is encoded once. */
  send<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void;
}

/** The context of a server's handlers. */
export type ServerContext = CallContext<ServerConnection>;

interface Session extends StoredSession {
  readonly connection: Connection;
  readonly facade: ServerConnection;
  /** Seed of all that this server sends in the session: replayed frames keep their checksums. */
  readonly seed: number;
}

/** What `disconnection` tells of a session that its store dropped. */
const DROPPED: Readonly<Record<SessionDrop, string>> = {
  expired: "the session was not resumed in time",
  evicted: "the session was dropped: too many or too large ones wait for their clients",
};

export class Server implements AcceptTarget {
  readonly #options: ResolvedServerOptions & ServerOptions;
  readonly #clock: Clock;
  readonly #dispatcher = new Dispatcher();
  readonly #events = new Emitter<ServerEvents>();
  readonly #rooms = new Rooms();
  readonly #sessions: SessionStore<Session>;
  readonly #live = new Map<Connection, Session>();
  readonly #handshakes = new Set<Link>();
  readonly #listeners: Listeners;
  #closing = false;
  #nextId = 1;

  /** @throws FramewireError `invalid-option` */
  constructor(options: ServerOptions = {}) {
    this.#options = { ...options, ...resolveServerOptions(options) };
    this.#clock = options.clock ?? systemClock;
    this.#sessions = new MemorySessionStore(this.#options, this.#clock, (session, why) => this.#dropped(session, why));
    this.#listeners = new Listeners((transport) => this.accept(transport), this.#options);
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
    handleCommand(this.#dispatcher, cmd, codec, handler, options.reply);
  }

  /** Puts code around every call; the first added is the outermost. */
  use(middleware: Middleware<ServerConnection>): void {
    this.#dispatcher.use(middleware as Middleware<never>);
  }

  /** Listens to an event; the function returned ends that. */
  on<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): () => void {
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

  /** Starts to listen; resolves with the addresses once all of them are open. Rejects if one is taken. */
  listen(options: ListenOptions): Promise<ListenAddresses> {
    return this.#listeners.listen(options);
  }

  /** Serves a socket from elsewhere: a memory pair, or a transport of your own. */
  accept(transport: Transport): void {
    const acceptance = new Acceptance(transport, this, this.#options, this.#clock);
    this.#handshakes.add(acceptance.link);
    acceptance.start();
    if (this.#closing) acceptance.link.fail("going-away", "the server is closing");
  }

  /** Sends a one-way message to every client; it is encoded once. */
  broadcast<M extends MethodDefinition>(method: M, message: InputOf<M["requestType"]>): void {
    this.#sendAll(this.#live.keys(), methodCommand("", method), message);
  }

  /** Sends to the members of a room. */
  to(room: string): Broadcaster {
    return {
      send: (method, message) => {
        const members = this.#rooms.members(room);
        const connections = [...this.#live.values()].filter(({ facade }) => members.has(facade)).map(({ connection }) => connection);
        this.#sendAll(connections, methodCommand("", method), message);
      },
    };
  }

  /**
   * Stops accepting, tells every client to go, lets calls in flight finish for up to `drainMs`, then closes. The
   * clients spread their reconnects over `reconnectSpreadMs`, by default as long as the drain.
   */
  async close({ drainMs = 0, reconnectSpreadMs = drainMs }: { drainMs?: number; reconnectSpreadMs?: number } = {}): Promise<void> {
    this.#closing = true;
    const closed = this.#listeners.close();
    for (const link of [...this.#handshakes]) link.fail("going-away", "the server is closing");
    if (drainMs > 0) await this.#drain(drainMs, reconnectSpreadMs);
    for (const connection of [...this.#live.keys()]) connection.close(4509, "the server is closing");
    await closed;
  }

  async #drain(drainMs: number, reconnectSpreadMs: number): Promise<void> {
    const connections = [...this.#live.keys()];
    for (const connection of connections) connection.goaway("the server is closing", reconnectSpreadMs);
    let giveUp = () => {};
    const late = new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    const timer = this.#clock.setTimer(drainMs, giveUp);
    await Promise.race([Promise.all(connections.map((connection) => connection.idle())), late]);
    timer.cancel();
  }

  #sendAll(connections: Iterable<Connection>, command: Command, message: unknown): void {
    const broadcast = new Broadcast(command, message, this.#options.magic);
    for (const connection of connections) connection.sendShared(broadcast);
  }

  // AcceptTarget

  /** @internal */
  acceptV1(link: Link): void | Promise<void> {
    if (this.#options.minVersion === 2) throw new FramewireError("version-unsupported", "this server speaks version 2 only");
    return this.#authenticated({ credentials: new Uint8Array(0), peer: {}, transport: link.info, version: 1 }, (identity) => {
      // Who has left while the server was still thinking is nobody's connection.
      if (link.open) this.#welcome(link, {}, identity).connection.attach(link, versionOneAgreement(this.#options));
    });
  }

  /** @internal */
  acceptHello(link: Link, hello: Hello): void | Promise<void> {
    const peer: PeerDescription = hello.peer ?? {};
    return this.#authenticated({ credentials: hello.credentials, peer, transport: link.info, version: 2 }, (identity) => {
      const found = hello.resume && this.#sessions.find(hello.resume.token);
      const place = (session: Session | undefined) => {
        if (!link.open) return;
        if (session === undefined || !this.#resume(session, link, hello)) this.#begin(link, hello, peer, identity);
      };
      return found instanceof Promise ? found.then(place) : place(found);
    });
  }

  /** @internal */
  refused(link: Link, end: LinkEnd): void {
    this.#handshakes.delete(link);
    this.#events.emit("refused", end, link.info);
  }

  #authenticated(request: AuthenticationRequest, then: (identity: unknown) => void | Promise<void>): void | Promise<void> {
    const identity = this.#options.authenticate?.(request);
    return identity instanceof Promise ? identity.then(then) : then(identity);
  }

  /** Opens a new session. */
  #begin(link: Link, hello: Hello, peer: PeerDescription, identity: unknown): void {
    const session = this.#welcome(link, peer, identity);
    sendWelcome(link, { ...this.#welcomeFor(session), ...newSession(hello.resume !== undefined) });
    this.#attach(session, link, hello);
  }

  /** Goes on with a session. False if what the client says of it cannot be. */
  #resume(session: Session, link: Link, hello: Hello): boolean {
    const resumption = resume(session.connection, hello.resume as ResumeRequest);
    if (resumption === undefined) return false;
    sendWelcome(link, { ...this.#welcomeFor(session), ...resumption.welcome });
    this.#attach(session, link, hello, resumption.resumed);
    return true;
  }

  #attach(session: Session, link: Link, hello: Hello, resumed?: Resumption["resumed"]): void {
    this.#handshakes.delete(link);
    this.#sessions.resumed(session);
    link.batching = hello.capabilities?.batching === true;
    session.connection.attach(link, {
      version: 2,
      ...agreedLimits(hello.limits, this.#options),
      resumable: this.#options.resumeWindowMs > 0,
      ...(resumed === undefined ? {} : { resumed }),
    });
  }

  /** The connection and session of a new client. */
  #welcome(link: Link, peer: PeerDescription, identity: unknown): Session {
    this.#handshakes.delete(link);
    const facts = { id: String(this.#nextId++), peer, identity };
    const facade = new ServerConnection(facts, link.info, () => connection, this.#rooms);
    const connection = new Connection("server", this.#dispatcher, facade, this.#options, this.#clock);
    const session: Session = {
      connection,
      facade,
      seed: randomSeed(),
      token: newToken(),
      get heldBytes() {
        return connection.heldBytes;
      },
    };
    this.#live.set(connection, session);
    this.#sessions.add(session);
    this.#watch(session);
    this.#events.emit("connection", facade);
    return session;
  }

  #watch(session: Session): void {
    const { connection, facade } = session;
    const { events } = connection;
    events.on("failure", (failure) => this.#events.emit("failure", failure, facade));
    if (this.#events.has("frame")) events.on("frame", (frame) => this.#events.emit("frame", { ...frame, connection: facade }));
    events.on("detach", (end) => {
      if (connection.version === 2 && this.#options.resumeWindowMs > 0 && !saidGoodbye(end, facade.transport)) {
        return this.#sessions.interrupted(session);
      }
      const error = end.error instanceof FramewireError ? end.error : undefined;
      connection.close(end.closeCode, end.reason || "the connection broke", error);
    });
    events.on("queued", () => this.#sessions.grown(session));
    events.on("close", (error) => {
      this.#live.delete(connection);
      this.#sessions.remove(session);
      this.#rooms.leaveAll(facade);
      this.#events.emit("disconnection", facade, error);
    });
  }

  #dropped({ connection, facade }: Session, why: SessionDrop): void {
    if (why === "evicted") this.#events.emit("eviction", facade);
    connection.close(1006, DROPPED[why]);
  }

  #welcomeFor(session: Session): Omit<Welcome, keyof Resumption["welcome"]> {
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
