/** An outbox in the browser's own database. */
import { type DBSchema, type IDBPDatabase, type IDBPTransaction, openDB } from "idb";
import { FramewireError } from "../errors.js";
import { GroupCommit } from "./group-commit.js";
import type { Durability } from "./open.js";
import { NO_SESSION, type OutboxContents, type OutboxFrame, type OutboxSession, type OutboxStorage } from "./storage.js";

/** A page that is reloaded may hold its lock for a moment longer. */
const LOCK_WAIT_MS = 3_000;

const PREFIX = "framewire-outbox/";

/** Removals are written by themselves when there are so many of them. */
const LAZY_REMOVALS = 64;

/** Entries and their sequences lie apart: to number an entry must not cost writing it again. */
interface Schema extends DBSchema {
  frames: { key: number; value: OutboxFrame };
  sequences: { key: number; value: number };
  session: { key: "session"; value: OutboxSession };
}

type Stores = ["frames", "sequences", "session"];
const STORES: Stores = ["frames", "sequences", "session"];

type Change = (transaction: IDBPTransaction<Schema, Stores, "readwrite">) => Promise<unknown>;

export class IndexedDbStorage implements OutboxStorage {
  readonly #name: string;
  readonly #durability: Durability;
  readonly #commits = new GroupCommit(() => this.#commit());
  #database: IDBPDatabase<Schema> | undefined;
  #unlock = () => {};
  #changes: Change[] = [];
  /** Whether something among the changes is for `flushed` to confirm. */
  #owed = false;
  #failed: FramewireError | undefined;

  constructor(name: string, durability: Durability) {
    this.#name = PREFIX + name;
    this.#durability = durability;
  }

  async load(): Promise<OutboxContents> {
    const unlock = await takeLock(this.#name);
    try {
      const database = await openDB<Schema>(this.#name, 1, {
        upgrade: (fresh) => {
          for (const store of STORES) fresh.createObjectStore(store);
        },
      });
      this.#database = database;
      const transaction = database.transaction(STORES);
      const [session, ids, frames, numbered, sequences] = await Promise.all([
        transaction.objectStore("session").get("session"),
        transaction.objectStore("frames").getAllKeys(),
        transaction.objectStore("frames").getAll(),
        transaction.objectStore("sequences").getAllKeys(),
        transaction.objectStore("sequences").getAll(),
      ]);
      const sequenceOf = new Map(numbered.map((id, i) => [id, sequences[i] as number]));
      const entries = ids.map((id, i) => ({ id, frame: frames[i] as OutboxFrame, sequence: sequenceOf.get(id) ?? 0 }));
      this.#unlock = unlock;
      return { session: session ?? NO_SESSION, entries, damagedBytes: 0 };
    } catch (cause) {
      unlock();
      throw this.#failure(cause);
    }
  }

  put(id: number, frame: OutboxFrame): void {
    const own = { ...frame, payload: frame.payload && compact(frame.payload), ext: frame.ext && compact(frame.ext) };
    this.#change((transaction) => transaction.objectStore("frames").put(own, id), true);
  }

  number(id: number, sequence: number): void {
    this.#change((transaction) => transaction.objectStore("sequences").put(sequence, id), true);
  }

  remove(id: number): void {
    this.#change((transaction) => transaction.objectStore("frames").delete(id), false);
    this.#change((transaction) => transaction.objectStore("sequences").delete(id), false);
    if (!this.#owed && this.#changes.length >= LAZY_REMOVALS) this.#commits.request().catch(() => {});
  }

  session(session: OutboxSession): void {
    this.#change((transaction) => transaction.objectStore("session").put(session, "session"), true);
  }

  flushed(): Promise<void> | undefined {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    return this.#owed ? this.#commits.request() : this.#commits.running;
  }

  async close(): Promise<void> {
    if (this.#changes.length > 0 && this.#failed === undefined) await this.#commits.request().catch(() => {});
    this.#database?.close();
    this.#unlock();
  }

  #change(change: Change, owed: boolean): void {
    this.#changes.push(change);
    this.#owed ||= owed;
  }

  async #commit(): Promise<void> {
    const changes = this.#changes;
    this.#changes = [];
    this.#owed = false;
    try {
      const durability = this.#durability === "power" ? "strict" : "relaxed";
      const transaction = (this.#database as IDBPDatabase<Schema>).transaction(STORES, "readwrite", { durability });
      await Promise.all([...changes.map((change) => change(transaction)), transaction.done]);
    } catch (cause) {
      this.#failed ??= this.#failure(cause);
      throw this.#failed;
    }
  }

  #failure(cause: unknown): FramewireError {
    if (cause instanceof FramewireError) return cause;
    return new FramewireError("outbox-failed", `the outbox ${this.#name} cannot be stored: ${String(cause)}`, { cause });
  }
}

/** Takes the lock of that name, which the browser frees by itself when the page goes; the function given frees it. */
function takeLock(name: string): Promise<() => void> {
  if (typeof indexedDB === "undefined" || typeof navigator === "undefined" || navigator.locks === undefined) {
    return Promise.reject(
      new FramewireError("outbox-failed", "an outbox needs IndexedDB and Web Locks, which exist in secure contexts only"),
    );
  }
  return new Promise((resolve, reject) => {
    const hold = () => new Promise<void>((free) => resolve(free));
    navigator.locks.request(name, { signal: AbortSignal.timeout(LOCK_WAIT_MS) }, hold).catch((cause) => {
      reject(new FramewireError("outbox-failed", `the outbox ${name} is in use by another page`, { cause }));
    });
  });
}

/** The database would keep the whole buffer of a view. */
function compact(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}
