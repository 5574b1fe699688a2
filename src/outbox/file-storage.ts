/** An outbox in a file: an append-only log, rewritten when most of it is of no use any more. */
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { FramewireError } from "../errors.js";
import { randomSeed } from "../session/handshake.js";
import { type FileLock, isNoSpace, type LockPace, lockFile } from "./file-lock.js";
import { LogReader, LogWriter } from "./file-log.js";
import { GroupCommit } from "./group-commit.js";
import type { Durability } from "./open.js";
import { NO_SESSION, type OutboxContents, type OutboxFrame, type OutboxSession, type OutboxStorage } from "./storage.js";

/** A log up to this size is left alone; a larger one is rewritten once less than a quarter of it is of use. */
const COMPACT_BYTES = 1024 * 1024;
const COMPACT_SHARE = 4;

/** Records of what needs no confirmation are written by themselves when there are so many bytes of them. */
const LAZY_BYTES = 16 * 1024;

const READ_BYTES = 256 * 1024;

/** What the records of an entry need beside its payload, roughly. */
const RECORD_BYTES = 80;

interface LiveEntry {
  readonly frame: OutboxFrame;
  sequence: number;
}

export class FileStorage implements OutboxStorage {
  readonly #path: string;
  readonly #durability: Durability;
  readonly #live = new Map<number, LiveEntry>();
  readonly #commits = new GroupCommit(() => this.#sync());
  #writer = new LogWriter();
  #session = NO_SESSION;
  readonly #lockPace: LockPace | undefined;
  #lock: FileLock | undefined;
  #fd = -1;
  /** Bytes of whole records in the file. */
  #fileBytes = 0;
  #liveBytes = 0;
  /** Whether something is written that `flushed` has to confirm. */
  #owed = false;
  #failed: FramewireError | undefined;
  /** Set while the disk has no room for the log: why. Its entries can be sent, and no more are taken. */
  #noSpace: FramewireError | undefined;
  /** Bytes of the entries when a rewrite last failed for want of room. */
  #triedBytes = 0;

  /** `lockPace`: other times of the lock's heartbeat than the usual, for tests. */
  constructor(path: string, durability: Durability, lockPace?: LockPace) {
    this.#path = path;
    this.#durability = durability;
    this.#lockPace = lockPace;
  }

