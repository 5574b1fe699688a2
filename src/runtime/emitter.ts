/** Typed events, the same on connections, servers and clients. */
import { FramewireError } from "../errors.js";
import { type Names, unknownName } from "../options.js";
import { type FailureEvent, pending } from "./guard.js";

type Listener<A extends readonly unknown[]> = (...args: A) => void;

/** Hears all events of an emitter, before its listeners do: for the one who owns it. */
export interface EventSink<Events extends { [E in keyof Events]: readonly unknown[] }> {
  /** Whether it does anything with this event. */
  wants(event: keyof Events): boolean;
  heard<E extends keyof Events>(event: E, ...args: Events[E]): void;
}

/** @throws FramewireError `invalid-option` if there is no such event, or nothing to call */
export function checkListener(whose: string, event: string, listener: unknown, known: Names): void {
  if (!Object.hasOwn(known, event)) unknownName("event", whose, String(event), known);
  if (typeof listener !== "function") throw new FramewireError("invalid-option", `the listener for ${event} is not a function`);
}

/**
 * Calls listeners in the order they were added. What a listener throws, or a promise of it rejects with, is told by a `failure` event and
 * stops no other listener. Of a `failure` listener that fails itself only the sink hears.
 */
export class Emitter<Events extends { [E in keyof Events]: readonly unknown[] }> {
  #listeners: Map<keyof Events, unknown[]> | undefined;
  sink: EventSink<Events> | undefined;
  readonly #report: ((failure: FailureEvent) => void) | undefined;

  /** `report` is told of listeners that fail; default: a `failure` event of this emitter. */
  constructor(report?: (failure: FailureEvent) => void) {
    this.#report = report;
  }

  /** Adds a listener; the function returned takes it away again. Who adds one twice hears twice. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void {
    this.#listeners ??= new Map();
    const all = this.#listeners;
    // A list is never changed: an event that is being told goes to those who listened when it happened.
    all.set(event, [...(all.get(event) ?? []), listener]);
    let listening = true;
    return () => {
      const list = all.get(event);
      if (!listening || list === undefined) return;
      listening = false;
      const at = list.indexOf(listener);
      all.set(
        event,
        list.filter((_, index) => index !== at),
      );
    };
  }

  /** Whether anybody listens: lets callers skip building an event nobody wants. */
  has(event: keyof Events): boolean {
    return this.sink?.wants(event) === true || (this.#listeners?.get(event)?.length ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, ...args: Events[E]): void {
    this.sink?.heard(event, ...args);
    const list = this.#listeners?.get(event);
    if (list === undefined) return;
    for (const listener of list) {
      try {
        const result: unknown = (listener as Listener<Events[E]>)(...args);
        if (result !== undefined) pending(result)?.then(undefined, (error) => this.#failed(event, error));
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  /** Tells of something that failed. */
  fail(failure: FailureEvent): void {
    this.emit("failure" as keyof Events, ...([failure] as never));
  }

  #failed(event: keyof Events, error: unknown): void {
    const failure = { hook: `on("${String(event)}")`, error };
    if (event === "failure") this.sink?.heard(event, ...([failure] as never));
    else if (this.#report !== undefined) this.#report(failure);
    else this.fail(failure);
  }
}
