/** A binary heap whose entries know their place, so that any of them is taken out in the steps of a push. */

/** What can be in a heap, in one at a time. */
export interface HeapEntry {
  /** What it is ordered by; unchanged while it is in the heap. In whole numbers, as a fraction would cost each entry memory of its own. */
  at: number;
  /** Its index; -1 = in no heap. Belongs to the heap. */
  place: number;
}

export class Heap<E extends HeapEntry> {
  readonly #entries: E[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The entry with the lowest `at`. */
  get first(): E | undefined {
    return this.#entries[0];
  }

  push(entry: E): void {
    entry.place = this.#entries.length;
    this.#entries.push(entry);
    this.#rise(entry);
  }

  /** Harmless for an entry that is in no heap. */
  remove(entry: E): void {
    if (entry.place === -1) return;
    const last = this.#entries.pop() as E;
    if (last !== entry) {
      this.#put(last, entry.place);
      this.#rise(last);
      this.#sink(last);
    }
    entry.place = -1;
  }

  #rise(entry: E): void {
    while (entry.place > 0) {
      const parent = this.#entries[(entry.place - 1) >> 1] as E;
      if (parent.at <= entry.at) return;
      this.#swap(parent, entry);
    }
  }

  #sink(entry: E): void {
    for (;;) {
      const left = this.#entries[entry.place * 2 + 1];
      const right = this.#entries[entry.place * 2 + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || entry.at <= child.at) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: E, b: E): void {
    const { place } = a;
    this.#put(a, b.place);
    this.#put(b, place);
  }

  #put(entry: E, place: number): void {
    this.#entries[place] = entry;
    entry.place = place;
  }
}
