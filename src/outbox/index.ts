/** `framewire/outbox` on Node: sends that a crash does not lose, in a file. */
import { FileStorage } from "./file-storage.js";
import { durabilityOf, type OutboxOptions } from "./open.js";
import { Outbox } from "./outbox.js";

export type { Durability, OutboxOptions } from "./open.js";
export { Outbox } from "./outbox.js";
export type { OutboxContents, OutboxFrame, OutboxSession, OutboxStorage } from "./storage.js";

/**
 * Opens the outbox in the file `name`, and makes one if there is none; `name` with `.lock` behind it is its lock. The
 * file holds messages and the secret of the session: it is readable for its owner only. Rejects with
 * `outbox-failed` if another process has it open, or it cannot be read or written. Where a process of another container
 * held it, opening takes up to 10 s. On a full disk an outbox that holds sends opens, and takes no new ones.
 */
export async function openOutbox(name: string, options: OutboxOptions = {}): Promise<Outbox> {
  return Outbox.over(new FileStorage(name, durabilityOf(options)));
}
