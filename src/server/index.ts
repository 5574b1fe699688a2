/** `framewire/server`: serve commands over WebSocket and TCP. */
export type { CallOptions } from "../connection/calls.js";
export type { Clock, Timer } from "../connection/clock.js";
export type { Command, SlowConsumerPolicy } from "../connection/commands.js";
export type { ContextKey } from "../connection/context.js";
export { CallContext, contextKey } from "../connection/context.js";
export type { MessageCodec, MethodDefinition, ServiceClient, ServiceDefinition, ServiceImplementation } from "../connection/definition.js";
export type { Middleware } from "../connection/dispatcher.js";
export type { ConnectionEvents, FrameEvent, GapEvent } from "../connection/events.js";
export type { LinkEnd } from "../connection/link.js";
export type { HandlerFailure } from "../connection/served-calls.js";
export type { PeerCertificate, Transport, TransportInfo, TransportReceiver } from "../connection/transport.js";
export type { ConnectionOptions, PeerDescription } from "../options.js";
export type { ListenAddress, ListenAddresses, ListenOptions } from "./listen.js";
export type { AuthenticationRequest, Broadcaster, ServerContext, ServerEvents, ServerFrameEvent, ServerOptions } from "./server.js";
export { createServer, Server } from "./server.js";
export { ServerConnection } from "./server-connection.js";
