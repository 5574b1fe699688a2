/** What a server holds for all its peers together, and who is closed when that, or what it holds for one of them, is too much. */

import { Connection } from "../calls/connection.js";
import { pinnedBytes } from "../codec/encoder/write-block.js";
import type { AccountKeeper, LateShare } from "../link/account.js";
import type { ServedLink } from "../link/served-link.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { CALL_MEMORY, SESSION_MEMORY } from "../runtime/memory-costs.js";
import { addressKey } from "./admission.js";

/** What an account needs of its server. */
export interface AccountHost {
  /** Every connection, those whose client is away included. */
  readonly connections: Iterable<Connection>;
  /** Links whose handshake is not done. */
  readonly handshakes: Iterable<ServedLink>;
  /** The address of a connection's client. */
  addressOf(connection: Connection): string;
  /** Handlers that go on though their calls have ended, or their connections. */
  lateHandlers(): number;
  /** Drops the session of a client that is away. */
  evict(connection: Connection, message: string): void;
}

export interface AccountLimits {
  readonly maxConnectionBytes: number;
  readonly maxServerBytes: number;
  readonly writeTimeoutMs: number;
}

/** The part of `maxConnectionBytes` that the application may leave untaken before the connection is not read any more. */
const PAUSE_SHARE = 1 / 2;

/** The part of `maxServerBytes` that is left when it was reached. */
const LEFT_SHARE = 3 / 4;

/** The part of `maxServerBytes` that handlers of closed connections may take from the others. */
const LATE_SHARE = 1 / 2;

/**
 * The part of it from which on handlers that go on slow others down: those of closed connections of one address, which gets no more then; and
 * all whose call is over, where every connection gets little.
 */
const LATE_OF_ADDRESS = 1 / 32;
const LATE_OF_ALL = 1 / 8;
/** The part of `maxCalls` that is left then: a client with few calls at once does not notice. */
const LEAST_SHARE = 1 / 32;

/** A connection that is not read, as its application takes nothing. */
interface Stalled {
  memory: number;
  progress: boolean;
  timer: Timer;
}

/** A connection or handshake that can be closed, and what it holds. */
interface Holder {
  readonly subject: Connection | ServedLink;
  readonly bytes: number;
}

interface AddressHolders {
  bytes: number;
  readonly holders: Holder[];
}

export class ServerAccount implements AccountKeeper {
  readonly pauseBytes: number;
  readonly #limits: AccountLimits;
  readonly #clock: Clock;
  readonly #host: AccountHost;
  #bytes = 0;
  /** Of handlers whose connection has closed. */
  #late = 0;
  readonly #lateOf = new Map<string, LateShare>();
  #shed = 0;
  #checkDue = false;
  /** Connections and links that hold more than one may. */
  readonly #over = new Set<Connection | ServedLink>();
  readonly #stalled = new Map<Connection, Stalled>();
  /** Links that have ended, and whose socket is still there with what it has not taken. */
  readonly #closing = new Set<ServedLink>();

  constructor(limits: AccountLimits, clock: Clock, host: AccountHost) {
    this.#limits = limits;
    this.#clock = clock;
    this.#host = host;
    this.pauseBytes = limits.maxConnectionBytes * PAUSE_SHARE;
  }

  /** Bytes of memory held for all peers. */
  get bytes(): number {
    return this.#bytes + this.#late + pinnedBytes();
  }

  /** The part that closing connections is to bring down: handlers that go on after their connection never take more than half of the room. */
  #weighed(): number {
    return this.bytes - Math.max(0, this.#late - this.#limits.maxServerBytes * LATE_SHARE);
  }

  /** Connections closed because of `maxServerBytes`. */
  get shed(): number {
    return this.#shed;
  }

