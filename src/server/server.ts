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
import { type Hello, type ResumeRequest, ResumeVerdict, type Welcome } from "../gen/framewire/v1/session.js";
import { type ConnectionOptions, type PeerDescription, type ResolvedConnectionOptions, resolveConnectionOptions } from "../options.js";
import { Acceptance, type AcceptTarget } from "./accept.js";
import { type ListenAddresses, Listeners, type ListenOptions } from "./listen.js";
import { Rooms } from "./rooms.js";
import { ServerConnection } from "./server-connection.js";
import { newToken, SessionTable } from "./sessions.js";

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
export interface ServerOptions extends ConnectionOptions {
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

interface Session {
  readonly connection: Connection;
  readonly facade: ServerConnection;
  /** Seed of all that this server sends in the session: replayed frames keep their checksums. */
  readonly seed: number;
  readonly token: Uint8Array;
}

export class Server implements AcceptTarget {
  readonly #options: ResolvedConnectionOptions & ServerOptions;
  readonly #clock: Clock;
  readonly #dispatcher = new Dispatcher();
  readonly #events = new Emitter<ServerEvents>();
  readonly #rooms = new Rooms();
  readonly #sessions = new SessionTable();
  readonly #live = new Map<Connection, Session>();
  readonly #handshakes = new Set<Link>();
  readonly #listeners: Listeners;
  #closing = false;
  #nextId = 1;

  /** @throws FramewireError `invalid-option` */
  constructor(options: ServerOptions = {}) {
    this.#options = { ...options, ...resolveConnectionOptions(options) };
    this.#clock = options.clock ?? systemClock;
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
      this.#welcome(link, {}, identity).connection.attach(link, versionOneAgreement(this.#options));
    });
  }

  /** @internal */
  acceptHello(link: Link, hello: Hello): void | Promise<void> {
    const peer: PeerDescription = hello.peer ?? {};
    return this.#authenticated({ credentials: hello.credentials, peer, transport: link.info, version: 2 }, (identity) => {
      if (hello.resume === undefined || !this.#resume(link, hello, hello.resume)) this.#begin(link, hello, peer, identity);
    });
  }

  /** @internal */
  refused(link: Link, end: LinkEnd): void {
    this.#handshakes.delete(link);
    this.#events.emit("refused", end, link.info);
  }

  #authenticated(request: AuthenticationRequest, then: (identity: unknown) => void): void | Promise<void> {
    const identity = this.#options.authenticate?.(request);
    if (identity instanceof Promise) return identity.then(then);
    then(identity);
  }

  /** Opens a new session. */
  #begin(link: Link, hello: Hello, peer: PeerDescription, identity: unknown): void {
    const session = this.#welcome(link, peer, identity);
    const rejected = hello.resume !== undefined;
    sendWelcome(link, {
      ...this.#welcomeFor(session),
      verdict: rejected ? ResumeVerdict.RESUME_VERDICT_REJECTED : ResumeVerdict.RESUME_VERDICT_UNSPECIFIED,
      received: 0n,
      toClient: undefined,
      toServer: undefined,
    });
    this.#attach(session, link, hello);
  }

  /** Goes on with an interrupted session. False if there is none. */
  #resume(link: Link, hello: Hello, resume: ResumeRequest): boolean {
    const connection = this.#sessions.find(resume.token);
    const session = connection && this.#live.get(connection);
    if (connection === undefined || session === undefined) return false;
    const peerReceived = Number(resume.received);
    const oldest = Number(resume.oldest);
    if (!(peerReceived < connection.replay.next) || !(oldest >= 1 && oldest <= Number.MAX_SAFE_INTEGER)) return false;
    const lostOut = connection.replay.missingAfter(peerReceived);
    const lostIn = oldest > connection.received + 1 ? { from: connection.received + 1, to: oldest - 1 } : undefined;
    const evicted = "evicted";
    sendWelcome(link, {
      ...this.#welcomeFor(session),
      verdict: lostIn || lostOut ? ResumeVerdict.RESUME_VERDICT_GAP : ResumeVerdict.RESUME_VERDICT_RESUMED,
      received: BigInt(lostIn?.to ?? connection.received),
      toClient: lostOut && { from: BigInt(lostOut.from), to: BigInt(lostOut.to), reason: evicted },
      toServer: lostIn && { from: BigInt(lostIn.from), to: BigInt(lostIn.to), reason: evicted },
    });
    this.#attach(session, link, hello, {
      peerReceived: lostOut?.to ?? peerReceived,
      lostIn: lostIn && { direction: "in", ...lostIn, reason: evicted },
      lostOut: lostOut && { direction: "out", ...lostOut, reason: evicted },
    });
    return true;
  }

  #attach(session: Session, link: Link, hello: Hello, resumed?: Parameters<Connection["attach"]>[1]["resumed"]): void {
    this.#handshakes.delete(link);
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
    const session: Session = { connection, facade, seed: randomSeed(), token: newToken() };
    this.#live.set(connection, session);
    this.#sessions.add(session.token, connection);
    this.#watch(session);
    this.#events.emit("connection", facade);
    return session;
  }

  #watch({ connection, facade, token }: Session): void {
    const { events } = connection;
    events.on("failure", (failure) => this.#events.emit("failure", failure, facade));
    if (this.#events.has("frame")) events.on("frame", (frame) => this.#events.emit("frame", { ...frame, connection: facade }));
    events.on("detach", (end) => {
      const windowMs = connection.version === 2 ? this.#options.resumeWindowMs : 0;
      if (windowMs === 0)
        return connection.close(
          end.closeCode,
          end.reason || "the connection broke",
          end.error instanceof FramewireError ? end.error : undefined,
        );
      const timer = this.#clock.setTimer(windowMs, () => {
        if (connection.link === undefined) connection.close(1006, "the session was not resumed in time");
      });
      events.on("close", () => timer.cancel());
    });
    events.on("close", (error) => {
      this.#live.delete(connection);
      this.#sessions.remove(token);
      this.#rooms.leaveAll(facade);
      this.#events.emit("disconnection", facade, error);
    });
  }

  #welcomeFor(session: Session): Omit<Welcome, "verdict" | "received" | "toClient" | "toServer"> {
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

/** A server; `listen` opens it. @throws FramewireError `invalid-option` */
export function createServer(options: ServerOptions = {}): Server {
  return new Server(options);
}
