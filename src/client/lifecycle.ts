/** Walks the table of reconnect.ts: starts attempts, waits between them, ends it all. It knows no socket and no frame. */

import { FramewireError } from "../errors.js";
import type { ResolvedReconnectOptions } from "../options.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { Backoff, CLIENT_TRANSITIONS, type ClientTransition, type LifecycleState } from "./reconnect.js";

/** What goes with a change of state. */
export interface StateDetail {
  /** Why, for people. */
  readonly reason: string;
  /** Milliseconds until the next attempt, in `retry-pending`. */
  readonly delayMs?: number;
  /** Retries in a row, the next one included, in `retry-pending`. */
  readonly retries?: number;
  /** Whether the session of the connection before goes on, in `connected`. Without it the server knows nothing of earlier calls and rooms. */
  readonly resumed?: boolean;
  /** The close code of the connection that ended, if one did. */
  readonly closeCode?: number;
  /** What ended it, if it was an error of this side or of the network. */
  readonly error?: FramewireError;
}

/** How an attempt or a connection ended. */
export interface Ending {
  readonly error: FramewireError;
  /** If it was a connection. */
  readonly closeCode?: number;
  /** Another attempt would end the same way. */
  readonly final: boolean;
}

/** What a lifecycle drives. */
export interface LifecycleHooks {
  /** Starts an attempt, to end in `opened` or `ended`. Once `signal` has aborted it lets go of what it holds and reports nothing. */
  begin(signal: AbortSignal): void;
  /** Asks the peer of the connection for a sign of life. */
  probe(): void;
  /** The state is another one. */
  moved(state: LifecycleState, detail: StateDetail): void;
}

/** What a lifecycle is set up with. */
export interface LifecycleSettings {
  readonly reconnect: ResolvedReconnectOptions;
  /** Longest time of one attempt, from credentials to handshake. */
  readonly attemptMs: number;
  readonly clock: Clock;
  /** Like Math.random. */
  readonly random: () => number;
}

/**
 * A connection that ends so soon after a sign of the platform was dead already: its probe found it, or the close event
 * came late, as that of a socket which the back-forward cache has cost comes behind `pageshow`. In milliseconds.
 */
const WAKE_MS = 30_000;

/** A `connect` that has not settled. */
interface Waiter {
  resolve(): void;
  reject(error: FramewireError): void;
}

export class Lifecycle {
  readonly #settings: LifecycleSettings;
  readonly #hooks: LifecycleHooks;
  readonly #backoff: Backoff;
  #state: LifecycleState = "disconnected";
  /** Steps taken: whoever calls out can see whether a listener has moved on meanwhile. */
  #steps = 0;
  #attempt: AbortController | undefined;
  /** The one timer of the state: the attempt's deadline, the wait for the next, or the time until a connection has lasted. */
  #timer: Timer | undefined;
  #spreadMs = 0;
  /** Until when an end of the connection is answered by another attempt at once. */
  #wakeUntil = 0;
  #closedBy: FramewireError | undefined;
  #waiters: Waiter[] = [];

  constructor(settings: LifecycleSettings, hooks: LifecycleHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#backoff = new Backoff(settings.reconnect, settings.random);
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /** Connects, or tries again at once. Resolves when connected; rejects when it gives up or was closed. */
  connect(): Promise<void> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    if (this.#state === "connected") return Promise.resolve();
    const connected = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    this.#startAnew("connect", "connect");
    return connected;
  }

  /** The attempt under way has a connection. */
  opened(resumed: boolean): void {
    this.#move("opened", { reason: "connected", resumed });
  }

  /** The attempt under way has failed, or the connection has ended. */
  ended({ final, ...ending }: Ending): void {
    const detail = { reason: ending.error.message, ...ending };
    const spreadMs = this.#spreadMs;
    this.#spreadMs = 0;
    if (final) return this.#move("final", detail);
    // Events that mean nothing in this state must not use up a retry.
    if (CLIENT_TRANSITIONS[this.#state].retry === undefined) return;
    const wake = this.#state === "connected" && spreadMs === 0 && this.#settings.clock.now() < this.#wakeUntil;
    this.#wakeUntil = 0;
    const delayMs = spreadMs > 0 ? this.#backoff.afterGoaway(spreadMs) : this.#backoff.afterFailure();
    const { retries } = this.#backoff;
    if (delayMs !== undefined) this.#move("retry", { ...detail, delayMs, retries });
    // A client that never retries does not come back on a sign of the platform either.
    else this.#move(retries > 0 ? "give-up" : "final", { ...detail, reason: `${detail.reason}; gave up after ${retries} retries` });
    if (wake) this.wake("the connection was dead");
  }

  /** The server will close the connection and wants its clients to come back spread over `spreadMs`. */
  goaway(spreadMs: number): void {
    this.#spreadMs = spreadMs;
  }

  /**
   * The platform says that the network may have changed: a connection is probed, and replaced at once if it is dead; a wait is over; a client
   * whose retries are used up tries again.
   */
  wake(reason: string): void {
    if (this.#state === "connected") {
      this.#wakeUntil = this.#settings.clock.now() + WAKE_MS;
      return this.#hooks.probe();
    }
    this.#startAnew("wake", reason);
  }

  /** An attempt that no delay has led to. */
  #startAnew(transition: "connect" | "wake", reason: string): void {
    if (this.#state === "retry-pending") this.#backoff.cutShort();
    else if (CLIENT_TRANSITIONS[this.#state][transition] !== undefined) this.#backoff.reset();
    this.#move(transition, { reason });
  }

  /** Ends it for good: `connect` rejects with `error` from here. */
  close(error: FramewireError): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = error;
    this.#move("close", { reason: error.message, error });
  }

  /** One step through the table; events that mean nothing in the state are ignored. */
  #move(transition: ClientTransition, detail: StateDetail): void {
    const next = CLIENT_TRANSITIONS[this.#state][transition];
    if (next === undefined) return;
    const step = ++this.#steps;
    this.#timer?.cancel();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#state = next;
    if (next !== "connected") attempt?.abort(detail.error);
    this.#hooks.moved(next, detail);
    // A listener may have closed the client, or told it to connect: what follows belongs to a state that is over.
    if (step === this.#steps) this.#enter(next, detail);
  }

  #enter(state: LifecycleState, detail: StateDetail): void {
    const { clock, attemptMs, reconnect } = this.#settings;
    switch (state) {
      case "connecting": {
        const attempt = new AbortController();
        this.#attempt = attempt;
        this.#timer = clock.setTimer(attemptMs, () => {
          const error = new FramewireError("handshake-timeout", `no connection within ${attemptMs} ms`);
          this.ended({ error, final: false });
        });
        return this.#hooks.begin(attempt.signal);
      }
      case "connected":
        this.#spreadMs = 0;
        this.#timer = clock.setTimer(reconnect.resetAfterMs, () => this.#backoff.reset());
        return this.#release((waiter) => waiter.resolve());
      case "retry-pending":
        this.#timer = clock.setTimer(detail.delayMs as number, () => this.#move("due", { reason: "retry" }));
        return;
      case "disconnected":
      case "given-up":
        return this.#release((waiter) => waiter.reject(detail.error as FramewireError));
    }
  }

  #release(settle: (waiter: Waiter) => void): void {
    for (const waiter of this.#waiters.splice(0)) settle(waiter);
  }
}
