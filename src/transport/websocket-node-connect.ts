/** Opens the WebSockets of Node clients, and says why one could not be opened. */

import type { IncomingMessage } from "node:http";
import type { Socket, TcpSocketConnectOpts } from "node:net";
import WebSocket from "ws";
import { FramewireError } from "../errors.js";
import type { Transport } from "../link/transport.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { protocolNames } from "../session/handshake.js";
import { mismatchOf, SCHEME_HEADER, SILENT_SERVER, schemeMismatch, schemeOf } from "./mismatch.js";
import { InPlaceSocket } from "./read-in-place.js";
import { refusalText } from "./refusal-text.js";
import { NodeWebSocketTransport, socketSettings } from "./websocket-node.js";

/** In place of the library's own; `path` is that of the request. */
function createConnection(options: object): Socket {
  return new InPlaceSocket().connect({ ...options, path: undefined } as unknown as TcpSocketConnectOpts);
}

/** The server has hung up in place of an answer. */
function isReset(cause: unknown): boolean {
  return (cause as { readonly code?: unknown } | undefined)?.code === "ECONNRESET";
}

/** Connects to `ws://…` or `wss://…`. Rejects with `connect-failed`, or `protocol-mismatch`, which say what the server answered. */
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
    signal.throwIfAborted();
    const socket = new WebSocket(url, protocolNames("ws", versions), {
      ...socketSettings(options.maxMessage),
      ...(url.protocol === "ws:" && { createConnection }),
      ...(options.headers === undefined ? {} : { headers: { ...options.headers } }),
      ...options.tls,
    });
    let response: IncomingMessage | undefined;
    const fail = (cause: unknown, mismatch = mismatchOf(cause, url)) => {
      signal.removeEventListener("abort", onAbort);
      socket.on("error", () => {});
      socket.terminate();
      const code = mismatch === undefined ? "connect-failed" : "protocol-mismatch";
      const why = mismatch ?? (isReset(cause) ? SILENT_SERVER : FramewireError.from(cause).message);
      reject(new FramewireError(code, `could not connect to ${redactedUrl(url)}: ${why}`, { cause }));
    };
    const onAbort = () => fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("unexpected-response", async (_request, answer: IncomingMessage) => {
      const scheme = schemeOf(answer.headers[SCHEME_HEADER]);
      const text = await refusalText(answer);
      const what = `the server answered ${answer.statusCode} in place of the upgrade`;
      const why = `${what}: it, or a proxy in front of it, does not speak WebSocket there${text === "" ? "" : ` (“${text}”)`}`;
      fail(why, scheme === undefined ? undefined : schemeMismatch(scheme));
    });
    socket.once("upgrade", (incoming) => {
      response = incoming;
    });
    socket.once("error", fail);
    socket.once("open", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", fail);
      // What arrives before the link listens would be lost.
      socket.pause();
      resolve(new NodeWebSocketTransport(socket, (response as IncomingMessage).socket ?? undefined, undefined, true));
    });
  });
}
