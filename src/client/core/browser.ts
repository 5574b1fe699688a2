/** `framewire/client/core` in browsers, workers and React Native: calls and server streams over WebSocket, and what `use` adds. */

import { logTo } from "../../runtime/logger.js";
import { Client } from "../client.js";
import { clientLog } from "../client-log.js";
import { connectorTo } from "../page-connector.js";
import { type ClientPart, type CoreClientOptions, loggingWith, partsOf } from "./parts.js";

export type { CallOptions } from "../../calls/call-options.js";
export type { InterceptedCall, Interceptor } from "../../calls/caller.js";
export type { ContextKey } from "../../calls/context.js";
export { CallContext, contextKey } from "../../calls/context.js";
export type { Middleware } from "../../calls/dispatcher.js";
export type { Transport, TransportInfo, TransportReceiver } from "../../link/transport.js";
export type { ConnectionOptions, Logger, PeerDescription, ReconnectOptions } from "../../options.js";
export type { MessageCodec, MethodDefinition, ServiceClient, ServiceDefinition, ServiceImplementation } from "../../protocol/definition.js";
export type { Clock, Timer } from "../../runtime/clock.js";
export type { FailureEvent } from "../../runtime/guard.js";
export type { DropEvent, FrameEvent, GapEvent, InvalidEvent, Sent } from "../../session/events.js";
export type { ClientContext, ClientEvents } from "../client.js";
export { Client } from "../client.js";
export type { ClientOptions, Connector, ConnectorSettings } from "../client-options.js";
export type { StateDetail } from "../lifecycle.js";
export type { ClientOutbox } from "../outbox.js";
export type { ClientState } from "../reconnect.js";
export type { ClientPart, CoreClientOptions } from "./parts.js";
export { clientStreams, serving, version1 } from "./parts.js";

/** Writes to the `logger` of the options, by default warnings and errors to the console. */
export function logging(): ClientPart {
  return loggingWith(({ logger }, shown) => clientLog(logTo(logger), shown));
}

/** A client of the server at `url` (`ws://`, `wss://`) with the parts of `use`; `connect` opens it. @throws FramewireError `invalid-option` */
export function createClient(url: string | URL, { use, ...options }: CoreClientOptions = {}): Client {
  return new Client(url, { connector: connectorTo(String(url)), ...options }, partsOf(use, options.version));
}
