/** Who is in which room. */
import type { ServerConnection } from "./server-connection.js";

const NONE: ReadonlySet<never> = new Set();

export class Rooms {
  readonly #members = new Map<string, Set<ServerConnection>>();
  readonly #rooms = new Map<ServerConnection, Set<string>>();

  join(connection: ServerConnection, room: string): void {
    getOrAdd(this.#members, room).add(connection);
    getOrAdd(this.#rooms, connection).add(room);
  }

  leave(connection: ServerConnection, room: string): void {
    remove(this.#members, room, connection);
    remove(this.#rooms, connection, room);
  }

  leaveAll(connection: ServerConnection): void {
    for (const room of [...this.of(connection)]) this.leave(connection, room);
  }

  members(room: string): ReadonlySet<ServerConnection> {
    return this.#members.get(room) ?? NONE;
  }

  of(connection: ServerConnection): ReadonlySet<string> {
    return this.#rooms.get(connection) ?? NONE;
  }
}

function getOrAdd<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  let set = map.get(key);
  if (set === undefined) map.set(key, (set = new Set()));
  return set;
}

/** Empty sets are not kept: rooms come and go. */
function remove<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set?.delete(value) === true && set.size === 0) map.delete(key);
}