  async load(): Promise<OutboxContents> {
    const lock = await lockFile(
      `${this.#path}.lock`,
      () => {
        this.#failed ??= this.#failure(new Error("another process has taken it over, as this one gave no sign of life"));
      },
      this.#lockPace,
    );
    try {
      const { contents: found, bytes } = read(this.#path);
      const contents = existsSync(this.#marker) ? withoutNumbers(found) : found;
      this.#session = contents.session;
      for (const { id, frame, sequence } of contents.entries) this.#keep(id, frame, sequence);
      this.#open(bytes);
      this.#lock = lock;
      return contents;
    } catch (cause) {
      if (this.#fd !== -1) closeSync(this.#fd);
      lock.release();
      throw this.#failure(cause);
    }
  }

  /** Rewrites the log, so that it has no torn tail that the next record would follow. Where there is no room for that, the tail is cut off. */
  #open(bytes: number): void {
    try {
      this.#compact();
    } catch (cause) {
      if (!isNoSpace(cause) || this.#live.size === 0) throw cause;
      this.#noSpace = this.#failure(cause);
      this.#triedBytes = this.#liveBytes;
      // Numbers that cannot be written down from here must not be believed after a crash. An empty file needs no room.
      writeFileSync(this.#marker, "", { mode: 0o600 });
      this.#fd = openSync(this.#path, "r+");
      ftruncateSync(this.#fd, bytes);
      this.#fileBytes = bytes;
    }
  }

  /** As fewer entries need less room, the log is rewritten as soon as it fits. */
  get full(): FramewireError | undefined {
    if (this.#noSpace === undefined || (this.#liveBytes >= this.#triedBytes && this.#liveBytes > 0)) return this.#noSpace;
    this.#triedBytes = this.#liveBytes;
    try {
      this.#compact();
      this.#noSpace = undefined;
    } catch (cause) {
      if (!isNoSpace(cause)) this.#failed ??= this.#failure(cause);
    }
    return this.#noSpace;
  }

  /** There while the numbers and the session in the log may be older than what was sent. */
  get #marker(): string {
    return `${this.#path}.full`;
  }

  put(id: number, frame: OutboxFrame): void {
    this.#keep(id, frame, 0);
    this.#writer.entry(id, frame);
    this.#owed = true;
  }

  number(id: number, sequence: number): void {
    const entry = this.#live.get(id);
    if (entry === undefined) return;
    entry.sequence = sequence;
    this.#writer.number(id, sequence);
    this.#owed = true;
  }

  remove(id: number): void {
    const entry = this.#live.get(id);
    if (entry === undefined) return;
    this.#live.delete(id);
    this.#liveBytes -= sizeOf(entry.frame);
    this.#writer.removed(id);
    if (this.#writer.length >= LAZY_BYTES) this.#write();
  }

  session(session: OutboxSession): void {
    this.#session = session;
    this.#writer.session(session);
    this.#owed = true;
  }

  flushed(): Promise<void> | undefined {
    if (this.#owed) this.#write();
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    if (this.#durability === "power") return this.#owed ? this.#commits.request() : this.#commits.running;
    this.#owed = false;
    return undefined;
  }

  async close(): Promise<void> {
    await this.flushed()?.catch(() => {});
    this.#write();
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
    this.#lock?.release();
  }

  #keep(id: number, frame: OutboxFrame, sequence: number): void {
    this.#live.set(id, { frame, sequence });
    this.#liveBytes += sizeOf(frame);
  }

  /** Makes durable what was written. Never two at once. */
  async #sync(): Promise<void> {
    this.#owed = false;
    this.#write();
    if (this.#failed === undefined) {
      await new Promise<void>((resolve) => {
        fdatasync(this.#fd, (cause) => {
          if (cause !== null) this.#failed ??= this.#failure(cause);
          resolve();
        });
      });
    }
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** Hands all records to the system: from here they survive the end of the process. */
  #write(): void {
    if (this.#failed !== undefined || this.#fd === -1) return;
    try {
      const { length } = this.#writer;
      // Not while a sync is under way: the file under it would be another.
      const wasteful = this.#fileBytes + length > Math.max(COMPACT_BYTES, COMPACT_SHARE * this.#liveBytes);
      if (wasteful && this.#commits.running === undefined) return this.#compact();
      if (length > 0) this.#fileBytes += writeAll(this.#fd, this.#writer.take(), this.#fileBytes);
    } catch (cause) {
      // Without room the entries are sent all the same. After a crash they are sent again.
      if (this.#noSpace === undefined || !isNoSpace(cause)) this.#failed ??= this.#failure(cause);
    }
  }

  /** Writes a new log of what is of use and puts it in the place of the old one, at once or not at all. */
  #compact(): void {
    const writer = new LogWriter();
    writer.header(randomSeed());
    writer.session(this.#session);
    for (const [id, { frame, sequence }] of this.#live) {
      writer.entry(id, frame);
      if (sequence > 0) writer.number(id, sequence);
    }
    const temporary = `${this.#path}.new`;
    const fd = openSync(temporary, "w", 0o600);
    let bytes: number;
    try {
      bytes = writeAll(fd, writer.take(), 0);
      fsyncSync(fd);
      this.#replace(temporary);
    } catch (error) {
      giveRoom(fd);
      closeSync(fd);
      throw error;
    }
    this.#fd = fd;
    this.#fileBytes = bytes;
    // What waited to be written is in the new log already.
    this.#writer = writer;
    rmSync(this.#marker, { force: true });
    syncDirectory(dirname(this.#path));
  }

  /** Puts `temporary` in the place of the log. The log is closed before that, as Windows replaces no open file, and is open again if that fails. */
  #replace(temporary: string): void {
    const open = this.#fd !== -1;
    if (open) closeSync(this.#fd);
    this.#fd = -1;
    try {
      renameSync(temporary, this.#path);
    } catch (cause) {
      if (open) this.#fd = openSync(this.#path, "r+");
      throw cause;
    }
  }

  #failure(cause: unknown): FramewireError {
    if (cause instanceof FramewireError && cause.code === "outbox-failed") return cause;
    return new FramewireError("outbox-failed", `the outbox ${this.#path} cannot be stored: ${(cause as Error).message}`, { cause });
  }
}

/** Everything is to be sent anew, in a new session. */
function withoutNumbers({ session, entries, damagedBytes }: OutboxContents): OutboxContents {
  const { callIds, attempts } = session;
  return { session: { ...NO_SESSION, callIds, attempts }, entries: entries.map((entry) => ({ ...entry, sequence: 0 })), damagedBytes };
}

/** What the file holds, and the bytes up to the end of its last whole record. */
function read(path: string): { readonly contents: OutboxContents; readonly bytes: number } {
  const reader = new LogReader();
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { contents: reader.end(), bytes: 0 };
    throw cause;
  }
  try {
    const chunk = new Uint8Array(READ_BYTES);
    for (let count = readSync(fd, chunk); count > 0; count = readSync(fd, chunk)) reader.push(chunk.subarray(0, count));
    const contents = reader.end();
    return { contents, bytes: reader.wholeBytes };
  } finally {
    closeSync(fd);
  }
}

/** At a place in the file: what an earlier write left there by half is overwritten. */
function writeAll(fd: number, bytes: Uint8Array, at: number): number {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  return bytes.length;
}

/** Half a log would take the room that the whole one lacks. */
function giveRoom(fd: number): void {
  try {
    ftruncateSync(fd, 0);
  } catch {
    // The error that stopped the rewrite is the one to report.
  }
}

/** A new name in a directory is durable once the directory is. Windows can't open one, and does not need it. */
function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function sizeOf({ payload, ext }: OutboxFrame): number {
  return RECORD_BYTES + (payload?.length ?? 0) + (ext?.length ?? 0);
}
