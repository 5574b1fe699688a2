/** Peers that speak another protocol than a listener's HTTP or TLS. They are answered in their own, and the server reports them. */
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FramewireError } from "../errors.js";
import type { TransportInfo } from "../link/transport.js";
import type { Clock } from "../runtime/clock.js";
import { magicOf, protocolOf } from "../transport/first-bytes.js";
import { answerTo, portMismatch, type Scheme } from "../transport/mismatch.js";
import { endWith, refuseUpgrade } from "../transport/refuse-upgrade.js";

/** What hears of such a peer. */
export interface MismatchTarget {
  readonly clock: Clock;
  /** A socket of a listener was refused before there was a link. */
  mismatched(error: FramewireError, info: TransportInfo): void;
}

/** An error of Node's HTTP parser, or of TLS. */
interface ClientError extends Error {
  readonly code?: string;
  readonly rawPacket?: Uint8Array;
}

/** Statuses that Node answers with by itself, where nobody listens to `clientError`. Every other error is 400. */
const STATUSES: Readonly<Record<string, 408 | 413 | 431>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/** Answers what is no HTTP on an HTTP server of our own. */
export function watchHttp(http: HttpServer, scheme: "ws" | "wss", target: MismatchTarget, closeTimeoutMs: number): void {
  http.on("clientError", ({ code = "", rawPacket }: ClientError, socket: Duplex) => {
    // A socket that is broken, or whose TLS is: HTTPS servers report those here too.
    if (!/^(HPE|ERR_HTTP)_/.test(code) || !socket.writable) return socket.destroy();
    const { clock } = target;
    const tls = rawPacket !== undefined && protocolOf(rawPacket) === "TLS";
    const frames = rawPacket !== undefined && magicOf(rawPacket) !== -1;
    if (!tls && !frames) return refuseUpgrade(socket, STATUSES[code] ?? 400, clock, closeTimeoutMs);
    target.mismatched(portMismatch(tls ? "TLS" : "frames without WebSocket", scheme), infoOf(scheme, socket as Socket));
    // A TLS client reports bytes that are no TLS at all more plainly than an alert.
    endWith(socket, answerTo("HTTP", scheme), clock, closeTimeoutMs);
  });
}

/** Answers a peer that spoke no TLS where a TLS server expects it, below the server, which ends `socket` right after. */
export function answerPlain({ code }: ClientError, socket: Socket, scheme: "tls" | "wss", target: MismatchTarget): void {
  const http = code === "ERR_SSL_HTTP_REQUEST" || code === "ERR_SSL_HTTPS_PROXY_REQUEST";
  if (!http && code !== "ERR_SSL_WRONG_VERSION_NUMBER") return;
  if (socket.writable) socket.write(answerTo(http ? "HTTP" : "TLS", scheme));
  target.mismatched(portMismatch(http ? "HTTP without TLS" : "no TLS", scheme), infoOf(scheme, socket));
}

function infoOf(scheme: Scheme, { remoteAddress = "" }: Socket): TransportInfo {
  const messages = scheme.startsWith("ws");
  return { kind: messages ? "ws" : "tls", protocol: undefined, messages, remoteAddress, secure: false };
}
