/** `framewire/client/core` on Node: Node's client, with the same parts as on a page. */

import { useFastKeeping } from "../../accel/keeping.js";
import { useStrictChecks } from "../../calls/strict.js";
import { systemClock } from "../../runtime/clock.js";
import { handled } from "../../runtime/guard.js";
import { limitedLog } from "../../runtime/limited-log.js";
import { Client } from "../client.js";
import { clientLog } from "../client-log.js";
import type { Connector } from "../client-options.js";
import { onNode } from "../reconnect.js";
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

/** As in framewire/client. */
const connector: Connector = async (...attempt) => (await import("../node-connector.js")).connectNode(...attempt);

/** Writes to the `logger` of the options, by default warnings and errors to stderr. */
export function logging(): ClientPart {
  return loggingWith(({ logger, clock = systemClock }, url) => clientLog(limitedLog(logger, clock), url));
}

/** A client of the server at `url` (`ws://`, `wss://`, `tcp://`, `tls://`) with the parts of `use`; `connect` opens it. @throws FramewireError `invalid-option` */
export function createClient(url: string | URL, { use, ...options }: CoreClientOptions = {}): Client {
  useFastKeeping();
  useStrictChecks();
  if (options.connector !== undefined) handled(import("../../accel/in-place.js").then(({ useInPlace }) => useInPlace()));
  return new Client(url, { connector, ...options, reconnect: onNode(options.reconnect) }, partsOf(use, options.version));
}
