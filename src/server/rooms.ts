/** Which members are in which rooms. */

const NONE: ReadonlySet<never> = new Set();

export class Rooms<M> {
  readonly #members = new Map<string, Set<M>>();
  readonly #rooms = new Map<M, Set<string>>();

  join(member: M, room: string): void {
    getOrAdd(this.#members, room).add(member);
    getOrAdd(this.#rooms, member).add(room);
  }

  leave(member: M, room: string): void {
    remove(this.#members, room, member);
    remove(this.#rooms, member, room);
  }

  leaveAll(member: M): void {
    for (const room of [...this.of(member)]) this.leave(member, room);
  }

  members(room: string): ReadonlySet<M> {
    return this.#members.get(room) ?? NONE;
  }

  /** The members of several rooms, each once. */
  union(rooms: readonly string[]): M[] {
    return [...new Set(rooms.flatMap((room) => [...this.members(room)]))];
  }

  of(member: M): ReadonlySet<string> {
    return this.#rooms.get(member) ?? NONE;
  }
}

function getOrAdd<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  let set = map.get(key);
  if (set === undefined) map.set(key, (set = new Set()));
  return set;
}

/** An empty set is deleted: a server may see any number of rooms. */
function remove<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set?.delete(value) === true && set.size === 0) map.delete(key);
}
