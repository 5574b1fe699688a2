/** The sockets whose handshake is not done: how many there may be, and who goes when there are too many. */
import { Heap, type HeapEntry } from "../runtime/heap.js";
import { LinkedList, type ListEntry } from "../runtime/linked-list.js";

/** A socket on its way in. */
export interface Newcomer {
  /** It waits for its peer, not for us: then it may be sent away. */
  readonly idle: boolean;
  /** Closes it, with whatever last word it can speak by now. */
  sendAway(): void;
}

/** Its place in the room; `at` says in which order they came. */
interface Place extends HeapEntry {
  readonly newcomer: Newcomer;
  /** Set while it is among those that wait for us. */
  busy: ListEntry<Place> | undefined;
}

/** Of those that were found waiting for us, so many are looked at again whenever room is made. */
const LOOK_AGAIN = 2;

/**
 * Newcomers in the order they came. When there are too many, the one that has kept us waiting longest goes: honest
 * peers need a few round trips, so that an attacker who fills the room only ever pushes out his own.
 */
export class WaitingRoom {
  readonly #limit: number;
  readonly #places = new Map<Newcomer, Place>();
  /** Those who may be idle, and those who were not when they were last looked at: making room walks over neither. */
  readonly #idle = new Heap<Place>();
  readonly #busy = new LinkedList<Place>();
  #arrived = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Lets a newcomer in. False if there is no room, and nobody found who could be sent away. */
  enter(newcomer: Newcomer): boolean {
    if (this.#places.size >= this.#limit) {
      const oldest = this.#oldestIdle();
      if (oldest === undefined) return false;
      this.leave(oldest);
      oldest.sendAway();
    }
    const place: Place = { newcomer, at: this.#arrived++, place: -1, busy: undefined };
    this.#places.set(newcomer, place);
    this.#idle.push(place);
    return true;
  }

  leave(newcomer: Newcomer): void {
    const place = this.#places.get(newcomer);
    if (place === undefined) return;
    this.#places.delete(newcomer);
    this.#idle.remove(place);
    if (place.busy !== undefined) this.#busy.remove(place.busy);
  }

  [Symbol.iterator](): Iterator<Newcomer> {
    return [...this.#places.keys()][Symbol.iterator]();
  }

  #oldestIdle(): Newcomer | undefined {
    for (let i = 0; i < LOOK_AGAIN && this.#busy.first !== undefined; i++) this.#lookAgain(this.#busy.first);
    for (let place = this.#idle.first; place !== undefined; place = this.#idle.first) {
      if (place.newcomer.idle) return place.newcomer;
      this.#idle.remove(place);
      place.busy = this.#busy.push(place);
    }
    return undefined;
  }

  #lookAgain(place: Place): void {
    this.#busy.remove(place.busy as ListEntry<Place>);
    place.busy = undefined;
    if (place.newcomer.idle) this.#idle.push(place);
    else place.busy = this.#busy.push(place);
  }
}
