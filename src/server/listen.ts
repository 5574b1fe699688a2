/** The sockets a server listens on. */
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from "node:tls";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { FramewireError } from "../errors.js";
import type { Transport } from "../link/transport.js";
import { checkNames, type ResolvedConnectionOptions } from "../options.js";
import { atOnce, type FailureEvent, handled } from "../runtime/guard.js";
import type { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { protocolNames } from "../session/handshake.js";
import { refuseUpgrade } from "../transport/refuse-upgrade.js";
import { TcpTransport } from "../transport/tcp.js";
import { NodeWebSocketTransport, socketSettings } from "../transport/websocket-node.js";
import type { Arrival, UpgradeRequest } from "./accept.js";
import { clientAddressOf } from "./client-address.js";
import { isLoopback, type PageOptions, PageRules } from "./origin.js";
import { answerPlain, type MismatchTarget, watchHttp } from "./other-protocols.js";
import { PendingSockets, type PendingSocketsHost } from "./pending-sockets.js";
import { TlsListeners, type TlsReload } from "./tls.js";
import { routeUpgrades } from "./upgrades.js";

/** Where to listen. */
export interface ListenOptions {
  readonly ws?: {
    /** Default 0: any free port. */
    readonly port?: number;
    /** Default `127.0.0.1`. */
    readonly host?: string;
    /** Only upgrades of this path are served. Default: all that no other server of framewire on the same HTTP server has. */
    readonly path?: string;
    /**
     * `"v1"`: every client is of version 1. One without a subprotocol is a connection as soon as it has upgraded: the server does not
     * wait for a first frame, and a hello closes with `version-unsupported`. Default: the peer decides.
     */
    readonly protocol?: "v1";
    /** An HTTP server of yours whose upgrades to serve, instead of one of our own; Express and Fastify have one. */
    readonly server?: HttpServer;
    /** Key and certificate, as `node:tls` takes them: makes it `wss`. */
    readonly tls?: TlsOptions;
  };
  readonly tcp?: {
    /** Default 0: any free port. */
    readonly port?: number;
    /** Default `127.0.0.1`. */
    readonly host?: string;
    /**
     * `"v1"`: every peer is of version 1, and a connection as soon as its socket is open (with TLS: secure). The server does not
     * wait for a first frame, and a hello closes with `version-unsupported`. Default: the peer decides.
     */
    readonly protocol?: "v1";
    /** Key and certificate, as `node:tls` takes them: makes it `tls`. */
    readonly tls?: TlsOptions;
  };
}

/** The names of these options. */
const LISTENERS = {
  ws: { port: 0, host: 0, path: 0, protocol: 0, server: 0, tls: 0 } satisfies Record<keyof NonNullable<ListenOptions["ws"]>, 0>,
  tcp: { port: 0, host: 0, protocol: 0, tls: 0 } satisfies Record<keyof NonNullable<ListenOptions["tcp"]>, 0>,
};

/** One open address. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** For a client: `ws://127.0.0.1:8080`. */
  readonly url: string;
}

/** The addresses that are open now. */
export interface ListenAddresses {
  readonly ws?: ListenAddress;
  readonly tcp?: ListenAddress;
}

/** What a WebSocket message may be longer than one payload: the frame around it, or several small frames. */
const MESSAGE_SLACK = 128 * 1024;

/** The largest WebSocket message that is read. */
export function maxMessage(options: ResolvedConnectionOptions): number {
  return options.maxPayload + MESSAGE_SLACK;
}

/** The server's options that matter here. */
export type ListenSettings = ResolvedConnectionOptions &
  PageOptions & {
    readonly minVersion?: 1 | 2;
    readonly clientAddress?: (upgrade: UpgradeRequest) => string | undefined;
  };

const ignore = () => {};

/** Where an open socket goes. */
export interface ListenTarget extends PendingSocketsHost, MismatchTarget {
  readonly throttle: HandshakeThrottle;
  /** Something failed before there was a connection. */
  failed(failure: FailureEvent): void;
  accept(transport: Transport, arrival: Arrival): void;
}

/** Closes one address. */
type Closer = () => Promise<void>;

export class Listeners {
  readonly #target: ListenTarget;
  readonly #options: ListenSettings;
  readonly #pages: PageRules;
  readonly #pending: PendingSockets;
  readonly #tls = new TlsListeners();
  readonly #open = new Set<Closer>();
  /** Calls of `listen` that have not settled. */
  readonly #opening = new Set<Promise<unknown>>();
  #closed = false;

  constructor(target: ListenTarget, options: ListenSettings) {
    this.#target = target;
    this.#options = options;
    this.#pages = new PageRules(options);
    this.#pending = new PendingSockets(target);
  }

