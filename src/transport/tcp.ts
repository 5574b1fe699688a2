/** TCP and TLS sockets of Node. */

import type { Socket } from "node:net";
import { type TLSSocket, type ConnectionOptions as TlsConnectionOptions, connect as tlsConnect } from "node:tls";
import { FramewireError } from "../errors.js";
import type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
import { noteOutside } from "../runtime/outside-heap.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { protocolNames, versionNamed } from "../session/handshake.js";
import { describeCertificate } from "./certificate.js";
import { DrainOnClose } from "./drain-on-close.js";
import { isOpening, magicOf, protocolOf } from "./first-bytes.js";
import { answerMismatch, answerTo, mismatchOf, portMismatch, SILENT_SERVER } from "./mismatch.js";
import { InPlaceSocket } from "./read-in-place.js";

/**
 * The kernel's first probe of a silent connection; ten more follow, one a second (libuv's choice). That finds a peer that
 * has vanished within 40 s, also where version 1 leaves us nothing to ping with.
 */
export const KEEPALIVE_MS = 30_000;

export class TcpTransport implements Transport {
  readonly info: TransportInfo;
  readonly copies = true;
  readonly #socket: Socket;
  /** What the peer has sent, until that is enough to see whether it speaks another protocol. */
  #first: Uint8Array | undefined = NOTHING;
  firstMagic = -1;
  #error: Error | undefined;
  #closeCode = 1006;
  /** There since this side closed. */
  #drain: DrainOnClose | undefined;
  #receiver: TransportReceiver | undefined;
  /** Written bytes have waited for the network. */
  #waiting = false;
  /** The system has taken a write. One function for all of them, as Node runs those of one function together. */
  readonly #sent = (error?: Error | null): void => {
    if (!error) this.#written();
  };

  /** This end has connected. */
  readonly #client: boolean;

  /** Takes over a connected socket. `client`: this end has connected. */
  constructor(socket: Socket | TLSSocket, client = false) {
    this.#socket = socket;
    this.#client = client;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const secure = "getPeerCertificate" in socket;
    const certificate = secure && socket.authorized ? describeCertificate(socket.getPeerCertificate()) : undefined;
    this.info = {
      kind: secure ? "tls" : "tcp",
      protocol: secure ? versionNamed("tls", socket.alpnProtocol) : undefined,
      messages: false,
      remoteAddress: socket.remoteAddress ?? "",
      secure,
      ...(certificate === undefined ? {} : { certificate }),
    };
  }

  get incomingMemory(): number {
    return this.#socket.readableLength;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  /** Whether the socket is gone. */
  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  open(receiver: TransportReceiver): void {
    const socket = this.#socket;
    this.#receiver = receiver;
    const take = (chunk: Uint8Array) => {
      if (this.#drain !== undefined) this.#drain.dropped(chunk.length);
      else if (this.#first === undefined) receiver.onData(chunk);
      else this.#begin(this.#first, chunk, receiver);
    };
    if (socket instanceof InPlaceSocket) socket.open(take, () => receiver.onAlive(0));
    socket.on("data", (chunk) => take(noted(chunk))).resume();
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("end", () => {
      this.#closeCode = 1000;
      if (this.#first !== undefined && this.#first.length > 0) receiver.onData(this.#first);
    });
    socket.on("close", () => {
      const reason = this.#client && this.#first === NOTHING ? SILENT_SERVER : "";
      receiver.onClose(this.#error === undefined ? this.#closeCode : 1006, reason, this.#error);
    });
    if (socket.destroyed) queueMicrotask(() => receiver.onClose(1006, ""));
  }

  /** The first bytes: those that wait and a chunk. They are kept back while they may yet turn out to be of another protocol. */
  #begin(waiting: Uint8Array, chunk: Uint8Array, receiver: TransportReceiver): void {
    const bytes = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
    const met = protocolOf(bytes);
    this.#first = met === "undecided" ? new Uint8Array(bytes) : undefined;
    if (met === "undecided") return;
    if (met === undefined) {
      this.firstMagic = magicOf(bytes);
      return receiver.onData(bytes);
    }
    const kind = this.info.secure ? "tls" : "tcp";
    const opens = isOpening(bytes);
    if (opens) this.write(answerTo(met, kind));
    this.close();
    const error = opens ? portMismatch(met, kind) : answerMismatch(met, kind);
    receiver.onViolation?.(error.message, error);
  }

  write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    socket.write(bytes, this.#sent);
    if (socket.writableLength > 0) this.#waiting = true;
  }

  /** Node's own "drain" comes only where more bytes have waited than the socket's own mark. */
  #written(): void {
    if (!this.#waiting || this.#socket.writableLength > 0) return;
    this.#waiting = false;
    this.#receiver?.onDrain();
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#closeCode = 1000;
    this.#socket.end();
    this.resume();
    this.#drain ??= new DrainOnClose(this);
  }

  /** The end of what the peer sends does not end what this side sends. */
  allowHalfOpen(): void {
    this.#socket.allowHalfOpen = true;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

const NOTHING = new Uint8Array(0);

/** A chunk for which Node allocated memory. */
function noted(chunk: Uint8Array): Uint8Array {
  noteOutside(chunk.length);
  return chunk;
}

/** Connects to `tcp://host:port` or `tls://host:port`. Rejects with `connect-failed`, or with `protocol-mismatch` where the peer speaks no TLS, or nothing of ours over it. */
export function connectTcp(
  url: URL,
  versions: readonly (1 | 2)[],
  tls: TlsConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const target = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) };
    const secure = url.protocol === "tls:";
    const socket = secure
      ? tlsConnect({
          ...target,
          servername: /^[\d.]+$|:/.test(target.host) ? "" : target.host,
          ALPNProtocols: protocolNames("tls", versions),
          ...tls,
        })
      : new InPlaceSocket().connect(target);
    const fail = (cause: unknown) => {
      socket.destroy();
      const mismatch = mismatchOf(cause, url);
      const why = mismatch ?? FramewireError.from(cause).message;
      reject(
        new FramewireError(
          mismatch === undefined ? "connect-failed" : "protocol-mismatch",
          `could not connect to ${redactedUrl(url)}: ${why}`,
          {
            cause,
          },
        ),
      );
    };
    const onAbort = () => fail(signal.reason);
    const onClose = () => fail("the connection was closed");
    socket.once("error", fail);
    socket.once("close", onClose);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once(secure ? "secureConnect" : "connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("close", onClose);
      socket.off("error", fail);
      resolve(new TcpTransport(socket, true));
    });
  });
}
