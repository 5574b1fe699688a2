/** Counts what the receivers of a process get, and tells the server when all of them are so far. */

/** The server is told of every so many broadcasts that all receivers have. */
const TELL_EVERY = 8;

/** How long the last messages may take, in milliseconds. */
const LAST_MESSAGES_MS = 10_000;

export class Deliveries {
  readonly #tell: (broadcasts: number) => void;
  #receivers = 1;
  #count = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #complete = () => {};

  /** `tell` hears how many broadcasts all receivers have, now and then. */
  constructor(tell: (broadcasts: number) => void) {
    this.#tell = tell;
  }

  /** Begins to count anew. */
  restart(receivers: number): void {
    this.#receivers = receivers;
    this.#count = 0;
    this.#wanted = Number.POSITIVE_INFINITY;
  }

  /** One receiver has got one message. */
  readonly received = (): void => {
    const count = ++this.#count;
    if (count % (this.#receivers * TELL_EVERY) === 0) this.#tell(count / this.#receivers);
    if (count === this.#wanted) this.#complete();
  };

  /** Resolves when every receiver has `broadcasts` messages; gives the number of deliveries. */
  all(broadcasts: number): Promise<number> {
    const wanted = broadcasts * this.#receivers;
    if (this.#count === wanted) return Promise.resolve(wanted);
    return new Promise((resolve, reject) => {
      const missing = () => reject(new Error(`${wanted - this.#count} of ${wanted} messages did not come`));
      const tooLong = setTimeout(missing, LAST_MESSAGES_MS);
      this.#wanted = wanted;
      this.#complete = () => {
        clearTimeout(tooLong);
        resolve(wanted);
      };
    });
  }
}
