/** How many sockets may be open, in all and from each address. */
import type { AddressShare } from "../connection/rate-limit.js";
import { FramewireError } from "../errors.js";

interface Address extends AddressShare {
  /** Sockets that it has open. */
  there: number;
}

export class Admission {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #perAddress = new Map<string, Address>();
  #open = 0;

  constructor(limits: { readonly maxConnections: number; readonly maxConnectionsPerAddress: number }) {
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
    if (known === undefined) this.#perAddress.set(key, (known = { there: 0, framesSpentUntil: 0 }));
    known.there++;
    this.#open++;
    if (this.#open > this.#max) return tooMany(`this server takes ${this.#max} connections`);
    if (key !== "" && known.there > this.#maxPerAddress) {
      return tooMany(`this server takes ${this.#maxPerAddress} connections from one address`);
    }
    return undefined;
  }

  /** What all sockets of an address send together; `undefined` where there is no address to know. */
  share(address: string): AddressShare | undefined {
    return address === "" ? undefined : this.#perAddress.get(addressKey(address));
  }

  leave(address: string): void {
    const key = addressKey(address);
    const known = this.#perAddress.get(key);
    if (known !== undefined && --known.there === 0) this.#perAddress.delete(key);
    this.#open--;
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
