/** Typed events, the same on connections, servers and clients. */

type Listener<A extends readonly unknown[]> = (...args: A) => void;

/** Hears all events of an emitter, before its listeners do: for the one who owns it. */
export interface EventSink<Events extends { [E in keyof Events]: readonly unknown[] }> {
  /** Whether it does anything with this event. */
  wants(event: keyof Events): boolean;
  heard<E extends keyof Events>(event: E, ...args: Events[E]): void;
}

/** Calls listeners in the order they were added. A listener that throws is reported and stops nobody else. */
export class Emitter<Events extends { [E in keyof Events]: readonly unknown[] }> {
  #listeners: Map<keyof Events, unknown[]> | undefined;
  sink: EventSink<Events> | undefined;

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
        (listener as Listener<Events[E]>)(...args);
      } catch (error) {
        // Thrown where no caller of ours can be hurt, so that the runtime reports it as any uncaught error.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
