/** One client, as a server's handlers see it. */
import type { CallOptions } from "../calls/call-options.js";
import type { Connection } from "../calls/connection.js";
import { sendMessage, serviceClient } from "../calls/registration.js";
import { FramewireError } from "../errors.js";
import type { TransportInfo } from "../link/transport.js";
import type { PeerDescription } from "../options.js";
import { bareCommand } from "../protocol/commands.js";
import type {
  InputOf,
  MessageCodec,
  MessageOf,
  MethodDefinition,
  OutputOf,
  ServiceClient,
  ServiceDefinition,
} from "../protocol/definition.js";
import { checkListener } from "../runtime/emitter.js";
import { handled } from "../runtime/guard.js";
import { CONNECTION_EVENTS, type ConnectionEvents, type Sent } from "../session/events.js";
import type { Rooms } from "./rooms.js";

/** What the handshake has shown about a client. */
export interface ClientFacts {
  /** Unique among the connections of this server. */
  readonly id: string;
  /** Name, version and platform that the client sent; empty for version 1 peers. */
  readonly peer: PeerDescription;
  /** The `identity` that the `authenticate` hook returned. */
  readonly identity: unknown;
}

/** @internal The connection of a handle. */
export let connectionOf: (handle: ServerConnection) => Connection;

/** A client of this server. It stays the same object when the client resumes its session on another socket. */
export class ServerConnection {
  readonly id: string;
  readonly peer: PeerDescription;
  readonly #rooms: Rooms<ServerConnection>;
  #connection: Connection | undefined;
  #identity: unknown;
  #info: TransportInfo;

  /** @internal */
  constructor(facts: ClientFacts, info: TransportInfo, rooms: Rooms<ServerConnection>) {
    this.id = facts.id;
    this.peer = facts.peer;
    this.#identity = facts.identity;
    this.#info = info;
    this.#rooms = rooms;
  }

  /** @internal Sets the connection of this handle. Called right after the constructor: a connection is made with its handle. */
  bind(connection: Connection): void {
    this.#connection = connection;
  }

  /** @internal Another socket has resumed the session: its client was authenticated anew. */
  identify(identity: unknown): void {
    this.#identity = identity;
  }

  static {
    connectionOf = (handle) => handle.#bound();
  }

  #bound(): Connection {
    return this.#connection as Connection;
  }

  /** What the `authenticate` hook returned as `identity` for the socket in use, or the last one that was. */
  get identity(): unknown {
    return this.#identity;
  }

  /** The socket in use, or the last one that was. */
  get transport(): TransportInfo {
    this.#info = this.#bound().link?.info ?? this.#info;
    return this.#info;
  }

  /** Wire version of the client. */
  get version(): 1 | 2 {
    return this.#bound().version;
  }

  /** Whether the client has a socket now; without one its session waits for the client to resume it. */
  get attached(): boolean {
    return this.#bound().link !== undefined;
  }

  /** Calls and handlers of both directions that have not settled. */
  get inFlight(): number {
    return this.#bound().inFlight;
  }

  /** Enters a room: `server.to(room)` reaches it until it leaves or the connection ends. It is a member as soon as the call returns. */
  async join(room: string): Promise<void> {
    // A closed connection would stay in the room for good.
    if (!this.#bound().closed) this.#rooms.join(this, room);
  }

  /** Leaves a room. It is no member as soon as the call returns. */
  async leave(room: string): Promise<void> {
    this.#rooms.leave(this, room);
  }

  /** The rooms it is in. */
  get rooms(): ReadonlySet<string> {
    return this.#rooms.of(this);
  }

  /**
   * Sends a one-way message: a method of a service, or a bare command. Resolves when it is handed over or dropped, which `Sent` says; rejects if it
   * never goes out for another reason. The promise may be left un-awaited: its rejection is marked as handled.
   */
  send<M extends MethodDefinition>(method: M, message: MessageOf<M>, options?: CallOptions): Promise<Sent>;
  send<C extends MessageCodec>(cmd: number, codec: C, message: InputOf<C>, options?: CallOptions): Promise<Sent>;
  send(target: MethodDefinition | number, first: unknown, second?: unknown, options?: CallOptions): Promise<Sent> {
    return handled(sendMessage(this.#bound(), target, first, second, options));
  }

  /** Calls a bare command that the client handles. */
  async request<C extends MessageCodec, R extends MessageCodec = C>(
    cmd: number,
    codec: C,
    message: InputOf<C>,
    options: CallOptions & { readonly reply?: R } = {},
  ): Promise<OutputOf<R>> {
    return (await this.#bound().call(bareCommand(cmd, codec, options.reply ?? codec, false), message, options)) as OutputOf<R>;
  }

  /** The typed client of a service that the client implements. */
  service<D extends ServiceDefinition>(definition: D): ServiceClient<D, CallOptions> {
    return serviceClient(this.#bound(), definition);
  }

  /** Listens to `close`, `gap` and the other events of a connection; the function returned ends that. */
  on<E extends keyof ConnectionEvents>(event: E, listener: (...args: ConnectionEvents[E]) => void): () => void {
    checkListener("a connection", event, listener, CONNECTION_EVENTS);
    return this.#bound().events.on(event, listener);
  }

  /**
   * Ends the connection and its session. `closeCode` is 1000 or from 3000 to 4399, over every transport; clients do not come
   * back after 4000 and above. On a WebSocket, `reason` is cut to 123 bytes of UTF-8.
   * @throws FramewireError `invalid-option` for another code; then the connection goes on
   */
  close(closeCode = 1000, reason = ""): void {
    checkCloseCode(closeCode);
    this.#bound().close(closeCode, reason);
  }
}

/** The codes from 1001 to 2999 belong to WebSocket, those from 4400 on to framewire: `errors.ts` gives each its meaning. */
function checkCloseCode(closeCode: number): void {
  if (closeCode === 1000 || (Number.isInteger(closeCode) && closeCode >= 3000 && closeCode <= 4399)) return;
  throw new FramewireError("invalid-option", `the close code is ${String(closeCode)}; it must be 1000, or an integer from 3000 to 4399`);
}
