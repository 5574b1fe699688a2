/** The sessions whose clients have no connection, and which of them is evicted when there are too many. */
import { LinkedList, type ListEntry } from "../runtime/linked-list.js";
import { Ranking } from "./ranking.js";

/** What decides which session is evicted. */
export interface EvictableSession {
  /** Bytes of frames that are kept for its client. */
  readonly heldBytes: number;
  /** The address of its client; of IPv6, the network. */
  readonly address: string;
  /** Nothing was ever sent in it: no numbered frame has come from the client, and the client has acknowledged none. */
  readonly unused: boolean;
}

/** The interrupted sessions of one address. Each list begins with the session that was interrupted first. */
class AddressSessions<S> {
  readonly address: string;
  readonly unused = new LinkedList<Entry<S>>();
  readonly used = new LinkedList<Entry<S>>();
  /** Those for which bytes are kept, in the order in which there were first any. */
  readonly holding = new LinkedList<Entry<S>>();
  count = 0;
  bytes = 0;

  constructor(address: string) {
    this.address = address;
  }
}

interface Entry<S> {
  readonly session: S;
  readonly since: number;
  readonly at: AddressSessions<S>;
  readonly unused: boolean;
  bytes: number;
  inOrder: ListEntry<Entry<S>> | undefined;
  inUse: ListEntry<Entry<S>> | undefined;
  inHolding: ListEntry<Entry<S>> | undefined;
}

/** Ranks for each doubling of the bytes: two addresses whose bytes differ by less than a tenth may count as equal. */
const RANKS_PER_DOUBLING = 8;

export class InterruptedSessions<S extends EvictableSession> {
  readonly #all = new Map<S, Entry<S>>();
  readonly #order = new LinkedList<Entry<S>>();
  readonly #addresses = new Map<string, AddressSessions<S>>();
  readonly #byCount = new Ranking<AddressSessions<S>>();
  readonly #byBytes = new Ranking<AddressSessions<S>>();
  #bytes = 0;

  get size(): number {
    return this.#all.size;
  }

  /** Bytes of frames kept for all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The session that was interrupted first, and when that was. */
  get oldest(): { readonly session: S; readonly since: number } | undefined {
    return this.#order.first;
  }

  /** From the address with the most sessions: the oldest of those in which nothing was sent, else of all. */
  get firstOfMany(): S | undefined {
    const at = this.#byCount.first;
    return (at?.unused.first ?? at?.used.first)?.session;
  }

  /** From the address for which the most bytes are kept: the session that has held some for longest. */
  get firstOfBytes(): S | undefined {
    return this.#byBytes.first?.holding.first?.session;
  }

  add(session: S, now: number): void {
    const { address, unused } = session;
    let at = this.#addresses.get(address);
    if (at === undefined) this.#addresses.set(address, (at = new AddressSessions(address)));
    const entry: Entry<S> = { session, since: now, at, unused, bytes: 0, inOrder: undefined, inUse: undefined, inHolding: undefined };
    this.#all.set(session, entry);
    entry.inOrder = this.#order.push(entry);
    entry.inUse = (unused ? at.unused : at.used).push(entry);
    at.count++;
    this.#rank(at);
    this.#holds(entry, session.heldBytes);
  }

  /** More or less is kept for a session, if it is one of these. */
  update(session: S): void {
    const entry = this.#all.get(session);
    if (entry !== undefined) this.#holds(entry, session.heldBytes);
  }

  /** Takes a session out, if it is one of these. */
  remove(session: S): void {
    const entry = this.#all.get(session);
    if (entry === undefined) return;
    const { at, unused, inOrder, inUse } = entry;
    this.#holds(entry, 0);
    this.#all.delete(session);
    this.#order.remove(inOrder as ListEntry<Entry<S>>);
    (unused ? at.unused : at.used).remove(inUse as ListEntry<Entry<S>>);
    at.count--;
    this.#rank(at);
    if (at.count === 0) this.#addresses.delete(at.address);
  }

  /** Of addresses with as many sessions, those with one in which nothing was sent come first. */
  #rank(at: AddressSessions<S>): void {
    this.#byCount.set(at, 2 * at.count + (at.unused.first === undefined ? 0 : 1));
  }

  #holds(entry: Entry<S>, bytes: number): void {
    const { at } = entry;
    this.#bytes += bytes - entry.bytes;
    at.bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (bytes > 0) {
      entry.inHolding ??= at.holding.push(entry);
    } else if (entry.inHolding !== undefined) {
      at.holding.remove(entry.inHolding);
      entry.inHolding = undefined;
    }
    this.#byBytes.set(at, at.bytes === 0 ? 0 : 1 + Math.floor(RANKS_PER_DOUBLING * Math.log2(at.bytes)));
  }
}
