/** Commits in groups: while one is under way, everything that comes waits for one more. */
export class GroupCommit {
  readonly #commit: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `commit` makes durable what there is when it is called. */
  constructor(commit: () => Promise<void>) {
    this.#commit = commit;
  }

  /** The commit under way, if there is one. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Resolves when all that there was at this call is durable. */
  request(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    const start = () => this.#start();
    this.#next ??= this.#running.then(start, start);
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const running = this.#commit().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
