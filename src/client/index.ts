/** `framewire/client` on Node: WebSocket, TCP and TLS. */

import { useFastKeeping } from "../accel/keeping.js";
import { useStrictChecks } from "../calls/strict.js";
import { systemClock } from "../runtime/clock.js";
import { handled } from "../runtime/guard.js";
import { limitedLog } from "../runtime/limited-log.js";
import { type ClientParts, everyPart } from "./all-parts.js";
import { Client } from "./client.js";
import { clientLog } from "./client-log.js";
import type { ClientOptions, Connector } from "./client-options.js";

export type { CallOptions } from "../calls/call-options.js";

import { onNode } from "./reconnect.js";

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

/** Sockets and what reads messages are loaded when the first client wants to connect: an import alone should cost little. */
const connector: Connector = async (...attempt) => (await import("./node-connector.js")).connectNode(...attempt);

const nodeLog: ClientParts["log"] = ({ logger, clock = systemClock }, url) => clientLog(limitedLog(logger, clock), url);

/** A client of the server at `url` (`ws://`, `wss://`, `tcp://`, `tls://`); `connect` opens it. @throws FramewireError `invalid-option` */
export function createClient(url: string | URL, options: ClientOptions = {}): Client {
  useFastKeeping();
  useStrictChecks();
  if (options.connector !== undefined) handled(import("../accel/in-place.js").then(({ useInPlace }) => useInPlace()));
  return new Client(url, { connector, ...options, reconnect: onNode(options.reconnect) }, everyPart(nodeLog));
}