  /** Opens all addresses or none. Rejects with `connection-closed` after `close`. */
  async listen(options: ListenOptions): Promise<ListenAddresses> {
    this.#checkOpen();
    const { ws, tcp } = options;
    checkNames("listen", options, LISTENERS);
    if (ws !== undefined) checkNames("listen.ws", ws, LISTENERS.ws);
    if (tcp !== undefined) checkNames("listen.tcp", tcp, LISTENERS.tcp);
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
      if (ws !== undefined) addresses.ws = await this.#listenWs(ws, keep);
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
    this.#tls.reload(certificates);
  }

  /** Stops listening and drops the sockets that are not ready for frames. Connections go on. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#open].map((close) => close());
    this.#open.clear();
    this.#pending.close();
    await Promise.all(closed);
    // What was still opening closes itself.
    await Promise.allSettled(this.#opening);
  }

  /** @throws FramewireError `invalid-option` */
  #checkProtocol(kind: "ws" | "tcp", protocol: unknown): void {
    if (protocol === undefined) return;
    if (protocol !== "v1")
      throw new FramewireError("invalid-option", `${kind}.protocol is ${String(protocol)}; it must be "v1" or left out`);
    if (this.#options.minVersion === 2) throw new FramewireError("invalid-option", `${kind}.protocol is "v1", but minVersion is 2`);
  }

