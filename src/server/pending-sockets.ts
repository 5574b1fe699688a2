/**
 * Sockets between TCP's accept and the end of TLS and of the WebSocket upgrade. No frame can be sent on them yet. Each has
 * the deadline of a handshake and counts as one.
 */
import type { Server as NetServer, Socket } from "node:net";
import type { TLSSocket, Server as TlsServer } from "node:tls";
import type { Clock, Timer } from "../runtime/clock.js";
import type { LimitCode } from "./counters.js";
import type { HandshakeQueue, PendingHandshake } from "./handshake-queue.js";

/** What pending sockets need of their server. */
export interface PendingSocketsHost {
  readonly handshakes: HandshakeQueue;
  readonly clock: Clock;
  readonly handshakeTimeoutMs: number;
  /** A socket was dropped by a limit. */
  limited(code: LimitCode, message: string, address: string): void;
}

class PendingSocket implements PendingHandshake {
  readonly idle = true;
  readonly since: number;
  socket: Socket;
  readonly #host: PendingSocketsHost;
  readonly #timer: Timer;
  readonly #removed: (pending: PendingSocket) => void;
  readonly #onClose = () => this.#removed(this);

  /** `removed` is called when the socket has closed or was destroyed. */
  constructor(socket: Socket, host: PendingSocketsHost, removed: (pending: PendingSocket) => void) {
    this.socket = socket;
    this.#host = host;
    this.#removed = removed;
    this.since = host.clock.now();
    socket.once("close", this.#onClose);
    this.#timer = host.clock.setTimer(host.handshakeTimeoutMs, () =>
      this.#drop("handshake-timeout", `no handshake within ${host.handshakeTimeoutMs} ms (handshakeTimeoutMs)`),
    );
  }

  reject(): void {
    this.#drop("too-many-connections", "more than maxHandshakes clients are in their handshake");
  }

  /** From now on `socket` stands for the connection. */
  replaceSocket(socket: Socket): void {
    this.socket.off("close", this.#onClose);
    this.socket = socket;
    socket.once("close", this.#onClose);
  }

  /** Ends the watch over the socket. */
  release(): void {
    this.#timer.cancel();
    this.socket.off("close", this.#onClose);
  }

  /** Destroys the socket. Its place is free at once: below TLS, Node documents no `close` event of a socket. */
  destroy(): void {
    this.#removed(this);
    this.socket.destroy();
  }

  #drop(code: LimitCode, message: string): void {
    this.#host.limited(code, message, this.socket.remoteAddress ?? "");
    this.destroy();
  }
}

export class PendingSockets {
  readonly #host: PendingSocketsHost;
  readonly #pending = new Map<Socket, PendingSocket>();

  constructor(host: PendingSocketsHost) {
    this.#host = host;
  }

  /** Watches the sockets that `server` accepts from now on. */
  watch(server: NetServer): void {
    server.on("connection", (socket: Socket) => {
      this.#add(socket);
    });
  }

  /**
   * The same for a server that speaks TLS. It hands out another object for a socket once that has spoken TLS, and Node
   * documents no link between the two. Both ends' addresses and ports are one: on one listener, no two open sockets share them.
   * `failed` is called when TLS fails, with the socket below, which is destroyed right after.
   */
  watchTls(server: TlsServer, failed?: (error: Error, socket: Socket) => void): void {
    const encrypting = new Map<string, PendingSocket>();
    server.on("connection", (socket: Socket) => {
      const key = addressesOf(socket);
      // The kernel has replaced a socket with the same addresses: only its `close` event is still to come.
      const gone = encrypting.get(key);
      if (gone !== undefined) gone.destroy();
      const pending = this.#add(socket, (removed) => {
        if (encrypting.get(key) === removed) encrypting.delete(key);
      });
      if (pending !== undefined) encrypting.set(key, pending);
    });
    // Before the listeners that destroy the socket.
    server.prependListener("tlsClientError", (error: Error, socket: TLSSocket) => {
      const pending = encrypting.get(addressesOf(socket));
      if (pending !== undefined) failed?.(error, pending.socket);
    });
    // Before the listeners that take the socket.
    server.prependListener("secureConnection", (socket: TLSSocket) => {
      const key = addressesOf(socket);
      const pending = encrypting.get(key);
      // Its peer has gone meanwhile, and its addresses with it.
      if (pending === undefined) {
        socket.destroy();
        return;
      }
      encrypting.delete(key);
      this.#replace(pending, socket);
    });
  }

  /** The socket is ready for frames. Gives the time when it was accepted, `undefined` for a socket that was not watched. */
  completed(socket: Socket): number | undefined {
    const pending = this.#pending.get(socket);
    if (pending === undefined) return undefined;
    this.#remove(pending);
    return pending.since;
  }

  /** Destroys every socket that is not ready. */
  close(): void {
    for (const pending of [...this.#pending.values()]) pending.destroy();
  }

  #add(socket: Socket, removed?: (pending: PendingSocket) => void): PendingSocket | undefined {
    // Its peer has gone already.
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return undefined;
    }
    const pending = new PendingSocket(socket, this.#host, (gone) => {
      removed?.(gone);
      this.#remove(gone);
    });
    this.#pending.set(socket, pending);
    if (this.#host.handshakes.add(pending)) return pending;
    pending.reject();
    return undefined;
  }

  #replace(pending: PendingSocket, socket: Socket): void {
    this.#pending.delete(pending.socket);
    this.#pending.set(socket, pending);
    pending.replaceSocket(socket);
  }

  #remove(pending: PendingSocket): void {
    this.#pending.delete(pending.socket);
    this.#host.handshakes.remove(pending);
    pending.release();
  }
}

/** Both ends of a TCP connection. */
function addressesOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
