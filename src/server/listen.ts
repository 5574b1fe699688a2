/** The sockets a server listens on. */
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { WebSocketServer } from "ws";
import { protocolNames } from "../connection/handshake.js";
import type { Transport } from "../connection/transport.js";
import { FramewireError } from "../errors.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { TcpTransport } from "../transport/tcp.js";
import { NodeWebSocketTransport } from "../transport/websocket-node.js";
import { originAllowed } from "./origin.js";

/** Where to listen. */
export interface ListenOptions {
  readonly ws?: {
    /** Default 0: any free port. */
    readonly port?: number;
    /** Default `127.0.0.1`. */
    readonly host?: string;
    /** Only upgrades of this path are served. Default: all. */
    readonly path?: string;
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
    /** Key and certificate, as `node:tls` takes them: makes it `tls`. */
    readonly tls?: TlsOptions;
  };
}

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
type ListenSettings = ResolvedConnectionOptions & { readonly allowedOrigins?: readonly string[] | "any" };

export class Listeners {
  readonly #accept: (transport: Transport) => void;
  readonly #options: ListenSettings;
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(accept: (transport: Transport) => void, options: ListenSettings) {
    this.#accept = accept;
    this.#options = options;
  }

  async listen({ ws, tcp }: ListenOptions): Promise<ListenAddresses> {
    const addresses: { ws?: ListenAddress; tcp?: ListenAddress } = {};
    if (ws !== undefined) addresses.ws = await this.#listenWs(ws);
    if (tcp !== undefined) addresses.tcp = await this.#listenTcp(tcp);
    return addresses;
  }

  /** Stops listening. Connections go on. */
  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()));
  }

  async #listenWs(options: NonNullable<ListenOptions["ws"]>): Promise<ListenAddress> {
    const upgrades = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxMessage(this.#options),
      handleProtocols: (offered) => protocolNames("ws").find((name) => offered.has(name)) ?? false,
    });
    const http = options.server ?? this.#ownHttpServer(options.tls);
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (options.path !== undefined && new URL(request.url ?? "/", "http://path.only").pathname !== options.path) {
        // With another listener it may be theirs; alone, nobody else would ever answer.
        if (http.listenerCount("upgrade") === 1) socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      upgrades.handleUpgrade(request, socket, head, (webSocket) => {
        // Browsers hide the status of a refused upgrade: a close code is the only word that reaches the page.
        if (!originAllowed(request.headers.origin, request.headers.host, this.#options.allowedOrigins)) {
          return webSocket.close(4404, "this origin may not connect");
        }
        webSocket.pause();
        this.#accept(new NodeWebSocketTransport(webSocket, request.socket));
      });
    };
    http.on("upgrade", onUpgrade);
    if (options.server !== undefined) {
      this.#closers.push(async () => void http.off("upgrade", onUpgrade));
      const address = http.address();
      if (address === null || typeof address === "string") return { host: "", port: 0, url: "" };
      return addressOf("ws", address);
    }
    return this.#open(http, options.tls === undefined ? "ws" : "wss", options);
  }

  #ownHttpServer(tls: TlsOptions | undefined): HttpServer {
    const refuse = (_request: IncomingMessage, response: import("node:http").ServerResponse) => {
      response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
      response.end("This port speaks WebSocket.\n");
    };
    return tls === undefined ? createHttpServer(refuse) : createHttpsServer(tls, refuse);
  }

  #listenTcp(options: NonNullable<ListenOptions["tcp"]>): Promise<ListenAddress> {
    const accept = (socket: Socket) => this.#accept(new TcpTransport(socket));
    if (options.tls === undefined) return this.#open(createTcpServer(accept), "tcp", options);
    const server = createTlsServer({ ALPNProtocols: protocolNames("tls"), ...options.tls }, accept);
    return this.#open(server, "tls", options);
  }

  #open(
    server: NetServer,
    scheme: string,
    { port = 0, host = "127.0.0.1" }: { readonly port?: number; readonly host?: string },
  ): Promise<ListenAddress> {
    return new Promise((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "the port is taken" : cause.message;
        reject(new FramewireError("connect-failed", `cannot listen on ${scheme}://${host}:${port}: ${why}`, { cause }));
      });
      server.listen(port, host, () => {
        this.#closers.push(() => new Promise((done) => server.close(() => done())));
        resolve(addressOf(scheme, server.address() as AddressInfo));
      });
    });
  }
}

function addressOf(scheme: string, { address, port, family }: AddressInfo): ListenAddress {
  return { host: address, port, url: `${scheme}://${family === "IPv6" ? `[${address}]` : address}:${port}` };
}
