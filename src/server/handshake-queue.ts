/** The handshakes that are not done: how many there may be, and which is rejected when there are too many. */
import { Heap, type HeapEntry } from "../runtime/heap.js";
import { LinkedList, type ListEntry } from "../runtime/linked-list.js";

/** A socket whose handshake is not done. */
export interface PendingHandshake {
  /** It waits for its peer, not for this server: then it may be rejected to make room. */
  readonly idle: boolean;
  /** Closes the socket, with the reason if its protocol can carry one yet. */
  reject(): void;
}

/** A handshake in the queue; `at` is its number in the order of arrival. */
interface Entry extends HeapEntry {
  readonly handshake: PendingHandshake;
  /** Set while it is in the list of the busy ones. */
  busy: ListEntry<Entry> | undefined;
}

/** How many busy handshakes are checked again each time that room is needed. */
const RECHECKS = 2;

/**
 * Pending handshakes in the order of arrival. When there are `limit` of them, the oldest that waits for its peer is rejected: honest
 * peers need a few round trips, so that an attacker who fills the queue mostly displaces his own sockets.
 */
export class HandshakeQueue {
  readonly #limit: number;
  readonly #entries = new Map<PendingHandshake, Entry>();
  /** Those that may be idle, and those that were not when they were last checked: finding one to reject scans neither. */
  readonly #idle = new Heap<Entry>();
  readonly #busy = new LinkedList<Entry>();
  #arrived = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Adds a handshake, and rejects the oldest idle one if the queue is full. False if it is full of busy ones. */
  add(handshake: PendingHandshake): boolean {
    if (this.#entries.size >= this.#limit) {
      const oldest = this.#oldestIdle();
      if (oldest === undefined) return false;
      this.remove(oldest);
      oldest.reject();
    }
    const entry: Entry = { handshake, at: this.#arrived++, place: -1, busy: undefined };
    this.#entries.set(handshake, entry);
    this.#idle.push(entry);
    return true;
  }

  remove(handshake: PendingHandshake): void {
    const entry = this.#entries.get(handshake);
    if (entry === undefined) return;
    this.#entries.delete(handshake);
    this.#idle.remove(entry);
    if (entry.busy !== undefined) this.#busy.remove(entry.busy);
  }

  [Symbol.iterator](): Iterator<PendingHandshake> {
    return [...this.#entries.keys()][Symbol.iterator]();
  }

  #oldestIdle(): PendingHandshake | undefined {
    for (let i = 0; i < RECHECKS && this.#busy.first !== undefined; i++) this.#recheck(this.#busy.first);
    for (let entry = this.#idle.first; entry !== undefined; entry = this.#idle.first) {
      if (entry.handshake.idle) return entry.handshake;
      this.#idle.remove(entry);
      entry.busy = this.#busy.push(entry);
    }
    return undefined;
  }

  #recheck(entry: Entry): void {
    this.#busy.remove(entry.busy as ListEntry<Entry>);
    entry.busy = undefined;
    if (entry.handshake.idle) this.#idle.push(entry);
    else entry.busy = this.#busy.push(entry);
  }
}
