/**
 * A lock beside a file: one process at a time, and none for ever, whatever happened to the process that held it.
 *
 * A holder on the same machine and in the same PID namespace is found dead by its process id, and on Linux alive by its process id and the
 * time at which that process started. Other systems do not show that time, so there a later process may have the id: a holder is alive if it
 * touches the lock every `beatMs`. So is any other holder, such as one in another container that shares the volume.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { FramewireError } from "../errors.js";

/** Long enough for all who found the same stale lock to have put their own in its place; the last of them holds it. */
const SETTLE_MS = 50;

/** How often a holder touches its lock, and after how long without that the lock is stale. */
const PACE = { beatMs: 2_000, staleMs: 10_000 } as const;

export type LockPace = { readonly [K in keyof typeof PACE]: number };

interface Holder {
  readonly pid: number;
  /** When the process started, in ticks since boot, where the system tells: a later process may get the same id. */
  readonly started: string;
  readonly id: string;
  /** Where `pid` means something: see {@link pidSpace}. */
  readonly space: string;
}

export interface FileLock {
  /** Gives the lock back. */
  release(): void;
}

/** Locks of this process: in a container a process may have the id that the one before it had. */
const held = new Set<string>();

/**
 * Takes the lock at `path`. `lost` is called if another process takes it over, which happens only to a process that another machine or
 * container saw no heartbeat of. Waits up to `staleMs` to learn whether such a holder lives. Rejects with `outbox-failed` while another process holds it.
 */
export async function lockFile(path: string, lost: () => void, pace: LockPace = PACE): Promise<FileLock> {
  const own: Holder = { pid: process.pid, started: startOf(process.pid), id: randomUUID(), space: pidSpace() };
  held.add(own.id);
  try {
    if (!create(path, own)) await takeOver(path, own, pace);
    return beating(path, own, lost, pace);
  } catch (error) {
    held.delete(own.id);
    throw error;
  }
}

function beating(path: string, own: Holder, lost: () => void, { beatMs }: LockPace): FileLock {
  const mine = fileOf(path);
  const timer = setInterval(() => {
    if (fileOf(path) === mine) return touch(path);
    clearInterval(timer);
    held.delete(own.id);
    lost();
  }, beatMs);
  timer.unref();
  return {
    release() {
      clearInterval(timer);
      held.delete(own.id);
      if (mine !== undefined && fileOf(path) === mine) rmSync(path, { force: true });
    },
  };
}

/** False if there is a lock already. */
function create(path: string, own: Holder): boolean {
  try {
    write(path, own, "wx");
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new FramewireError("outbox-failed", `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** On a full disk the lock stays empty, which needs no room: its heartbeat says as much. */
function write(path: string, own: Holder, flag: "w" | "wx"): void {
  try {
    writeFileSync(path, JSON.stringify(own), { flag, mode: 0o600 });
  } catch (cause) {
    if (!isNoSpace(cause)) throw cause;
  }
}

async function takeOver(path: string, own: Holder, pace: LockPace): Promise<void> {
  const holder = holderOf(path);
  const alive = holder?.space === own.space ? (isAlive(holder) ?? (await beats(path, pace))) : await beats(path, pace);
  if (alive) {
    const who = holder === undefined ? "another process" : `process ${holder.pid}`;
    const where = holder === undefined || holder.space === own.space ? "" : " of another container or machine";
    throw new FramewireError("outbox-failed", `${path}: the outbox is in use by ${who}${where}`);
  }
  const mine = `${path}.${own.id}`;
  write(mine, own, "w");
  const file = fileOf(mine);
  try {
    renameSync(mine, path);
  } catch (cause) {
    // Windows refuses it while another process reads the lock.
    rmSync(mine, { force: true });
    throw new FramewireError("outbox-failed", `cannot take over ${path}: ${(cause as Error).message}`, { cause });
  }
  await sleep(SETTLE_MS);
  if (fileOf(path) !== file) throw new FramewireError("outbox-failed", `${path}: another process took the outbox over first`);
}

/** Whether the lock is touched, or given back, within the time in which a living holder would do that. */
async function beats(path: string, { beatMs, staleMs }: LockPace): Promise<boolean> {
  const before = touchedAt(path);
  for (let waited = 0; waited < staleMs; waited += beatMs / 4) {
    await sleep(beatMs / 4);
    const now = touchedAt(path);
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

/** `undefined` if it is not there any more, was written by half when its process was killed, or is none of ours. */
function holderOf(path: string): Holder | undefined {
  try {
    const found = JSON.parse(readFileSync(path, "utf8")) as Partial<Holder> | null;
    const { pid, started, id, space } = found ?? {};
    const whole = Number.isSafeInteger(pid) && [started, id, space].every((part) => typeof part === "string");
    return whole ? (found as Holder) : undefined;
  } catch {
    return undefined;
  }
}

/** `undefined` if there is a process with this id and the system does not show whether it is the same one. */
function isAlive({ pid, started, id }: Holder): boolean | undefined {
  if (pid === process.pid) return held.has(id);
  try {
    process.kill(pid, 0);
  } catch (cause) {
    // EPERM: there is such a process, of another user.
    if ((cause as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startOf(pid);
  return started === "" || now === "" ? undefined : now === started;
}

/** Field 22 of /proc/<pid>/stat, https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; "" where there is none. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, and may hold spaces and parentheses itself.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** Names the set of processes that share their ids with this one: the boot of the machine and the PID namespace; elsewhere than on Linux the host. */
export function pidSpace(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}

/** Tells a lock from another that has taken its name: by the holder's id, or where there was no room for one by the file that it is. */
function fileOf(path: string): string | undefined {
  // A file number of Windows has 64 bits.
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file && (holderOf(path)?.id ?? `file ${file.ino}`);
}

function touchedAt(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // The next heartbeat tries again, or finds that the lock is lost.
  }
}

/** Whether a write failed for want of room on the disk, or in the user's quota. */
export function isNoSpace(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}
