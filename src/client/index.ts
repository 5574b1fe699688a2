/** `framewire/client` on Node: WebSocket, TCP and TLS. */

import type { ConnectionOptions as TlsConnectionOptions } from "node:tls";
import { useFastKeeping } from "../accel/keeping.js";
import { useStrictChecks } from "../calls/strict.js";
import { FramewireError } from "../errors.js";
import { NODE_RETRIES, type ReconnectOptions } from "../options.js";
import { systemClock } from "../runtime/clock.js";
import { handled } from "../runtime/guard.js";
import { limitedLog } from "../runtime/limited-log.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { Client } from "./client.js";
import type { ClientOptions, Connector } from "./client-options.js";

export type { CallOptions } from "../calls/call-options.js";
export type { InterceptedCall, Interceptor } from "../calls/caller.js";
export type { ContextKey } from "../calls/context.js";
export { CallContext, contextKey } from "../calls/context.js";
export type { Middleware } from "../calls/dispatcher.js";
export type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
export type { ConnectionOptions, Logger, PeerDescription, ReconnectOptions } from "../options.js";
export type { MessageCodec, MethodDefinition, ServiceClient, ServiceDefinition, ServiceImplementation } from "../protocol/definition.js";
export type { Clock, Timer } from "../runtime/clock.js";
export type { FailureEvent } from "../runtime/guard.js";
export type { DropEvent, FrameEvent, GapEvent, InvalidEvent, Sent } from "../session/events.js";
export type { ClientContext, ClientEvents } from "./client.js";
export { Client } from "./client.js";
export type { ClientOptions, Connector, ConnectorSettings } from "./client-options.js";
export type { StateDetail } from "./lifecycle.js";
export type { ClientOutbox } from "./outbox.js";
export type { ClientState } from "./reconnect.js";

/** What a WebSocket message may be longer than one payload: the frame around it, or several small frames. */
const MESSAGE_SLACK = 128 * 1024;

/** Messages are written and read in place once this has resolved; before that they go through bytes of their own. */
async function loadInPlace(): Promise<void> {
  (await import("../accel/in-place.js")).useInPlace();
}

/** Sockets and what reads messages are loaded when the first client wants to connect: an import alone should cost little. */
const connectNode: Connector = async (url, settings, signal) => {
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

/** A program that cannot reach its server should hear of it by an error; a page should not have to be loaded anew. */
function onNode(reconnect: ClientOptions["reconnect"] = {}): ReconnectOptions | false {
  return reconnect === false || reconnect.retries !== undefined ? reconnect : { ...reconnect, retries: NODE_RETRIES };
}

/** A client of the server at `url` (`ws://`, `wss://`, `tcp://`, `tls://`); `connect` opens it. @throws FramewireError `invalid-option` */
export function createClient(url: string | URL, options: ClientOptions = {}): Client {
  useFastKeeping();
  useStrictChecks();
  if (options.connector !== undefined) handled(loadInPlace());
  const { logger, clock = systemClock, reconnect } = options;
  return new Client(url, { connector: connectNode, ...options, reconnect: onNode(reconnect) }, limitedLog(logger, clock));
}
