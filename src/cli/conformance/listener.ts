/** Listens for the peers under test and returns their sockets one at a time. */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { FramewireError } from "../../errors.js";
import type { Transport } from "../../link/transport.js";
import { systemClock } from "../../runtime/clock.js";
import { protocolNames } from "../../session/handshake.js";
import { refuseUpgrade } from "../../transport/refuse-upgrade.js";
import { TcpTransport } from "../../transport/tcp.js";
import { NodeWebSocketTransport, socketSettings } from "../../transport/websocket-node.js";

/** How long a socket may wait for `next`, in milliseconds: longer than a case takes, so that a peer may connect early. */
const MAX_WAIT_MS = 60_000;

/** A peer that does not take part in a refusal loses its socket after this time, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3_000;

/** A socket that `next` has not returned yet. */
interface PendingPeer {
  readonly socket: Socket;
  readonly closed: () => boolean;
  /** Opens its transport; `undefined` if it offers only other versions. */
  readonly open: (version: 1 | 2) => Promise<Transport | undefined>;
}

export class ConformanceListener {
  readonly #server: Server;
  /** Oldest first, with the timer that drops each. */
  readonly #pending = new Map<PendingPeer, NodeJS.Timeout>();
  readonly #sockets = new Set<Socket>();
  #onArrival: (() => void) | undefined;

  constructor(kind: "tcp" | "ws", maxMessage: number) {
    this.#server = kind === "tcp" ? createServer({ pauseOnConnect: true }, (socket) => this.#tcp(socket)) : createHttpServer(refuse);
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    if (kind === "tcp") return;
    const upgrades = new WebSocketServer({ ...socketSettings(maxMessage), noServer: true, clientTracking: false });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#webSocket(upgrades, request, socket as Socket, head),
    );
  }

  /** Starts to listen. Rejects with `connect-failed`. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(new FramewireError("connect-failed", `cannot listen on ${host}:${port}: ${cause.message}`, { cause })),
      );
      this.#server.listen(port, host, () => resolve(this.#server.address() as AddressInfo));
    });
  }

  /**
   * The next socket, for this wire version; it is paused until its transport is resumed. A WebSocket is opened only now, so that it gets the subprotocol of that version.
   * @returns `undefined` if none arrived in time, `"other"` if one arrived that does not offer the version.
   */
  async next(version: 1 | 2, timeoutMs: number): Promise<Transport | "other" | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const peer = this.#takeOldest();
      if (peer !== undefined && !peer.closed()) return (await peer.open(version)) ?? "other";
      if (peer !== undefined) continue;
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#onArrival = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Stops listening, and destroys every socket that was accepted. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #takeOldest(): PendingPeer | undefined {
    const [peer] = this.#pending.keys();
    if (peer !== undefined) this.#remove(peer);
    return peer;
  }

  #add(peer: PendingPeer): void {
    this.#pending.set(
      peer,
      setTimeout(() => peer.socket.destroy(), MAX_WAIT_MS),
    );
    peer.socket.once("close", () => this.#remove(peer));
    this.#onArrival?.();
  }

  #remove(peer: PendingPeer): void {
    clearTimeout(this.#pending.get(peer));
    this.#pending.delete(peer);
  }

  #tcp(socket: Socket): void {
    socket.on("error", () => {});
    this.#add({
      socket,
      closed: () => socket.destroyed,
      open: async () => new TcpTransport(socket),
    });
  }

  #webSocket(upgrades: WebSocketServer, request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", () => {});
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    this.#add({
      socket,
      closed: () => socket.destroyed || socket.readableEnded,
      open: (version) => {
        const [name = ""] = protocolNames("ws", [version]);
        if (!offered.includes(name) && offered[0] !== "") {
          refuseUpgrade(socket, 503, systemClock, CLOSE_TIMEOUT_MS);
          return Promise.resolve(undefined);
        }
        // The `ws` package accepts what its `handleProtocols` chooses, which does not know the version: the header offers only that version.
        request.headers["sec-websocket-protocol"] = offered[0] === "" ? "" : name;
        if (offered[0] === "") delete request.headers["sec-websocket-protocol"];
        return new Promise((resolve) =>
          upgrades.handleUpgrade(request, socket, head, (webSocket) => {
            // Messages that arrive before the transport is opened would be lost.
            webSocket.pause();
            resolve(new NodeWebSocketTransport(webSocket, socket));
          }),
        );
      },
    });
  }
}

function refuse(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { Upgrade: "websocket", Connection: "close" }).end();
}
