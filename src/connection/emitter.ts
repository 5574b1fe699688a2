/** Typed events, the same on connections, servers and clients. */

type Listener<A extends readonly unknown[]> = (...args: A) => void;

/** Calls listeners in the order they were added. A listener that throws is reported and stops nobody else. */
export class Emitter<Events extends { [E in keyof Events]: readonly unknown[] }> {
  readonly #listeners = new Map<keyof Events, Set<unknown>>();

  /** Adds a listener; the function returned takes it away again. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void {
    let set = this.#listeners.get(event);
    if (set === undefined) this.#listeners.set(event, (set = new Set()));
    set.add(listener);
    return () => void set.delete(listener);
  }

  /** Whether anybody listens: lets callers skip building an event nobody wants. */
  has(event: keyof Events): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, ...args: Events[E]): void {
    const set = this.#listeners.get(event);
    if (set === undefined) return;
    for (const listener of [...set]) {
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
