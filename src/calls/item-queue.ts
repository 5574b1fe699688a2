/** The receiving end of a stream: items wait here until their one reader takes them. */

import { messageMemory } from "../runtime/memory-costs.js";
import { Queue } from "../runtime/queue.js";
import { serving } from "../runtime/serving.js";
import { ITEM_OVERHEAD } from "./credit.js";
import { type Failure, raise } from "./failure.js";

type Waiter<T> = (result: IteratorResult<T> | Promise<never>) => void;

function memoryOf(cost: number): number {
  return messageMemory(cost - ITEM_OVERHEAD);
}

type Ending = { readonly tag: "open" } | { readonly tag: "ended" } | { readonly tag: "failed"; readonly failure: Failure };

/** What the stream's call does for its queue. */
export interface ItemQueueHooks {
  /** The reader took an item that had cost this much credit. */
  consumed(cost: number): void;
  /** So many more bytes of memory hold items that wait; fewer, if negative. */
  held(bytes: number): void;
  /** The reader went away before the end. */
  abandoned(): void;
}

/** Items in order, then an end or an error. `for await` over it; leaving the loop early abandons the stream. */
export class ItemQueue<T> implements AsyncIterableIterator<T> {
  readonly #items = new Queue<{ readonly value: T; readonly cost: number }>();
  readonly #waiters = new Queue<Waiter<T>>();
  readonly #hooks: ItemQueueHooks;
  #ending: Ending = { tag: "open" };
  /** Of the items that wait. */
  #memory = 0;

  constructor(hooks: ItemQueueHooks) {
    this.#hooks = hooks;
  }

  push(value: T, cost: number): void {
    if (this.#ending.tag !== "open") return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#items.push({ value, cost });
      if (serving) this.#hold(memoryOf(cost));
    } else {
      waiter({ done: false, value });
      this.#hooks.consumed(cost);
    }
  }

  /** No more items; those that wait are still read. */
  end(): void {
    this.#close({ tag: "ended" });
  }

  /** The stream broke; items that wait are still read before the error. */
  fail(failure: Failure): void {
    this.#close({ tag: "failed", failure });
  }

  /** The stream is over: items that wait are dropped, and a reader that comes for more gets the error. */
  abort(failure: Failure): void {
    if (this.#items.length === 0) return this.fail(failure);
    this.#drop();
    this.#ending = { tag: "failed", failure };
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      if (serving) this.#hold(-memoryOf(item.cost));
      this.#hooks.consumed(item.cost);
      return Promise.resolve({ done: false, value: item.value });
    }
    const ending = this.#ending;
    if (ending.tag === "open") return new Promise((resolve) => this.#waiters.push(resolve));
    if (ending.tag === "ended") return Promise.resolve({ done: true, value: undefined });
    this.#ending = { tag: "ended" };
    return raise(ending.failure);
  }

  return(): Promise<IteratorResult<T>> {
    const unread = this.#ending.tag === "open";
    this.#drop();
    this.#close({ tag: "ended" });
    this.#ending = { tag: "ended" };
    if (unread) this.#hooks.abandoned();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The reader gives the stream up because of `error`, as a generator that yields the items does. */
  async throw(error?: unknown): Promise<IteratorResult<T>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #drop(): void {
    this.#items.clear();
    if (serving && this.#memory > 0) this.#hold(-this.#memory);
  }

  #hold(memory: number): void {
    this.#memory += memory;
    this.#hooks.held(memory);
  }

  #close(ending: Ending): void {
    if (this.#ending.tag !== "open") return;
    this.#ending = ending;
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      waiter(ending.tag === "failed" ? raise(ending.failure) : { done: true, value: undefined });
    }
  }
}