  /** The versions that a listener speaks, best first. */
  #versions(protocol: "v1" | undefined): Versions {
    if (protocol === "v1") return [1];
    return this.#options.minVersion === 2 ? [2] : [2, 1];
  }

  async #listenWs(options: NonNullable<ListenOptions["ws"]>, keep: (close: Closer) => void): Promise<ListenAddress> {
    const versions = this.#versions(options.protocol);
    const settings: ServerOptions & { readonly closeTimeout: number } = {
      ...socketSettings(maxMessage(this.#options)),
      noServer: true,
      clientTracking: false,
      closeTimeout: this.#options.closeTimeoutMs,
      // A browser whose subprotocols are all unknown gets one of them, or it would never be told why it has to go.
      handleProtocols: (offered) => choose("ws", offered, versions) ?? [...offered][0] ?? false,
    };
    const upgrades = new WebSocketServer(settings);
    const { clock, handshakeTimeoutMs } = this.#target;
    const { closeTimeoutMs } = this.#options;
    // The library's own answer waits for a peer that does not read for as long as that likes.
    upgrades.on("wsClientError", (_error, socket) => refuseUpgrade(socket, 400, clock, closeTimeoutMs));
    const http = options.server ?? this.#ownHttpServer(options.tls);
    const take = (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // One that breaks meanwhile is found broken by whoever takes it.
      socket.on("error", ignore);
      const upgrade = () => {
        socket.off("error", ignore);
        const listener = { versions, loopback: isLoopback(http.address()) };
        upgrades.handleUpgrade(request, socket, head, (webSocket) => this.#upgraded(request, webSocket, socket, listener));
      };
      const entered = this.#target.throttle.run(() => this.#taking(socket, upgrade));
      if (entered !== undefined) handled(entered);
    };
    const leave = routeUpgrades(http, { path: options.path, clock, handshakeTimeoutMs, closeTimeoutMs, take });
    if (options.server !== undefined) {
      keep(async () => leave());
      const address = http.address();
      if (address === null || typeof address === "string") return { host: "", port: 0, url: "" };
      return addressOf("ws", address);
    }
    const scheme = options.tls === undefined ? "ws" : "wss";
    if (scheme === "ws") this.#pending.watch(http);
    else this.#watchTls(http as unknown as TlsServer, scheme);
    watchHttp(http, scheme, this.#target, closeTimeoutMs);
    return this.#openServer(http, scheme, options, keep, () => (http as HttpServer).closeAllConnections());
  }

  #ownHttpServer(tls: TlsOptions | undefined): HttpServer {
    const refuse = (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket", Connection: "close" });
      response.end("This port speaks WebSocket, and the request asked for no upgrade.\n");
    };
    if (tls === undefined) return createHttpServer(refuse);
    const server = this.#tls.create("ws", tls, (settings) => createHttpsServer(settings, refuse));
    return server as unknown as HttpServer;
  }

  #upgraded(
    request: IncomingMessage,
    webSocket: WebSocket,
    socket: Socket,
    { versions, loopback }: { readonly versions: Versions; readonly loopback: boolean },
  ): void {
    const { origin, host } = request.headers;
    const upgrade: UpgradeRequest = { url: request.url ?? "/", headers: request.headers };
    // What arrives before the link listens would be lost.
    webSocket.pause();
    const client = this.#clientOf(upgrade);
    const transport = new NodeWebSocketTransport(webSocket, socket, client.address);
    this.#target.accept(transport, {
      upgrade,
      version: fixedVersion(versions),
      since: this.#pending.completed(socket),
      // Browsers hide the status of a refused upgrade: a close code is the only word that reaches the page.
      refusal: client.refusal ?? this.#pages.refusal(origin, host, loopback) ?? unknown("ws", webSocket.protocol, versions),
    });
  }

  /** The address of a WebSocket client, or why it is refused: the `clientAddress` hook has failed. */
  #clientOf(upgrade: UpgradeRequest): { readonly address?: string | undefined; readonly refusal?: FramewireError } {
    const { clientAddress } = this.#options;
    if (clientAddress === undefined) return {};
    try {
      const address = atOnce(() => clientAddress(upgrade));
      if (address === undefined) return {};
      if (typeof address === "string") return { address: clientAddressOf(address) };
      throw new TypeError(`it returned a value of the type ${typeof address}; it must return a string or undefined`);
    } catch (error) {
      this.#target.failed({ hook: "clientAddress", error });
      return { refusal: new FramewireError("internal", "the server failed to accept this connection", { cause: error }) };
    }
  }

  /** Runs what takes a socket over. One for which that throws is dropped. */
  #taking(socket: Socket, take: () => void): void {
    try {
      take();
    } catch (error) {
      socket.destroy();
      this.#target.failed({ error });
    }
  }

  #listenTcp(options: NonNullable<ListenOptions["tcp"]>, keep: (close: Closer) => void): Promise<ListenAddress> {
    const versions = this.#versions(options.protocol);
    const version = fixedVersion(versions);
    if (options.tls === undefined) {
      const accept = (socket: Socket) => this.#taking(socket, () => this.#target.accept(new TcpTransport(socket), { version }));
      return this.#openServer(createTcpServer({ pauseOnConnect: true }, accept), "tcp", options, keep);
    }
    // Where the application chooses the ALPN names itself, the first frame decides.
    const own = !("ALPNProtocols" in options.tls || "ALPNCallback" in options.tls);
    const accept = (socket: TLSSocket) => {
      const refusal = own ? unknown("tls", socket.alpnProtocol, versions) : undefined;
      this.#taking(socket, () =>
        this.#target.accept(new TcpTransport(socket), { version, since: this.#pending.completed(socket), refusal }),
      );
    };
    // A callback in place of a list: with a list, a client that offers only what is unknown gets an alert and no reason.
    const alpn: TlsOptions = { ALPNCallback: ({ protocols }) => choose("tls", protocols, versions) ?? protocols[0] };
    const server = this.#tls.create("tcp", own ? { ...options.tls, ...alpn } : options.tls, (settings) =>
      createTlsServer(settings, accept),
    );
    this.#watchTls(server, "tls");
    return this.#openServer(server, "tls", options, keep);
  }

  #watchTls(server: TlsServer, scheme: "tls" | "wss"): void {
    this.#pending.watchTls(server, (error, socket) => answerPlain(error, socket, scheme, this.#target));
  }

  #openServer(
    server: NetServer,
    scheme: string,
    { port = 0, host = "127.0.0.1" }: { readonly port?: number; readonly host?: string },
    keep: (close: Closer) => void,
    closing: () => void = () => {},
  ): Promise<ListenAddress> {
    return new Promise((resolve, reject) => {
      // Stays for good: an error of a listening server, such as too many open files, must not end the process.
      server.on("error", (cause: NodeJS.ErrnoException) => {
        if (server.listening) return this.#target.failed({ error: cause });
        const why = cause.code === "EADDRINUSE" ? "the port is taken" : cause.message;
        reject(new FramewireError("connect-failed", `cannot listen on ${scheme}://${host}:${port}: ${why}`, { cause }));
      });
      server.listen(port, host, () => {
        keep(
          () =>
            new Promise((done) => {
              server.close(() => done());
              closing();
            }),
        );
        resolve(addressOf(scheme, server.address() as AddressInfo));
      });
    });
  }
}

function addressOf(scheme: string, { address, port, family }: AddressInfo): ListenAddress {
  return { host: address, port, url: `${scheme}://${family === "IPv6" ? `[${address}]` : address}:${port}` };
}

/** Wire versions, best first. */
type Versions = readonly (1 | 2)[];

/** The version of every link of a listener, where its option says so. */
function fixedVersion(versions: Versions): 1 | undefined {
  return versions[0] === 1 ? 1 : undefined;
}

/** The best of the names that a client offers. */
function choose(kind: "ws" | "tls", offered: Iterable<string>, versions: Versions): string | undefined {
  const all = new Set(offered);
  return protocolNames(kind, versions).find((name) => all.has(name));
}

/** A name that was agreed on for want of a better one. */
function unknown(kind: "ws" | "tls", name: string | false | null, versions: Versions): FramewireError | undefined {
  if (!name || protocolNames(kind, versions).includes(name)) return undefined;
  return new FramewireError("version-unsupported", `this server does not speak ${name}`, { fault: "remote" });
}
