/**
 * Calls by their id. A `Map` would do but for V8's garbage collector: one that is set and deleted from all the time moves to a
 * new table every few hundred calls, and each table it left behind keeps its successor alive, calls and all, until the whole
 * heap is collected. That cost half of a client's time. Here a table stays for as long as it is large enough.
 */

import type { OpenCalls } from "./open-calls.js";

/** Slots of a new table, 2 to the power of this. */
const FIRST_BITS = 2;

/**
 * Numbers are spread over the slots by an odd factor that no peer knows, or it could choose numbers that all belong in one slot:
 * https://en.wikipedia.org/wiki/Universal_hashing#Avoiding_modular_arithmetic
 */
const FACTOR = (crypto.getRandomValues(new Uint32Array(1))[0] as number) | 1;

/** Shared by all that hold nothing yet; never written to. */
const NONE: never[] = [];

export class CallMap<T> implements OpenCalls<T> {
  /** The call that was put in when there was no other: most connections never have two at a time. 0 = none. */
  #loneId = 0;
  #lone: T | undefined;
  /**
   * Ids by slot, 0 = free. A call is in the slot of its id or, if that was taken, in one of those behind it, with none free between, and
   * those behind each other are in the order of their ids' slots: so what is behind a call that belongs where it is, need not move when one
   * before it goes.
   */
  #ids: number[] = NONE;
  #calls: (T | undefined)[] = NONE;
  /** Calls in the table. */
  #size = 0;
  /** What is left of a product of 32 bits, shifted right by this, is a slot. */
  #shift = 32 - FIRST_BITS;

  get size(): number {
    return this.#loneId === 0 ? this.#size : this.#size + 1;
  }

  get(id: number): T | undefined {
    if (id === this.#loneId) return this.#lone;
    const at = this.#find(id);
    return at < 0 ? undefined : this.#calls[at];
  }

  has(id: number): boolean {
    return (id === this.#loneId && id !== 0) || this.#find(id) >= 0;
  }

  /** Puts a call in, in place of one with the same id. */
  set(id: number, call: T): void {
    if (id === this.#loneId || (this.#loneId === 0 && this.#size === 0)) {
      this.#loneId = id;
      this.#lone = call;
      return;
    }
    const known = this.#find(id);
    if (known >= 0) {
      this.#calls[known] = call;
      return;
    }
    if (2 * this.#size >= this.#ids.length) this.#grow();
    this.#put(id, call);
  }

  /** False if there is none. */
  delete(id: number): boolean {
    if (id === this.#loneId && id !== 0) {
      this.#loneId = 0;
      this.#lone = undefined;
      return true;
    }
    let free = this.#find(id);
    if (free < 0) return false;
    const ids = this.#ids;
    const mask = ids.length - 1;
    // Those behind move up by one, as far as the first that is where it belongs.
    for (let at = (free + 1) & mask; ids[at] !== 0 && this.#detour(at) > 0; at = (at + 1) & mask) {
      ids[free] = ids[at]!;
      this.#calls[free] = this.#calls[at];
      free = at;
    }
    ids[free] = 0;
    this.#calls[free] = undefined;
    this.#size--;
    return true;
  }

  /** The calls that there are now, lowest id first. */
  values(): T[] {
    const ids = [this.#loneId, ...this.#ids].filter((id) => id !== 0).sort((a, b) => a - b);
    return ids.map((id) => this.get(id) as T);
  }

  #find(id: number): number {
    const ids = this.#ids;
    const mask = ids.length - 1;
    if (mask < 0) return -1;
    for (let at = this.#slotOf(id); ; at = (at + 1) & mask) {
      if (ids[at] === id) return at;
      if (ids[at] === 0) return -1;
    }
  }

  /** How far behind the slot of its id the call in slot `at` is. */
  #detour(at: number): number {
    return (at - this.#slotOf(this.#ids[at]!)) & (this.#ids.length - 1);
  }

  #slotOf(id: number): number {
    return Math.imul(id, FACTOR) >>> this.#shift;
  }

  /** Puts a call behind those whose way was as long as its own, or longer. */
  #put(id: number, call: T): void {
    const ids = this.#ids;
    const calls = this.#calls;
    const mask = ids.length - 1;
    let movedId = id;
    let moved: T | undefined = call;
    let detour = 0;
    let at = this.#slotOf(id);
    while (ids[at] !== 0) {
      const found = this.#detour(at);
      if (found < detour) {
        [ids[at], movedId] = [movedId, ids[at]!];
        [calls[at], moved] = [moved, calls[at]];
        detour = found;
      }
      at = (at + 1) & mask;
      detour++;
    }
    ids[at] = movedId;
    calls[at] = moved;
    this.#size++;
  }

  #grow(): void {
    const ids = this.#ids;
    const calls = this.#calls;
    const slots = Math.max(1 << FIRST_BITS, ids.length * 2);
    this.#shift = Math.clz32(slots - 1);
    this.#ids = new Array<number>(slots).fill(0);
    this.#calls = new Array<T | undefined>(slots).fill(undefined);
    this.#size = 0;
    for (let i = 0; i < ids.length; i++) if (ids[i] !== 0) this.#put(ids[i]!, calls[i] as T);
  }
}
