/** `framewire/outbox` in browsers and workers: sends that a reload or crash does not lose, in IndexedDB. Needs the package `idb`. */
import { IndexedDbStorage } from "./indexed-db-storage.js";
import { durabilityOf, type OutboxOptions } from "./open.js";
import { Outbox } from "./outbox.js";

export type { Durability, OutboxOptions } from "./open.js";
export { Outbox } from "./outbox.js";
export type { OutboxContents, OutboxFrame, OutboxSession, OutboxStorage } from "./storage.js";

/**
 * Opens the outbox called `name` of this origin, and makes one if there is none. One page or worker at a time has it
 * open; one that was reloaded waits for the page before it to let go. Rejects with `outbox-failed` if another page
 * has it, or where there is no IndexedDB or no Web Locks (they need a secure context).
 */
export async function openOutbox(name: string, options: OutboxOptions = {}): Promise<Outbox> {
  return Outbox.over(new IndexedDbStorage(name, durabilityOf(options)));
}
