/** The WebSocket listeners of a server: HTTP servers of its own or of the application, whose upgrades become links. */
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { TlsOptions, Server as TlsServer } from "node:tls";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { FramewireError } from "../errors.js";
import { atOnce, handled } from "../runtime/guard.js";
import { refuseUpgrade } from "../transport/refuse-upgrade.js";
import { NodeWebSocketTransport, socketSettings } from "../transport/websocket-node.js";
import type { UpgradeRequest } from "./accept.js";
import { clientAddressOf } from "./client-address.js";
import type { ListenAddress, ListenOptions } from "./listen-options.js";
import {
  addressOf,
  type Closer,
  choose,
  fixedVersion,
  type ListenerContext,
  maxMessage,
  openServer,
  takeSocket,
  unknown,
  type Versions,
  watchTls,
} from "./listener.js";
import { isLoopback, PageRules } from "./origin.js";
import { watchHttp } from "./other-protocols.js";
import { routeUpgrades } from "./upgrades.js";

const ignore = () => {};

export class WebSocketListeners {
  readonly #context: ListenerContext;
  readonly #pages: PageRules;

  constructor(context: ListenerContext) {
    this.#context = context;
    this.#pages = new PageRules(context.options);
  }

  /** Opens an address, or takes upgrades of an HTTP server of the application. */
  async open(options: NonNullable<ListenOptions["ws"]>, versions: Versions, keep: (close: Closer) => void): Promise<ListenAddress> {
    const { target, pending } = this.#context;
    const settings: ServerOptions & { readonly closeTimeout: number } = {
      ...socketSettings(maxMessage(this.#context.options)),
      noServer: true,
      clientTracking: false,
      closeTimeout: this.#context.options.closeTimeoutMs,
      // A browser whose subprotocols are all unknown gets one of them: otherwise the page would never see the close code.
      handleProtocols: (offered) => choose("ws", offered, versions) ?? [...offered][0] ?? false,
    };
    const upgrades = new WebSocketServer(settings);
    const { clock, handshakeTimeoutMs } = target;
    const { closeTimeoutMs } = this.#context.options;
    // The answer of the `ws` package waits without a limit for a peer that does not read.
    upgrades.on("wsClientError", (_error, socket) => refuseUpgrade(socket, 400, clock, closeTimeoutMs));
    const http = options.server ?? this.#ownHttpServer(options.tls);
    const take = (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // A socket that breaks while it waits is found broken when it is taken.
      socket.on("error", ignore);
      const upgrade = () => {
        socket.off("error", ignore);
        const listener = { versions, loopback: isLoopback(http.address()) };
        upgrades.handleUpgrade(request, socket, head, (webSocket) => this.#upgraded(request, webSocket, socket, listener));
      };
      const entered = target.throttle.run(() => takeSocket(target, socket, upgrade));
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
    if (scheme === "ws") pending.watch(http);
    else watchTls(this.#context, http as unknown as TlsServer, scheme);
    watchHttp(http, scheme, target, closeTimeoutMs);
    return openServer(http, scheme, options, target, keep, () => (http as HttpServer).closeAllConnections());
  }

  #ownHttpServer(tls: TlsOptions | undefined): HttpServer {
    const refuse = (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket", Connection: "close" });
      response.end("This port speaks WebSocket, and the request asked for no upgrade.\n");
    };
    if (tls === undefined) return createHttpServer(refuse);
    const server = this.#context.tls.create("ws", tls, (settings) => createHttpsServer(settings, refuse));
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
    // Messages that arrive before the link listens would be lost.
    webSocket.pause();
    const client = this.#clientOf(upgrade);
    const transport = new NodeWebSocketTransport(webSocket, socket, client.address);
    this.#context.target.accept(transport, {
      upgrade,
      version: fixedVersion(versions),
      since: this.#context.pending.completed(socket),
      // Browsers hide the status of a refused upgrade: a close code is the only word that reaches the page.
      refusal: client.refusal ?? this.#pages.refusal(origin, host, loopback) ?? unknown("ws", webSocket.protocol, versions),
    });
  }

  /** The address of a WebSocket client, or why it is refused: the `clientAddress` hook has failed. */
  #clientOf(upgrade: UpgradeRequest): { readonly address?: string | undefined; readonly refusal?: FramewireError } {
    const { clientAddress } = this.#context.options;
    if (clientAddress === undefined) return {};
    try {
      const address = atOnce(() => clientAddress(upgrade));
      if (address === undefined) return {};
      if (typeof address === "string") return { address: clientAddressOf(address) };
      throw new TypeError(`it returned a value of the type ${typeof address}; it must return a string or undefined`);
    } catch (error) {
      this.#context.target.failed({ hook: "clientAddress", error });
      return { refusal: new FramewireError("internal", "the server failed to accept this connection", { cause: error }) };
    }
  }
}
