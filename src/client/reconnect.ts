/** When a client connects, and when it gives up: one table of states, and the delays between attempts. docs/reconnect.md draws it. */
import { NODE_RETRIES, type ReconnectOptions, type ResolvedReconnectOptions } from "../options.js";

/** The states of a client. */
export type ClientState = "disconnected" | "connecting" | "connected" | "retry-pending";

/** The states of the table. Applications see `given-up` as `disconnected`. */
export type LifecycleState = ClientState | "given-up";

/** What moves a client from state to state. */
export type ClientTransition = "connect" | "opened" | "retry" | "due" | "wake" | "give-up" | "final" | "close";

/**
 * The lifecycle; a missing cell means that the event changes nothing in that state. `retry`: an attempt failed or a
 * connection ended, and another attempt is worth it; `give-up`: the retries are used up; `final`: another attempt would
 * end the same way; `due`: the delay is over; `wake`: the platform says that the network may be back.
 */
export const CLIENT_TRANSITIONS: Readonly<Record<LifecycleState, Readonly<Partial<Record<ClientTransition, LifecycleState>>>>> = {
  disconnected: { connect: "connecting" },
  connecting: { opened: "connected", retry: "retry-pending", "give-up": "given-up", final: "disconnected", close: "disconnected" },
  connected: { retry: "retry-pending", "give-up": "given-up", final: "disconnected", close: "disconnected" },
  "retry-pending": { due: "connecting", wake: "connecting", connect: "connecting", close: "disconnected" },
  "given-up": { wake: "connecting", connect: "connecting", close: "disconnected" },
};

/** A state as applications see it. */
export function clientState(state: LifecycleState): ClientState {
  return state === "given-up" ? "disconnected" : state;
}

/** Added to each delay so that clients cut off together do not come back together. */
const ADDED_JITTER_MS = 1_000;

/** 2 to the power of this is beyond every `maxMs`. */
const MAX_DOUBLINGS = 31;

/** Counts retries and gives the delay before the next attempt. Pure state. */
export class Backoff {
  readonly #options: ResolvedReconnectOptions;
  readonly #random: () => number;
  #retries = 0;
  /** Whether the wait that ends next was counted. */
  #counted = false;
  #goawayForgiven = false;

  /** `random`: like Math.random. */
  constructor(options: ResolvedReconnectOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Retries in a row so far. */
  get retries(): number {
    return this.#retries;
  }

  /** Milliseconds to wait after a failure; `undefined` when the retries are used up. */
  afterFailure(): number | undefined {
    const { baseMs, maxMs, jitter, retries } = this.#options;
    if (this.#retries >= retries) return undefined;
    const doubled = baseMs * 2 ** Math.min(this.#retries, MAX_DOUBLINGS);
    this.#count();
    if (jitter === "full") return Math.min(maxMs, doubled) * this.#random();
    // Even the longest delay keeps its jitter: an outage would bring all clients into step at `maxMs` otherwise.
    const added = Math.min(ADDED_JITTER_MS, maxMs);
    return Math.min(maxMs - added, doubled) + added * this.#random();
  }

  /**
   * Milliseconds to wait after the server asked its clients to leave and to come back spread over `spreadMs`. A server
   * that goes is no failure: the first time counts as no retry. A server that says goaway again before a connection
   * has lasted is one that fails in another way.
   */
  afterGoaway(spreadMs: number): number | undefined {
    const { retries, maxSpreadMs } = this.#options;
    if (this.#goawayForgiven ? this.#retries >= retries : retries === 0) return undefined;
    if (this.#goawayForgiven) this.#count();
    else this.#counted = false;
    this.#goawayForgiven = true;
    return Math.min(spreadMs, maxSpreadMs) * this.#random();
  }

  /** The wait was cut short from outside: the attempt that follows was nobody's guess and counts as none. */
  cutShort(): void {
    if (this.#counted) this.#retries--;
    this.#counted = false;
  }

  /** A connection has lasted. */
  reset(): void {
    this.#retries = 0;
    this.#counted = false;
    this.#goawayForgiven = false;
  }

  #count(): void {
    this.#retries++;
    this.#counted = true;
  }
}

/** A program that cannot reach its server should hear of it by an error; a page should not have to be loaded anew. */
export function onNode(reconnect: ReconnectOptions | false = {}): ReconnectOptions | false {
  return reconnect === false || reconnect.retries !== undefined ? reconnect : { ...reconnect, retries: NODE_RETRIES };
}
