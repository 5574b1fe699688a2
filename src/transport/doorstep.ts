/** A listener that hands its sockets out one at a time, to who asks for the next one: for tools that speak the wire by hand. */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { FramewireError } from "../errors.js";
import type { Transport } from "../link/transport.js";
import { systemClock } from "../runtime/clock.js";
import { protocolNames } from "../session/handshake.js";
import { refuseUpgrade } from "./refuse-upgrade.js";
import { TcpTransport } from "./tcp.js";
import { NodeWebSocketTransport, socketSettings } from "./websocket-node.js";

/** A socket is dropped when it has waited this long, in milliseconds: longer than a case takes, so that a peer that connects early is served. */
const MAX_WAIT_MS = 60_000;

/** A peer that does not take part in a refusal loses its socket after this time, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3_000;

/** A socket that has come and waits. */
interface Visitor {
  readonly socket: Socket;
  readonly gone: () => boolean;
  /** Opens its transport; `undefined` if it offers only other versions. */
  readonly enter: (version: 1 | 2) => Promise<Transport | undefined>;
}

export class Doorstep {
  readonly #server: Server;
  /** In the order in which they came, with their deadlines. */
  readonly #waiting = new Map<Visitor, NodeJS.Timeout>();
  readonly #sockets = new Set<Socket>();
  #arrived: (() => void) | undefined;

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
   * @returns `undefined` if none came in time, `"other"` if one came that does not offer the version.
   */
  async next(version: 1 | 2, timeoutMs: number): Promise<Transport | "other" | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const visitor = this.#next();
      if (visitor !== undefined && !visitor.gone()) return (await visitor.enter(version)) ?? "other";
      if (visitor !== undefined) continue;
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Stops listening, and drops every socket that came. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #next(): Visitor | undefined {
    const [visitor] = this.#waiting.keys();
    if (visitor !== undefined) this.#remove(visitor);
    return visitor;
  }

  #add(visitor: Visitor): void {
    this.#waiting.set(
      visitor,
      setTimeout(() => visitor.socket.destroy(), MAX_WAIT_MS),
    );
    visitor.socket.once("close", () => this.#remove(visitor));
    this.#arrived?.();
  }

  #remove(visitor: Visitor): void {
    clearTimeout(this.#waiting.get(visitor));
    this.#waiting.delete(visitor);
  }

  #tcp(socket: Socket): void {
    socket.on("error", () => {});
    this.#add({
      socket,
      gone: () => socket.destroyed,
      enter: async () => new TcpTransport(socket),
    });
  }

  #webSocket(upgrades: WebSocketServer, request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", () => {});
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    this.#add({
      socket,
      gone: () => socket.destroyed || socket.readableEnded,
      enter: (version) => {
        const [name = ""] = protocolNames("ws", [version]);
        if (!offered.includes(name) && offered[0] !== "") {
          refuseUpgrade(socket, 503, systemClock, CLOSE_TIMEOUT_MS);
          return Promise.resolve(undefined);
        }
        // The library asks its `handleProtocols`, which cannot know the version: the header says only what is wanted.
        request.headers["sec-websocket-protocol"] = offered[0] === "" ? "" : name;
        if (offered[0] === "") delete request.headers["sec-websocket-protocol"];
        return new Promise((resolve) =>
          upgrades.handleUpgrade(request, socket, head, (webSocket) => {
            // What arrives before somebody listens would be lost.
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
