/** `framewire/server`: serve commands over WebSocket and TCP. */
export type { CallOptions } from "../calls/call-options.js";
export type { ContextKey } from "../calls/context.js";
export { CallContext, contextKey } from "../calls/context.js";
export type { Middleware } from "../calls/dispatcher.js";
export type { LinkEnd } from "../link/link.js";
export type { PeerCertificate, Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
export type { ConnectionOptions, Logger, PeerDescription, ServerLimits } from "../options.js";
export type { Command, SlowConsumerPolicy } from "../protocol/commands.js";
export type { MessageCodec, MethodDefinition, ServiceClient, ServiceDefinition, ServiceImplementation } from "../protocol/definition.js";
export type { Clock, Timer } from "../runtime/clock.js";
export type { FailureEvent } from "../runtime/guard.js";
export type { ConnectionEvents, DropEvent, FrameEvent, GapEvent, InvalidEvent, Sent } from "../session/events.js";
export type { UpgradeRequest } from "./accept.js";
export type { Authentication, SameIdentity, SessionOwner } from "./authentication.js";
export type { InvalidCounts, LimitCode, ServerStats } from "./counters.js";
export type { CloseOptions } from "./drain.js";
export type { ListenAddress, ListenAddresses, ListenOptions } from "./listen-options.js";
export type { Broadcaster, Server, ToOptions } from "./server.js";
export { createServer } from "./server.js";
export { ServerConnection } from "./server-connection.js";
export type { ServerContext } from "./server-context.js";
export type {
  LimitEvent,
  ServerDropEvent,
  ServerEvents,
  ServerFailureEvent,
  ServerFrameEvent,
  ServerInvalidEvent,
} from "./server-events.js";
export type { AuthenticationRequest, ServerOptions } from "./server-options.js";
export type { SessionCounts } from "./sessions.js";
export type { TlsReload } from "./tls.js";
