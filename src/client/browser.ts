/** `framewire/client` in browsers, workers and React Native: WebSocket only, and no Node module. */

import { logTo } from "../runtime/logger.js";
import { everyPart } from "./all-parts.js";
import { Client } from "./client.js";
import { clientLog } from "./client-log.js";
import type { ClientOptions } from "./client-options.js";
import { connectorTo } from "./page-connector.js";

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

/** A client of the server at `url` (`ws://`, `wss://`); `connect` opens it. @throws FramewireError `invalid-option` */
export function createClient(url: string | URL, options: ClientOptions = {}): Client {
  const parts = everyPart(({ logger }, shown) => clientLog(logTo(logger), shown));
  return new Client(url, { connector: connectorTo(String(url)), ...options }, parts);
}
