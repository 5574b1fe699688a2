/** When a client connects, and when it gives up: one table of states, and the delays between attempts. */
import type { ResolvedReconnectOptions } from "../options.js";

/** The states of a client. */
export type ClientState = "disconnected" | "connecting" | "connected" | "retry-pending";

/** What moves a client from state to state. */
export type ClientTransition = "connect" | "opened" | "retry" | "due" | "give-up" | "close";

/**
 * The lifecycle; a missing cell means that the event changes nothing in that state. `retry`: an attempt failed or a
 * connection ended, and another attempt is worth it; `give-up`: it is not; `due`: the delay is over.
 */
export const CLIENT_TRANSITIONS: Readonly<Record<ClientState, Readonly<Partial<Record<ClientTransition, ClientState>>>>> = {
  disconnected: { connect: "connecting" },
  connecting: { opened: "connected", retry: "retry-pending", "give-up": "disconnected", close: "disconnected" },
  connected: { retry: "retry-pending", "give-up": "disconnected", close: "disconnected" },
  "retry-pending": { due: "connecting", connect: "connecting", "give-up": "disconnected", close: "disconnected" },
};

/** Added to each delay so that clients cut off together do not come back together. */
const ADDED_JITTER_MS = 1_000;

/** Counts attempts and gives the delay before the next one. */
export class Backoff {
  readonly #options: ResolvedReconnectOptions;
  readonly #random: () => number;
  #retries = 0;

  /** `random`: like Math.random. */
  constructor(options: ResolvedReconnectOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Retries in a row so far. */
  get retries(): number {
    return this.#retries;
  }

  /** Milliseconds to wait before the next attempt; `undefined` when the retries are used up. */
  next(): number | undefined {
    const { baseMs, maxMs, jitter, retries } = this.#options;
    if (this.#retries >= retries) return undefined;
    const delay = Math.min(maxMs, baseMs * 2 ** this.#retries++);
    return jitter === "full" ? delay * this.#random() : Math.min(maxMs, delay + ADDED_JITTER_MS * this.#random());
  }

  /** A connection has lasted. */
  reset(): void {
    this.#retries = 0;
  }
}
