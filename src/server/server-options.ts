/** The options of a server. */

import type { TransportInfo } from "../link/transport.js";
import { CONNECTION_DEFAULTS, type ConnectionOptions, type PeerDescription, SERVER_DEFAULTS, type ServerLimits } from "../options.js";
import type { Awaitable } from "../protocol/definition.js";
import type { Clock } from "../runtime/clock.js";
import type { UpgradeRequest } from "./accept.js";
import type { Authentication, SameIdentity } from "./authentication.js";
import type { PageOptions } from "./origin.js";
import type { ServerContext } from "./server-context.js";

/** Every option of a server. */
export const SERVER_OPTIONS = {
  ...CONNECTION_DEFAULTS,
  ...SERVER_DEFAULTS,
  peer: 0,
  logger: 0,
  allowedOrigins: 0,
  allowedHosts: 0,
  authenticate: 0,
  sameIdentity: 0,
  authorize: 0,
  clientAddress: 0,
  minVersion: 0,
  clock: 0,
} satisfies Record<keyof ServerOptions, unknown>;

/** What an `authenticate` hook gets to decide by. */
export interface AuthenticationRequest {
  /** What the client's `credentials` option gave; empty for version 1 peers. */
  readonly credentials: Uint8Array;
  readonly peer: PeerDescription;
  /** Address, transport and certificate of the client. */
  readonly transport: TransportInfo;
  readonly version: 1 | 2;
  /** The request that opened the WebSocket, with its cookies and path; absent on TCP and TLS. */
  readonly upgrade: UpgradeRequest | undefined;
}

/** Options of a server. */
export interface ServerOptions extends ConnectionOptions, ServerLimits, PageOptions {
  /**
   * Decides who may connect, and says who it is: returns `{ identity, subject }` or throws. Asked once for each socket,
   * when all there is to know is there: on the WebSocket upgrade of a version 1 peer, on the hello of a version 2 one.
   * A FramewireError `unauthenticated` (4416) or `permission-denied` (4407) refuses the client for good, with its text.
   * Any other error, and any other result, closes with `unavailable` (4514): the client tries again, and only the log
   * has the error. On a resume the new identity replaces the one of before.
   */
  readonly authenticate?: (request: AuthenticationRequest) => Awaitable<Authentication>;
  /**
   * Whether a client that shows the token of a session is the client of that session; must return true or false, at
   * once. False opens a new session in place of the resume. Default: without `authenticate` the token decides; with it,
   * both must have the same `subject`, the same certificate subject if the session had one, and TLS if the session had it.
   */
  readonly sameIdentity?: SameIdentity;
  /**
   * Decides who may call what, before the middleware and the handler of every command. Throwing refuses the call, as a
   * handler that throws would: `throw new FramewireError("permission-denied", …)`. So does returning false.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement
  readonly authorize?: (context: ServerContext) => Awaitable<boolean | void>;
  /**
   * The address of a WebSocket client behind a proxy, from what the proxy wrote into the upgrade's headers: an address with
   * or without port, or a whole `X-Forwarded-For`, of which the last entry counts. `undefined` or empty = the socket's. Headers can be forged where there is no proxy that overwrites them.
   */
  readonly clientAddress?: (upgrade: UpgradeRequest) => string | undefined;
  /** Oldest wire version served. Default 1. */
  readonly minVersion?: 1 | 2;
  /** Where time comes from; a test hands in its own. */
  readonly clock?: Clock;
}
