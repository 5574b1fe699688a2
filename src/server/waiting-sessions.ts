/** The sessions whose clients are away, and which of them makes room when there are too many. */
import { LinkedList, type ListEntry } from "../runtime/linked-list.js";
import { Ranking } from "./ranking.js";

/** What decides which session makes room. */
export interface WaitingSession {
  /** Bytes of frames that are kept for its client. */
  readonly heldBytes: number;
  /** The address of its client; of IPv6, the network. */
  readonly address: string;
  /** Nothing was ever sent in it: no numbered frame has come from the client, and the client has acknowledged none. */
  readonly unused: boolean;
}

/** The sessions that wait for clients of one address. Each list begins with the session that has waited longest. */
class AddressSessions<S> {
  readonly address: string;
  readonly unused = new LinkedList<Waiting<S>>();
  readonly used = new LinkedList<Waiting<S>>();
  /** Those for which bytes are kept, in the order in which there were first any. */
  readonly holding = new LinkedList<Waiting<S>>();
  count = 0;
  bytes = 0;

  constructor(address: string) {
    this.address = address;
  }
}

interface Waiting<S> {
  readonly session: S;
  readonly since: number;
  readonly at: AddressSessions<S>;
  readonly unused: boolean;
  bytes: number;
  inOrder: ListEntry<Waiting<S>> | undefined;
  inUse: ListEntry<Waiting<S>> | undefined;
  inHolding: ListEntry<Waiting<S>> | undefined;
}

/** Ranks for each doubling of the bytes: two addresses whose bytes differ by less than a tenth may count as equal. */
const RANKS_PER_DOUBLING = 8;

export class WaitingSessions<S extends WaitingSession> {
  readonly #all = new Map<S, Waiting<S>>();
  readonly #order = new LinkedList<Waiting<S>>();
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

  /** The session that has waited longest, and since when. */
  get longest(): { readonly session: S; readonly since: number } | undefined {
    return this.#order.first;
  }

  /** From the address with the most sessions: the longest waiting of those in which nothing was sent, else of all. */
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
    const waiting: Waiting<S> = { session, since: now, at, unused, bytes: 0, inOrder: undefined, inUse: undefined, inHolding: undefined };
    this.#all.set(session, waiting);
    waiting.inOrder = this.#order.push(waiting);
    waiting.inUse = (unused ? at.unused : at.used).push(waiting);
    at.count++;
    this.#rank(at);
    this.#holds(waiting, session.heldBytes);
  }

  /** More or less is kept for a session, if it is one of these. */
  update(session: S): void {
    const waiting = this.#all.get(session);
    if (waiting !== undefined) this.#holds(waiting, session.heldBytes);
  }

  /** Takes a session out, if it is one of these. */
  remove(session: S): void {
    const waiting = this.#all.get(session);
    if (waiting === undefined) return;
    const { at, unused, inOrder, inUse } = waiting;
    this.#holds(waiting, 0);
    this.#all.delete(session);
    this.#order.remove(inOrder as ListEntry<Waiting<S>>);
    (unused ? at.unused : at.used).remove(inUse as ListEntry<Waiting<S>>);
    at.count--;
    this.#rank(at);
    if (at.count === 0) this.#addresses.delete(at.address);
  }

  /** Of addresses with as many sessions, those with one in which nothing was sent come first. */
  #rank(at: AddressSessions<S>): void {
    this.#byCount.set(at, 2 * at.count + (at.unused.first === undefined ? 0 : 1));
  }

  #holds(waiting: Waiting<S>, bytes: number): void {
    const { at } = waiting;
    this.#bytes += bytes - waiting.bytes;
    at.bytes += bytes - waiting.bytes;
    waiting.bytes = bytes;
    if (bytes > 0) {
      waiting.inHolding ??= at.holding.push(waiting);
    } else if (waiting.inHolding !== undefined) {
      at.holding.remove(waiting.inHolding);
      waiting.inHolding = undefined;
    }
    this.#byBytes.set(at, at.bytes === 0 ? 0 : 1 + Math.floor(RANKS_PER_DOUBLING * Math.log2(at.bytes)));
  }
}
