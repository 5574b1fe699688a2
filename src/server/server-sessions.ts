/** The sessions of a server with their connections: opens, resumes, evicts and ends them, and reports their events. */

import { Connection } from "../calls/connection.js";
import type { Dispatcher } from "../calls/dispatcher.js";
import { EVERY_PART } from "../calls/parts.js";
import { FramewireError } from "../errors.js";
import type { AccountKeeper } from "../link/account.js";
import type { Link, LinkEnd } from "../link/link.js";
import type { TransportInfo } from "../link/transport.js";
import type { PeerDescription, ResolvedServerOptions } from "../options.js";
import type { Awaitable } from "../protocol/definition.js";
import type { Clock } from "../runtime/clock.js";
import type { ConnectionEvents } from "../session/events.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";
import type { Authentication } from "./authentication.js";
import { CLOSING, GOING_AWAY } from "./drain.js";
import type { ServerReports } from "./reports.js";
import type { Rooms } from "./rooms.js";
import { ServerConnection } from "./server-connection.js";
import { ServerSession, type SessionHost } from "./server-session.js";
import { MemorySessionStore, type SessionCounts, type SessionDrop, type SessionStore } from "./sessions.js";

/** The reason in `disconnection` of a session that its store dropped. */
const DROP_REASONS: Readonly<Record<SessionDrop, string>> = {
  expired: "the session was not resumed in time",
  evicted: "the session was dropped: too many or too large ones wait for their clients",
};

/** An event of a connection with its arguments. */
type ConnectionEvent = { [E in keyof ConnectionEvents]: [E, ...ConnectionEvents[E]] }[keyof ConnectionEvents];

/** What the connections of a server share. */
export interface SessionSettings {
  readonly options: ResolvedServerOptions;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly account: AccountKeeper;
  readonly rooms: Rooms<ServerConnection>;
}

export class ServerSessions implements SessionHost {
  readonly #settings: SessionSettings;
  readonly #reports: ServerReports;
  readonly #store: SessionStore<ServerSession>;
  readonly #open = new Map<Connection, ServerSession>();
  #closing = false;
  #nextId = 1;

  constructor(settings: SessionSettings, reports: ServerReports) {
    this.#settings = settings;
    this.#reports = reports;
    this.#store = new MemorySessionStore(settings.options, settings.clock, (session, why) => this.#dropped(session, why));
  }

  get size(): number {
    return this.#open.size;
  }

  get counts(): SessionCounts {
    return this.#store.counts;
  }

  /** Every connection, those without a link included. */
  connections(): IterableIterator<Connection> {
    return this.#open.keys();
  }

  /** What handlers and listeners see of each connection. */
  handles(): ServerConnection[] {
    return [...this.#open.values()].map(({ handle }) => handle);
  }

  handleOf(connection: unknown): ServerConnection | undefined {
    return connection instanceof Connection ? this.#open.get(connection)?.handle : undefined;
  }

  /** Opens the session of a new client. Its connection has no link until `attach`. */
  open(link: Link, peer: PeerDescription, { identity, subject }: Authentication): ServerSession {
    const { options, clock, dispatcher, account, rooms } = this.#settings;
    const handle = new ServerConnection({ id: String(this.#nextId++), peer, identity }, link.info, rooms);
    const connection = new Connection("server", dispatcher, handle, options, clock, { parts: EVERY_PART, account });
    const session = new ServerSession(connection, handle, this);
    session.subject = subject;
    this.#open.set(connection, session);
    this.#store.add(session);
    this.#reports.events.emit("connection", handle);
    return session;
  }

  /** The session of a resume token. */
  find(token: Uint8Array): Awaitable<ServerSession | undefined> {
    return this.#store.find(token);
  }

  /** Gives the connection of a session its link. */
  attach(session: ServerSession, link: Link, settings: NegotiatedSettings): void {
    this.#store.resumed(session);
    session.connection.attach(link, settings);
  }

  /** From now on a session ends with its link. */
  beginClosing(): void {
    this.#closing = true;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Closes every connection, or those without a link. */
  closeAll({ detachedOnly = false } = {}): void {
    for (const connection of [...this.#open.keys()]) {
      if (!detachedOnly || connection.link === undefined) connection.close(GOING_AWAY, CLOSING);
    }
  }

  /** Drops the session of a connection without a link, as `maxServerBytes` or `maxConnectionBytes` is reached. */
  evict(connection: Connection, message: string): void {
    const session = this.#open.get(connection);
    if (session === undefined) return;
    this.#reports.limit("slow-consumer", message, session.handle.transport.remoteAddress, session.handle);
    this.#store.remove(session);
    this.#dropped(session, "evicted");
  }

  // SessionHost

  wants(event: keyof ConnectionEvents): boolean {
    return event === "frame" && this.#reports.events.has(event);
  }

  heard<E extends keyof ConnectionEvents>(session: ServerSession, event: E, ...args: ConnectionEvents[E]): void;
  heard(session: ServerSession, ...[event, detail]: ConnectionEvent): void {
    const { handle } = session;
    switch (event) {
      case "failure":
        return this.#reports.failure(detail, handle);
      case "limit":
        return this.#reports.limit(detail.code, detail.message, handle.transport.remoteAddress, handle);
      case "drop":
        return this.#reports.drop(handle, detail);
      case "invalid":
        return this.#reports.invalid(handle, detail);
      case "frame":
        return this.#reports.frame(handle, detail);
      case "queued":
        return this.#store.grown(session);
      case "gap":
        return this.#reports.log.gap(handle, detail);
      case "detach":
        this.#reports.log.detached(handle, detail);
        return this.#detached(session, detail);
      case "close":
        this.#open.delete(session.connection);
        this.#store.remove(session);
        this.#settings.rooms.leaveAll(handle);
        return this.#reports.disconnected(handle, detail);
      default:
      // The server reports neither damage nor a peer's goaway: the connection has events of its own for them.
    }
  }

  #detached(session: ServerSession, end: LinkEnd): void {
    const { connection, handle } = session;
    const resumable = connection.version === 2 && this.#settings.options.resumeWindowMs > 0 && !this.#closing;
    if (resumable && !saidGoodbye(end, handle.transport)) return this.#store.interrupted(session);
    const error = end.error instanceof FramewireError ? end.error : undefined;
    connection.close(end.closeCode, end.reason || "the connection broke", error);
  }

  #dropped({ connection, handle }: ServerSession, why: SessionDrop): void {
    if (why === "evicted") this.#reports.evicted(handle);
    connection.close(1006, DROP_REASONS[why]);
  }
}

/** Whether the client left for good. The end of a TCP stream alone does not say so: a process that is killed ends it too. */
function saidGoodbye({ closeCode, announced }: LinkEnd, { kind }: TransportInfo): boolean {
  return closeCode === 1000 && (kind === "ws" || announced === true);
}
