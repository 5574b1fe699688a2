/** Opens the sockets of a page: WebSocket only. */
import { FramewireError } from "../errors.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { connectWebSocket } from "../transport/websocket.js";
import type { Connector } from "./client-options.js";

/** Opens sockets to `url` as it was given: React Native's `URL` adds a slash to paths and does not know its own protocol. */
export function connectorTo(url: string): Connector {
  return (_, { versions }, signal) =>
    /^wss?:/i.test(url)
      ? connectWebSocket(url, versions, signal)
      : Promise.reject(new FramewireError("invalid-option", `${redactedUrl(url)}: a browser can only connect to ws:// and wss://`));
}
