/** An outbox's storage in memory, with crashes: what was not confirmed may be there afterwards or not. */

import { GroupCommit } from "../../src/outbox/group-commit.js";
import { NO_SESSION, type OutboxContents, type OutboxFrame, type OutboxSession, type OutboxStorage } from "../../src/outbox/storage.js";
import type { Clock } from "../../src/runtime/clock.js";

type Change = (disk: MemoryDisk) => void;

/** What outlives a crash. */
export class MemoryDisk {
  readonly frames = new Map<number, OutboxFrame>();
  readonly sequences = new Map<number, number>();
  session = NO_SESSION;
  #unconfirmed: Change[] = [];
  #current: MemoryStorage | undefined;

  /** The storage of the next process. */
  open(clock: Clock, delayMs: number): MemoryStorage {
    this.#current = new MemoryStorage(this, clock, delayMs);
    return this.#current;
  }

  /** The process ends: of what it had not confirmed, the first `share` got as far as the disk. */
  crash(share: number): void {
    const arrived = Math.floor(this.#unconfirmed.length * share);
    for (const change of this.#unconfirmed.splice(0).slice(0, arrived)) change(this);
    this.#current = undefined;
  }

  /** @internal */
  note(from: MemoryStorage, change: Change): void {
    if (from === this.#current) this.#unconfirmed.push(change);
  }

  /** @internal */
  confirm(from: MemoryStorage, count: number): void {
    if (from !== this.#current) return;
    for (const change of this.#unconfirmed.splice(0, count)) change(this);
  }

  get unconfirmed(): number {
    return this.#unconfirmed.length;
  }
}

export class MemoryStorage implements OutboxStorage {
  readonly #disk: MemoryDisk;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #commits: GroupCommit;
  #owed = false;
  /** Set to make it fail from now on. */
  failure: Error | undefined;
  closed = false;

  constructor(disk: MemoryDisk, clock: Clock, delayMs: number) {
    this.#disk = disk;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#commits = new GroupCommit(async () => {
      this.#owed = false;
      const count = disk.unconfirmed;
      await new Promise<void>((resolve) => void this.#clock.setTimer(this.#delayMs, resolve));
      if (this.failure !== undefined) throw this.failure;
      disk.confirm(this, count);
    });
  }

  async load(): Promise<OutboxContents> {
    const { frames, sequences, session } = this.#disk;
    const entries = [...frames].map(([id, frame]) => ({ id, frame, sequence: sequences.get(id) ?? 0 }));
    return { session, entries, damagedBytes: 0 };
  }

  put(id: number, frame: OutboxFrame): void {
    this.#change((disk) => disk.frames.set(id, { ...frame, payload: frame.payload?.slice() }));
  }

  number(id: number, sequence: number): void {
    this.#change((disk) => disk.sequences.set(id, sequence));
  }

  remove(id: number): void {
    this.#disk.note(this, (disk) => {
      disk.frames.delete(id);
      disk.sequences.delete(id);
    });
  }

  session(session: OutboxSession): void {
    this.#change((disk) => {
      disk.session = session;
    });
  }

  flushed(): Promise<void> | undefined {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.#delayMs > 0) return this.#owed ? this.#commits.request() : this.#commits.running;
    this.#disk.confirm(this, this.#disk.unconfirmed);
    return undefined;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#disk.confirm(this, this.#disk.unconfirmed);
  }

  #change(change: Change): void {
    this.#owed = true;
    this.#disk.note(this, change);
  }
}
