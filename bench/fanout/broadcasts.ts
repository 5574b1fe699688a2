/** Broadcasts one after the other, as fast as the receivers take them. */

/** Broadcasts that may be on their way; far below what any contestant queues before it drops or refuses. */
const WINDOW = 64;

export class Broadcasts {
  readonly #send: () => void;
  #delivered = 0;
  #goOn = () => {};

  constructor(send: () => void) {
    this.#send = send;
  }

  /** All receivers have so many of this run's. */
  delivered(count: number): void {
    this.#delivered = count;
    this.#goOn();
  }

  /** Sends `burst` of them in each turn of the event loop while there is room in the window. Gives how many it sent. */
  run({ ms, burst }: { readonly ms: number; readonly burst: number }): Promise<number> {
    return new Promise((resolve) => {
      let sent = 0;
      let stopping = false;
      this.#delivered = 0;
      setTimeout(() => {
        stopping = true;
        turn();
      }, ms);
      const turn = () => {
        this.#goOn = () => {};
        if (stopping) return resolve(sent);
        if (sent - this.#delivered + burst > WINDOW) {
          this.#goOn = turn;
          return;
        }
        for (let i = 0; i < burst; i++) this.#send();
        sent += burst;
        setImmediate(turn);
      };
      turn();
    });
  }
}
