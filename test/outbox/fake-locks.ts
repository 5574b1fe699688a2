/** The browser's Web Locks, for tests on Node: exclusive locks only. */

interface Waiting {
  readonly hold: () => Promise<unknown>;
  readonly settle: (held: Promise<unknown>) => void;
}

export class FakeLocks {
  readonly #held = new Map<string, Waiting[]>();

  request(name: string, { signal }: { signal: AbortSignal }, hold: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { hold, settle: (held) => held.then(resolve, reject) };
      const queue = this.#held.get(name);
      if (queue === undefined) return this.#grant(name, waiting);
      queue.push(waiting);
      signal.addEventListener("abort", () => {
        const place = queue.indexOf(waiting);
        if (place === -1) return;
        queue.splice(place, 1);
        reject(signal.reason);
      });
    });
  }

  /** The pages that hold locks are gone. */
  forget(): void {
    this.#held.clear();
  }

  #grant(name: string, { hold, settle }: Waiting): void {
    const queue: Waiting[] = [];
    this.#held.set(name, queue);
    const held = hold();
    settle(held);
    held.finally(() => {
      if (this.#held.get(name) !== queue) return;
      this.#held.delete(name);
      const next = queue.shift();
      if (next === undefined) return;
      this.#grant(name, next);
      this.#held.get(name)?.push(...queue);
    });
  }
}
