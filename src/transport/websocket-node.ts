/** WebSockets of Node, through the `ws` package: the server's and the Node client's. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import WebSocket, { type RawData } from "ws";
import { protocolNames, versionNamed } from "../connection/handshake.js";
import type { Transport, TransportInfo, TransportReceiver } from "../connection/transport.js";
import { FramewireError } from "../errors.js";
import { describeCertificate } from "./tcp.js";

export class NodeWebSocketTransport implements Transport {
  readonly info: TransportInfo;
  readonly #socket: WebSocket;
  /** The TCP socket below: corked, so that a batch of messages leaves in one call of the system. */
  readonly #raw: Socket;
  #corked = false;

  /** Takes over an open WebSocket. */
  constructor(socket: WebSocket, raw: Socket | TLSSocket) {
    this.#socket = socket;
    this.#raw = raw;
    const certificate = "getPeerCertificate" in raw && raw.authorized ? describeCertificate(raw.getPeerCertificate()) : undefined;
    this.info = {
      kind: "ws",
      protocol: versionNamed("ws", socket.protocol),
      messages: true,
      remoteAddress: raw.remoteAddress ?? "",
      ...(certificate === undefined ? {} : { certificate }),
    };
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  open(receiver: TransportReceiver): void {
    const socket = this.#socket;
    let failure: Error | undefined;
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (isBinary) receiver.onData(data as Buffer);
      else this.close(4402, "text messages are not part of the protocol");
    });
    socket.on("ping", () => receiver.onAlive());
    socket.on("pong", () => receiver.onAlive());
    this.#raw.on("drain", () => receiver.onDrain());
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", (code, reason) => receiver.onClose(code, reason.toString(), failure));
    if (socket.readyState === WebSocket.CLOSED) queueMicrotask(() => receiver.onClose(1006, ""));
    socket.resume();
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#raw.cork();
    }
    this.#socket.send(bytes, SEND_OPTIONS);
  }

  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#raw.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(closeCode: number, reason: string): void {
    this.flush();
    this.#socket.close(closeCode, reason);
  }

  destroy(): void {
    this.#socket.terminate();
  }

  probe(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }
}

const SEND_OPTIONS = { binary: true, compress: false };

/** Connects to `ws://…` or `wss://…`. Rejects with `connect-failed`, which says what the server answered. */
export function connectNodeWebSocket(
  url: URL,
  versions: readonly (1 | 2)[],
  options: {
    readonly maxMessage: number;
    readonly tls: object | undefined;
    readonly headers: Readonly<Record<string, string>> | undefined;
  },
  signal: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocolNames("ws", versions), {
      perMessageDeflate: false,
      maxPayload: options.maxMessage,
      ...(options.headers === undefined ? {} : { headers: { ...options.headers } }),
      ...options.tls,
    });
    let response: IncomingMessage | undefined;
    const fail = (cause: unknown) => {
      signal.removeEventListener("abort", onAbort);
      socket.on("error", () => {});
      socket.terminate();
      const why = cause instanceof Error ? cause.message : String(cause);
      reject(new FramewireError("connect-failed", `could not connect to ${url.href}: ${why}`, { cause }));
    };
    const onAbort = () => fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("upgrade", (incoming) => {
      response = incoming;
    });
    socket.once("error", fail);
    socket.once("open", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", fail);
      // What arrives before the link listens would be lost.
      socket.pause();
      resolve(new NodeWebSocketTransport(socket, (response as IncomingMessage).socket));
    });
  });
}
