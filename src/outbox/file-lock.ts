/** A lock beside a file: one process at a time, and none for ever, whatever happened to the one that held it. */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { FramewireError } from "../errors.js";

/** Long enough for all who found the same stale lock to have put their own in its place; the last of them holds it. */
const SETTLE_MS = 50;

interface Holder {
  readonly pid: number;
  /** When the process started, in ticks since boot, where the system tells: a later process may get the same id. */
  readonly started: string;
  readonly id: string;
}

/** Locks of this process: in a container a process may have the id that the one before it had. */
const held = new Set<string>();

/** Takes the lock at `path`; the function returned gives it back. Rejects with `outbox-failed` while another process holds it. */
export async function lockFile(path: string): Promise<() => void> {
  const own: Holder = { pid: process.pid, started: startOf(process.pid), id: randomUUID() };
  held.add(own.id);
  try {
    if (!create(path, own)) await takeOver(path, own);
  } catch (error) {
    held.delete(own.id);
    throw error;
  }
  return () => {
    held.delete(own.id);
    if (holderOf(path)?.id === own.id) rmSync(path, { force: true });
  };
}

/** False if there is a lock already. */
function create(path: string, own: Holder): boolean {
  try {
    writeFileSync(path, JSON.stringify(own), { flag: "wx", mode: 0o600 });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new FramewireError("outbox-failed", `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

async function takeOver(path: string, own: Holder): Promise<void> {
  let holder = holderOf(path);
  if (holder === undefined) {
    // Perhaps it is being written right now.
    await sleep(SETTLE_MS);
    holder = holderOf(path);
  }
  if (holder !== undefined && isAlive(holder)) {
    throw new FramewireError("outbox-failed", `${path}: the outbox is in use by process ${holder.pid}`);
  }
  const mine = `${path}.${own.id}`;
  writeFileSync(mine, JSON.stringify(own), { mode: 0o600 });
  renameSync(mine, path);
  await sleep(SETTLE_MS);
  if (holderOf(path)?.id !== own.id)
    throw new FramewireError("outbox-failed", `${path}: another process was faster to take the outbox over`);
}

function holderOf(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // Not there any more, or written by half when its process was killed.
    return undefined;
  }
}

function isAlive({ pid, started, id }: Holder): boolean {
  if (pid === process.pid) return held.has(id);
  try {
    process.kill(pid, 0);
  } catch (cause) {
    // EPERM: there is such a process, of another user.
    if ((cause as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return started === "" || startOf(pid) === "" || startOf(pid) === started;
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
