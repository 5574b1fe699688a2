/** Opens the sockets of a client on Node: WebSocket, TCP and TLS. Loaded when the first client wants to connect. */
import type { ConnectionOptions as TlsConnectionOptions } from "node:tls";
import { FramewireError } from "../errors.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import type { Connector } from "./client-options.js";

/** What a WebSocket message may be longer than one payload: the frame around it, or several small frames. */
const MESSAGE_SLACK = 128 * 1024;

/** Messages are written and read in place once this has resolved; before that they go through bytes of their own. */
export async function loadInPlace(): Promise<void> {
  (await import("../accel/in-place.js")).useInPlace();
}

/** Sockets and what reads messages are loaded when the first client wants to connect: an import alone should cost little. */
export const connectNode: Connector = async (url, settings, signal) => {
  switch (url.protocol) {
    case "ws:":
    case "wss:": {
      const [{ connectNodeWebSocket }] = await Promise.all([import("../transport/websocket-node-connect.js"), loadInPlace()]);
      return connectNodeWebSocket(url, settings.versions, { maxMessage: settings.maxPayload + MESSAGE_SLACK, ...settings }, signal);
    }
    case "tcp:":
    case "tls:": {
      const [{ connectTcp }] = await Promise.all([import("../transport/tcp.js"), loadInPlace()]);
      return connectTcp(url, settings.versions, settings.tls as TlsConnectionOptions | undefined, signal);
    }
    default:
      throw new FramewireError("invalid-option", `${redactedUrl(url)}: use ws://, wss://, tcp:// or tls://`);
  }
};
