/** A list whose entries can be removed wherever they are, each operation in constant time. */

/** One place in a {@link LinkedList}. */
export interface ListEntry<T> {
  readonly value: T;
  /** Links of the list that the entry is in. Nothing else may use them. */
  before: ListEntry<T> | undefined;
  after: ListEntry<T> | undefined;
}

export class LinkedList<T> {
  #first: ListEntry<T> | undefined;
  #last: ListEntry<T> | undefined;

  /** The value that was added before all others. */
  get first(): T | undefined {
    return this.#first?.value;
  }

  /** Adds a value at the end. */
  push(value: T): ListEntry<T> {
    const entry: ListEntry<T> = { value, before: this.#last, after: undefined };
    if (this.#last === undefined) this.#first = entry;
    else this.#last.after = entry;
    this.#last = entry;
    return entry;
  }

  /** Takes out an entry, which must be in this list. */
  remove(entry: ListEntry<T>): void {
    const { before, after } = entry;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
  }
}
