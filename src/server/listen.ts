/** Starts and ends listening: opens the addresses of a server, all or none, and closes them. */
import { createServer as createTcpServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { FramewireError } from "../errors.js";
import { checkNames } from "../options.js";
import { TcpTransport } from "../transport/tcp.js";
import { LISTEN_OPTIONS, type ListenAddress, type ListenAddresses, type ListenOptions } from "./listen-options.js";
import {
  type Closer,
  choose,
  fixedVersion,
  type ListenerContext,
  type ListenSettings,
  type ListenTarget,
  openServer,
  takeSocket,
  unknown,
  type Versions,
  watchTls,
} from "./listener.js";
import { PendingSockets } from "./pending-sockets.js";
import { TlsListeners, type TlsReload } from "./tls.js";
import { WebSocketListeners } from "./websocket-listener.js";

export class Listeners {
  readonly #context: ListenerContext;
  readonly #webSockets: WebSocketListeners;
  readonly #open = new Set<Closer>();
  /** Calls of `listen` that have not settled. */
  readonly #opening = new Set<Promise<unknown>>();
  #closed = false;

  constructor(target: ListenTarget, options: ListenSettings) {
    this.#context = { target, options, pending: new PendingSockets(target), tls: new TlsListeners() };
    this.#webSockets = new WebSocketListeners(this.#context);
  }

  /** Opens all addresses or none. Rejects with `connection-closed` after `close`. */
  async listen(options: ListenOptions): Promise<ListenAddresses> {
    this.#checkOpen();
    const { ws, tcp } = options;
    checkNames("listen", options, LISTEN_OPTIONS);
    if (ws !== undefined) checkNames("listen.ws", ws, LISTEN_OPTIONS.ws);
    if (tcp !== undefined) checkNames("listen.tcp", tcp, LISTEN_OPTIONS.tcp);
    this.#checkProtocol("ws", ws?.protocol);
    this.#checkProtocol("tcp", tcp?.protocol);
    const opening = this.#listen(options);
    this.#opening.add(opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async #listen({ ws, tcp }: ListenOptions): Promise<ListenAddresses> {
    const opened: Closer[] = [];
    const keep = (close: Closer) => {
      opened.push(close);
      this.#open.add(close);
    };
    try {
      const addresses: { ws?: ListenAddress; tcp?: ListenAddress } = {};
      if (ws !== undefined) addresses.ws = await this.#webSockets.open(ws, this.#versions(ws.protocol), keep);
      this.#checkOpen();
      if (tcp !== undefined) addresses.tcp = await this.#listenTcp(tcp, keep);
      this.#checkOpen();
      return addresses;
    } catch (error) {
      for (const close of opened) this.#open.delete(close);
      await Promise.all(opened.map((close) => close()));
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new FramewireError("connection-closed", "the server is closed: create another one to listen again");
  }

  /** Takes other certificates from now on. Connections go on with theirs. @throws FramewireError `invalid-option` */
  reloadTls(certificates: TlsReload): void {
    this.#context.tls.reload(certificates);
  }

  /** Stops listening and drops the sockets that are not ready for frames. Connections go on. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#open].map((close) => close());
    this.#open.clear();
    this.#context.pending.close();
    await Promise.all(closed);
    // What was still opening closes itself.
    await Promise.allSettled(this.#opening);
  }

  /** @throws FramewireError `invalid-option` */
  #checkProtocol(kind: "ws" | "tcp", protocol: unknown): void {
    if (protocol === undefined) return;
    if (protocol !== "v1")
      throw new FramewireError("invalid-option", `${kind}.protocol is ${String(protocol)}; it must be "v1" or left out`);
    if (this.#context.options.minVersion === 2) throw new FramewireError("invalid-option", `${kind}.protocol is "v1", but minVersion is 2`);
  }

  /** The versions that a listener speaks, best first. */
  #versions(protocol: "v1" | undefined): Versions {
    if (protocol === "v1") return [1];
    return this.#context.options.minVersion === 2 ? [2] : [2, 1];
  }

  #listenTcp(options: NonNullable<ListenOptions["tcp"]>, keep: (close: Closer) => void): Promise<ListenAddress> {
    const { target } = this.#context;
    const versions = this.#versions(options.protocol);
    const version = fixedVersion(versions);
    if (options.tls === undefined) {
      const accept = (socket: Socket) => takeSocket(target, socket, () => target.accept(new TcpTransport(socket), { version }));
      return openServer(createTcpServer({ pauseOnConnect: true }, accept), "tcp", options, target, keep);
    }
    // Where the application chooses the ALPN names itself, the first frame decides.
    const own = !("ALPNProtocols" in options.tls || "ALPNCallback" in options.tls);
    const accept = (socket: TLSSocket) => {
      const refusal = own ? unknown("tls", socket.alpnProtocol, versions) : undefined;
      takeSocket(target, socket, () =>
        target.accept(new TcpTransport(socket), { version, since: this.#context.pending.completed(socket), refusal }),
      );
    };
    // A callback in place of a list: with a list, a client that offers only what is unknown gets an alert and no reason.
    const alpn: TlsOptions = { ALPNCallback: ({ protocols }) => choose("tls", protocols, versions) ?? protocols[0] };
    const server = this.#context.tls.create("tcp", own ? { ...options.tls, ...alpn } : options.tls, (settings) =>
      createTlsServer(settings, accept),
    );
    watchTls(this.#context, server, "tls");
    return openServer(server, "tls", options, target, keep);
  }
}
