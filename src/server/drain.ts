/** How a server closes: it notifies its handlers and clients, ends its streams and lets its calls finish. */

import type { Connection } from "../calls/connection.js";
import { closeCodeOf, FramewireError } from "../errors.js";
import { checkNames, resolveOptions } from "../options.js";
import type { Command } from "../protocol/commands.js";
import { KIND_GOAWAY } from "../protocol/frame-kind.js";
import type { Clock } from "../runtime/clock.js";
import { goawayPayload } from "../session/handshake.js";

export const CLOSING = "the server is closing";
export const GOING_AWAY = closeCodeOf("going-away");

/** Why a server that closes refuses a client. */
export function closing(): FramewireError {
  return new FramewireError("going-away", CLOSING);
}

/** Calls that were under way to us when the goaway left are still answered: connections stay open this long, in milliseconds. */
const ANSWERS_MS = 200;

const CLOSE_DEFAULTS = { drainMs: 0, streamDrainMs: 0, reconnectSpreadMs: 0 };

/** How a server closes. */
export interface CloseOptions {
  /** Longest time for the calls in flight to finish. Default 0: connections close at once. */
  readonly drainMs?: number;
  /** Time after which streams end that are still open: they fail with `unavailable`. Default: half of `drainMs`. */
  readonly streamDrainMs?: number;
  /** Time over which the clients spread their reconnects. Default: `drainMs`. */
  readonly reconnectSpreadMs?: number;
}

/** @throws FramewireError `invalid-option` */
export function resolveCloseOptions(given: CloseOptions): Required<CloseOptions> {
  checkNames("close", given, CLOSE_DEFAULTS);
  const { drainMs } = resolveOptions(CLOSE_DEFAULTS, given);
  return { drainMs, streamDrainMs: given.streamDrainMs ?? drainMs / 2, reconnectSpreadMs: given.reconnectSpreadMs ?? drainMs };
}

/** Is notified when the server begins to drain. */
interface DrainListener {
  drain(reason: FramewireError): void;
}

/** Notifies the contexts of handlers that the server drains. */
export class DrainNotice {
  readonly #listeners = new Set<DrainListener>();
  #reason: FramewireError | undefined;

  get begun(): boolean {
    return this.#reason !== undefined;
  }

  /** `listener` is notified of the drain, at once if it has begun. */
  add(listener: DrainListener): void {
    if (this.#reason !== undefined) listener.drain(this.#reason);
    else this.#listeners.add(listener);
  }

  remove(listener: DrainListener): void {
    this.#listeners.delete(listener);
  }

  begin(): void {
    if (this.#reason !== undefined) return;
    // A handler that throws this reason fails its call with it.
    this.#reason = new FramewireError("unavailable", CLOSING);
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener.drain(this.#reason);
  }
}

/** Tells the clients to go and the handlers to end; resolves when all connections are closed, or the time is over. */
export async function drain(
  connections: readonly Connection[],
  { drainMs, streamDrainMs, reconnectSpreadMs }: Required<CloseOptions>,
  clock: Clock,
  notice: DrainNotice,
): Promise<void> {
  for (const connection of connections) {
    // Version 1 has no goaway: its calls are served until the end.
    if (connection.version === 1) continue;
    connection.draining = true;
    try {
      connection.sender.control(KIND_GOAWAY, goawayPayload(CLOSING, reconnectSpreadMs, 0));
    } catch (error) {
      // A connection that could not be notified is closed with the others.
      connection.onFault(error);
    }
  }
  // After the goaway: a client that opens a stream again as it ends opens it on its next connection.
  notice.begin();
  if (connections.length === 0) return;
  const late = new Pause(clock, drainMs);
  const answered = new Pause(clock, Math.min(drainMs, ANSWERS_MS));
  const streams = streamDrainMs < drainMs ? clock.setTimer(streamDrainMs, () => connections.forEach(endStreams)) : undefined;
  const idle = connections.map(async (connection) => {
    await answered.over;
    await becomesIdle(connection);
    connection.close(GOING_AWAY, CLOSING);
  });
  await Promise.race([Promise.all(idle), late.over]);
  late.end();
  answered.end();
  streams?.cancel();
}

/** Resolves when nothing of a connection is in flight. */
function becomesIdle(connection: Connection): Promise<void> {
  if (connection.idle) return Promise.resolve();
  return new Promise((resolve) => {
    const before = connection.onIdle;
    connection.onIdle = () => {
      before?.();
      resolve();
    };
  });
}

/** Ends the streams of a connection, those that its client serves included; both sides hear `unavailable`. */
function endStreams(connection: Connection): void {
  if (connection.inFlight === 0) return;
  const error = new FramewireError("unavailable", `the stream was ended, as ${CLOSING}`);
  connection.served.failWhere(streams, error);
  connection.calls.cancelWhere((_request, command) => streams(command), error);
}

function streams({ requestStream, responseStream }: Command): boolean {
  return requestStream || responseStream;
}

/** A time to wait for, which can be cut short. */
class Pause {
  readonly over: Promise<void>;
  end: () => void = () => {};

  constructor(clock: Clock, ms: number) {
    this.over = new Promise((resolve) => {
      const timer = clock.setTimer(ms, resolve);
      this.end = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