  linkChanged(link: ServedLink): void {
    if (link.counted < 0) return;
    const { owner } = link;
    const bytes = link.receivedMemory + link.unsentMemory + (owner.heldMemory ?? 0);
    const grown = bytes - link.counted;
    link.counted = bytes;
    this.#add(grown);
    if (owner instanceof Connection) this.connectionChanged(owner);
    else if (bytes > this.#limits.maxConnectionBytes && link.open) this.#exceeded(link);
  }

  connectionChanged(connection: Connection): void {
    const { receivedMemory } = connection;
    const bytes = receivedMemory + unsentMemory(connection);
    const own = bytes - connection.sender.sharedBytes;
    const grown = own - connection.counted;
    connection.counted = own;
    this.#add(grown);
    if (receivedMemory >= this.pauseBytes) this.#watch(connection, receivedMemory);
    else if (connection.closed && this.#stalled.size > 0) this.#unwatch(connection);
    if (bytes + (linkOf(connection)?.counted ?? 0) > this.#limits.maxConnectionBytes && !connection.closed) this.#exceeded(connection);
  }

  closes(connection: Connection, bytes: number): LateShare {
    const key = addressKey(this.#host.addressOf(connection));
    let share = this.#lateOf.get(key);
    if (share === undefined) this.#lateOf.set(key, (share = { key, bytes: 0 }));
    this.lateChanged(share, bytes);
    return share;
  }

  lateChanged(share: LateShare, bytes: number): void {
    share.bytes += bytes;
    this.#late += bytes;
    if (share.bytes <= 0) this.#lateOf.delete(share.key);
    this.#add(0);
  }

  callShare(connection: Connection): number {
    const most = this.#limits.maxServerBytes * LATE_OF_ADDRESS;
    const late = Math.max(this.#late, this.#host.lateHandlers() * CALL_MEMORY);
    if (late <= most) return 1;
    const key = addressKey(this.#host.addressOf(connection));
    // Clients without an address are not all one.
    if (key !== "" && (this.#lateOf.get(key)?.bytes ?? 0) > most) return 0;
    return Math.max(LEAST_SHARE, 1 - late / (this.#limits.maxServerBytes * LATE_OF_ALL));
  }

  sharedChanged(bytes: number): void {
    this.#add(bytes);
  }

  /** A link has ended; its socket may still hold what it has not taken. */
  linkEnded(link: ServedLink): void {
    this.linkChanged(link);
    if (link.counted > 0) this.#closing.add(link);
  }

  linkGone(link: ServedLink): void {
    if (link.counted < 0) return;
    this.#add(-link.counted);
    link.counted = -1;
    this.#closing.delete(link);
    this.#over.delete(link);
  }

  #add(bytes: number): void {
    this.#bytes += bytes;
    if (bytes >= 0 && this.#weighed() > this.#limits.maxServerBytes) this.#checkSoon();
  }

  #exceeded(subject: Connection | ServedLink): void {
    this.#over.add(subject);
    this.#checkSoon();
  }

  /** Not at once: whoever changed what is held is in the middle of something. */
  #checkSoon(): void {
    if (this.#checkDue) return;
    this.#checkDue = true;
    this.#clock.defer(() => {
      this.#checkDue = false;
      this.#check();
    });
  }

  #check(): void {
    const { maxConnectionBytes, maxServerBytes } = this.#limits;
    const over = [...this.#over];
    this.#over.clear();
    for (const subject of over) {
      if (bytesOf(subject) > maxConnectionBytes)
        this.#close(subject, `maxConnectionBytes is ${maxConnectionBytes}, and more is held for this connection`);
    }
    if (this.#weighed() > maxServerBytes) this.#shedTo(maxServerBytes * LEFT_SHARE);
  }

  /** Closes connections of the address that holds the most, the largest first, until no more than `target` bytes are held. */
  #shedTo(target: number): void {
    for (const link of [...this.#closing]) {
      if (this.#weighed() <= target) return;
      link.drop();
    }
    const addresses = this.#byAddress();
    const message = `maxServerBytes is ${this.#limits.maxServerBytes}, and of all addresses this one holds the most`;
    for (let address = addresses[0]; address !== undefined && this.#weighed() > target; address = addresses[0]) {
      const holder = address.holders.pop();
      if (holder === undefined) {
        addresses.shift();
        continue;
      }
      address.bytes -= holder.bytes;
      sink(addresses);
      const { subject } = holder;
      const link = subject instanceof Connection ? linkOf(subject) : subject;
      this.#shed++;
      this.#close(subject, message);
      // A socket keeps what it has not taken, and the begun message, until it is gone. The peer then misses the reason.
      if (link !== undefined && link.counted > 0) link.drop();
    }
  }

  /** All that can be closed, by address: the one that holds the most first, within it the one that holds the most last. */
  #byAddress(): AddressHolders[] {
    const addresses = new Map<string, AddressHolders>();
    const add = (subject: Connection | ServedLink, address: string) => {
      const bytes = bytesOf(subject);
      if (bytes === 0) return;
      const key = addressKey(address);
      const known = addresses.get(key);
      if (known === undefined) addresses.set(key, { bytes, holders: [{ subject, bytes }] });
      else {
        known.bytes += bytes;
        known.holders.push({ subject, bytes });
      }
    };
    for (const connection of this.#host.connections) add(connection, this.#host.addressOf(connection));
    for (const link of this.#host.handshakes) add(link, link.info.remoteAddress);
    for (const { holders } of addresses.values()) holders.sort((a, b) => a.bytes - b.bytes);
    return [...addresses.values()].sort((a, b) => b.bytes - a.bytes);
  }

  /** What the peer has sent piles up, or what it does not take: the larger part says which. */
  #close(subject: Connection | ServedLink, message: string): void {
    if (!(subject instanceof Connection)) {
      if (subject.open) subject.fail("rate-exceeded", message);
      return;
    }
    if (subject.closed) return;
    const link = linkOf(subject);
    if (link === undefined) return this.#host.evict(subject, message);
    const received = subject.receivedMemory + link.receivedMemory;
    const unsent = unsentMemory(subject) + link.unsentMemory;
    subject.exceed(received > unsent ? "rate-exceeded" : "slow-consumer", message);
  }

  /** Nothing more of the peer is read until its application takes something; that may last as long as a write may. */
  #watch(connection: Connection, memory: number): void {
    const known = this.#stalled.get(connection);
    if (known !== undefined) {
      known.progress ||= memory < known.memory;
      known.memory = memory;
      return;
    }
    const { writeTimeoutMs } = this.#limits;
    const look = () => {
      if (connection.receivedMemory < this.pauseBytes) {
        this.#stalled.delete(connection);
        return;
      }
      if (stalled.progress) {
        stalled.progress = false;
        stalled.timer = this.#clock.setTimer(writeTimeoutMs, look);
        return;
      }
      this.#stalled.delete(connection);
      connection.exceed(
        "rate-exceeded",
        `half of maxConnectionBytes, which is ${this.#limits.maxConnectionBytes}, was sent, and nothing of it taken within ${writeTimeoutMs} ms`,
      );
    };
    const stalled: Stalled = { memory, progress: false, timer: this.#clock.setTimer(writeTimeoutMs, look) };
    this.#stalled.set(connection, stalled);
  }

  #unwatch(connection: Connection): void {
    this.#stalled.get(connection)?.timer.cancel();
    this.#stalled.delete(connection);
  }
}

/** The links of a server are made by its acceptances. */
function linkOf({ link }: Connection): ServedLink | undefined {
  return link as ServedLink | undefined;
}

/** Memory of what waits to be sent, or for an acknowledgement, and of the session of a client that is away. */
function unsentMemory({ sender, link, closed }: Connection): number {
  return sender.memory + (link === undefined && !closed ? SESSION_MEMORY : 0);
}

function bytesOf(subject: Connection | ServedLink): number {
  if (!(subject instanceof Connection)) return Math.max(0, subject.counted);
  return subject.receivedMemory + unsentMemory(subject) + Math.max(0, linkOf(subject)?.counted ?? 0);
}

/** Moves the first address, which has got smaller, to its place. */
function sink(addresses: AddressHolders[]): void {
  const first = addresses[0] as AddressHolders;
  let at = 0;
  for (let next = addresses[at + 1]; next !== undefined && next.bytes > first.bytes; next = addresses[at + 1]) {
    addresses[at++] = next;
  }
  addresses[at] = first;
}
