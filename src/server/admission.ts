/** How many sockets may be open, in all and from each address. */

import { FramewireError } from "../errors.js";
import type { AddressShare } from "../link/rate-limit.js";
import type { Clock } from "../runtime/clock.js";
import { Heap, type HeapEntry } from "../runtime/heap.js";

interface Address extends AddressShare, HeapEntry {
  readonly key: string;
  /** Sockets that it has open. */
  open: number;
}

/** Addresses without a socket whose rate is not paid off: so many are kept. */
export const MAX_OWING_ADDRESSES = 16_384;

export class Admission {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #clock: Pick<Clock, "now">;
  readonly #perAddress = new Map<string, Address>();
  /** Those without a socket, by the time when what they sent is paid off. */
  readonly #owing = new Heap<Address>();
  #open = 0;

  constructor(limits: { readonly maxConnections: number; readonly maxConnectionsPerAddress: number }, clock: Pick<Clock, "now">) {
    this.#clock = clock;
    this.#max = limits.maxConnections;
    this.#maxPerAddress = limits.maxConnectionsPerAddress;
  }

  /** Sockets let in and not left. */
  get open(): number {
    return this.#open;
  }

  /** Counts a socket in; every one is counted out again by `leave`. Gives the reason why it has to go, if there is one. */
  enter(address: string): FramewireError | undefined {
    const key = addressKey(address);
    let known = this.#perAddress.get(key);
    if (known === undefined) this.#perAddress.set(key, (known = { key, open: 0, framesSpentUntil: 0, at: 0, place: -1 }));
    this.#owing.remove(known);
    known.open++;
    this.#open++;
    if (this.#open > this.#max) return tooMany(`this server takes ${this.#max} connections (maxConnections)`);
    if (key !== "" && known.open > this.#maxPerAddress) {
      return tooMany(`this server takes ${this.#maxPerAddress} connections from one address (maxConnectionsPerAddress)`);
    }
    return undefined;
  }

  /** What all sockets of an address send together; `undefined` where there is no address to know. */
  share(address: string): AddressShare | undefined {
    return address === "" ? undefined : this.#perAddress.get(addressKey(address));
  }

  leave(address: string): void {
    this.#open--;
    const known = this.#perAddress.get(addressKey(address));
    if (known === undefined || --known.open > 0) return;
    // What it sent counts on: the next socket of the address may be there in a moment.
    known.at = Math.ceil(known.framesSpentUntil);
    this.#owing.push(known);
    const now = this.#clock.now();
    for (let next = this.#owing.first; next !== undefined; next = this.#owing.first) {
      if (next.at > now && this.#owing.size <= MAX_OWING_ADDRESSES) return;
      this.#owing.remove(next);
      this.#perAddress.delete(next.key);
    }
  }
}

function tooMany(message: string): FramewireError {
  return new FramewireError("too-many-connections", message);
}

/** What counts as one address: of IPv6 the network, as everybody has 2^64 addresses of his own in it; `::ffff:` is IPv4. */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const behind = tail === "" ? 0 : tail.split(":").length;
    while (groups.length + behind < 8) groups.push("0");
    if (tail !== "") groups.push(...tail.split(":"));
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
