/** Finds the item of the highest rank. */
import { LinkedList, type ListEntry } from "../runtime/linked-list.js";

interface Place<T> {
  readonly rank: number;
  readonly entry: ListEntry<T>;
}

/**
 * Items by their rank, a whole number. A change takes as many steps as the rank falls, however many items there are: it
 * is for ranks that fall by a few at a time, or that are small.
 */
export class Ranking<T> {
  readonly #places = new Map<T, Place<T>>();
  readonly #ranks = new Map<number, LinkedList<T>>();
  #highest = 0;

  /** Of the items of the highest rank, the one that has had it longest. */
  get first(): T | undefined {
    return this.#ranks.get(this.#highest)?.first;
  }

  /** Gives an item its rank; 0 takes it out. */
  set(item: T, rank: number): void {
    const place = this.#places.get(item);
    if (place?.rank === rank) return;
    if (rank === 0) this.#places.delete(item);
    else this.#places.set(item, { rank, entry: this.#listOf(rank).push(item) });
    if (rank > this.#highest) this.#highest = rank;
    if (place === undefined) return;
    const list = this.#listOf(place.rank);
    list.remove(place.entry);
    if (list.first === undefined) this.#ranks.delete(place.rank);
    while (this.#highest > 0 && !this.#ranks.has(this.#highest)) this.#highest--;
  }

  #listOf(rank: number): LinkedList<T> {
    let list = this.#ranks.get(rank);
    if (list === undefined) this.#ranks.set(rank, (list = new LinkedList()));
    return list;
  }
}
