/** The parts of a connection that a page may leave out. Servers and the default client have all of them. */

import type { MessageSource } from "../protocol/definition.js";
import { SendCredit } from "./credit.js";
import type { Dispatcher } from "./dispatcher.js";
import type { CallHost } from "./host.js";
import { type StreamSender, type StreamTarget, sendStream } from "./send-stream.js";
import { ServedCalls } from "./served-calls.js";
import { V1Exchange } from "./v1-exchange.js";

/** The calls and messages of the peer, as their connection sees them. */
export type PeerCallTable = Pick<ServedCalls, Exclude<keyof ServedCalls, "expired">>;

/** The state of a version 1 peer, as its connection sees it. */
export type VersionOneCalls = Pick<V1Exchange, keyof V1Exchange>;

/** What a call needs to stream its requests. */
export interface RequestStreams {
  /** The credit for a stream of requests. @throws FramewireError where calls cannot stream their requests */
  sendCredit(initial: number): SendCredit;
  /** Sends a stream of requests. */
  sendStream(source: MessageSource<unknown>, target: StreamTarget<unknown>): StreamSender;
}

export interface ConnectionParts extends RequestStreams {
  /** Serves the calls and messages of the peer. `handle` is what handlers see as `context.connection`. */
  serve(host: CallHost, dispatcher: Dispatcher, handle: unknown): PeerCallTable;
  /** Exchanges messages with a version 1 peer. */
  exchange(host: CallHost, dispatcher: Dispatcher, handle: unknown): VersionOneCalls;
}

export const serve: ConnectionParts["serve"] = (host, dispatcher, handle) => new ServedCalls(host, dispatcher, handle);

export const exchange: ConnectionParts["exchange"] = (host, dispatcher, handle) => new V1Exchange(host, dispatcher, handle);

export const sendCredit: ConnectionParts["sendCredit"] = (initial) => new SendCredit(initial);

export const EVERY_PART: ConnectionParts = { serve, exchange, sendCredit, sendStream };
