/** The sockets whose handshake is not done: how many there may be, and who goes when there are too many. */

/** A socket on its way in. */
export interface Newcomer {
  /** It waits for its peer, not for us: then it may be sent away. */
  readonly idle: boolean;
  /** Closes it, with whatever last word it can speak by now. */
  sendAway(): void;
}

/**
 * Newcomers in the order they came. When there are too many, the one that has kept us waiting longest goes: honest
 * peers need a few round trips, so that an attacker who fills the room only ever pushes out his own.
 */
export class WaitingRoom {
  readonly #limit: number;
  readonly #newcomers = new Set<Newcomer>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#newcomers.size;
  }

  /** Lets a newcomer in. False if there is no room, and nobody there who could be sent away. */
  enter(newcomer: Newcomer): boolean {
    if (this.#newcomers.size >= this.#limit) {
      const oldest = this.#oldestIdle();
      if (oldest === undefined) return false;
      this.#newcomers.delete(oldest);
      oldest.sendAway();
    }
    this.#newcomers.add(newcomer);
    return true;
  }

  leave(newcomer: Newcomer): void {
    this.#newcomers.delete(newcomer);
  }

  [Symbol.iterator](): Iterator<Newcomer> {
    return [...this.#newcomers][Symbol.iterator]();
  }

  #oldestIdle(): Newcomer | undefined {
    for (const newcomer of this.#newcomers) if (newcomer.idle) return newcomer;
    return undefined;
  }
}
