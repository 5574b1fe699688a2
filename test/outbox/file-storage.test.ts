import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { lockFile, pidSpace } from "../../src/outbox/file-lock.js";
import { FileStorage } from "../../src/outbox/file-storage.js";
import type { OutboxStorage } from "../../src/outbox/storage.js";

const directory = mkdtempSync(join(tmpdir(), "framewire-outbox-"));
let serial = 0;
const open: OutboxStorage[] = [];
afterEach(async () => {
  for (const storage of open.splice(0)) await storage.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

function newPath(): string {
  return join(directory, String(++serial));
}

/** Locks beat fast here, so that a test need not wait long for none. */
const PACE = { beatMs: 20, staleMs: 200 };

async function load(path: string) {
  const storage = new FileStorage(path, "process", PACE);
  const contents = await storage.load();
  open.push(storage);
  return { storage, ...contents };
}

/** A payload that says whose it is. */
function payload(id: number, length = 40): Uint8Array {
  return new Uint8Array(length).fill(id);
}

it("a log whose end is torn off is written on behind its last whole record", async () => {
  const path = newPath();
  const { storage } = await load(path);
  for (let id = 1; id <= 3; id++) storage.put(id, { cmd: 5, payload: payload(id) });
  storage.flushed();
  const torn = newPath();
  writeFileSync(torn, readFileSync(path).subarray(0, -5));
  const again = await load(torn);
  expect(again.entries.map(({ id }) => id)).toEqual([1, 2]);
  again.storage.put(3, { cmd: 5, payload: payload(3) });
  again.storage.flushed();
  const copy = newPath();
  writeFileSync(copy, readFileSync(torn));
  expect(await load(copy)).toMatchObject({ entries: [{ id: 1 }, { id: 2 }, { id: 3 }], damagedBytes: 0 });
});

it.each([
  ["text", Buffer.from("a file of somebody else\n")],
  ["frames without a header", Buffer.from(encodeFrame({ version: 2, cmd: 5, payload: payload(1) }))],
  ["a header of another kind", Buffer.from(encodeFrame({ version: 2, cmd: 0, kind: 7, payload: payload(1) }))],
])("a file with %s is not opened and not touched", async (_what, bytes) => {
  const path = newPath();
  writeFileSync(path, bytes);
  await expect(load(path)).rejects.toMatchObject({ code: "outbox-failed", message: expect.stringContaining("not an outbox") });
  expect(readFileSync(path)).toEqual(bytes);
  expect(existsSync(`${path}.lock`)).toBe(false);
});

it("a log of a later format is not opened", async () => {
  const path = newPath();
  const header = new Uint8Array(8);
  header[0] = 2;
  writeFileSync(path, encodeFrame({ version: 2, cmd: 0, kind: 7, payload: header }));
  await expect(load(path)).rejects.toMatchObject({ message: "the outbox has the format 2; this version reads 1" });
});

it("the file is its owner's alone", async () => {
  const path = newPath();
  await load(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(`${path}.lock`).mode & 0o777).toBe(0o600);
});

it("a log is rewritten when most of it is of no use, so that its size follows what it holds", async () => {
  const path = newPath();
  const { storage } = await load(path);
  let largest = 0;
  for (let id = 1; id <= 3000; id++) {
    storage.put(id, { cmd: 5, payload: payload(id, 4000) });
    storage.number(id, id);
    if (id > 10) storage.remove(id - 10);
    storage.flushed();
    largest = Math.max(largest, statSync(path).size);
  }
  expect(largest).toBeLessThan(1.1 * 1024 * 1024);
  await storage.close();
  const { entries } = await load(path);
  expect(entries.map(({ id, sequence }) => [id, sequence])).toEqual(Array.from({ length: 10 }, (_, i) => [2991 + i, 2991 + i]));
});

describe("a disk that is full", () => {
  /** Rewrites of the log find no room from here, until what is returned is called. */
  function fill(path: string): () => void {
    symlinkSync("/dev/full", `${path}.new`);
    return () => rmSync(`${path}.new`);
  }

  it("when a new one is opened: it is not", async () => {
    const path = newPath();
    symlinkSync("/dev/full", `${path}.new`);
    await expect(load(path)).rejects.toMatchObject({ code: "outbox-failed", cause: expect.objectContaining({ code: "ENOSPC" }) });
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it("when one with entries is opened: they can be sent, no more are taken, and there is room again once they are gone", async () => {
    const path = newPath();
    const { storage: before } = await load(path);
    before.session({ token: new Uint8Array(32).fill(7), callIds: 9, attempts: 3 });
    for (let id = 1; id <= 3; id++) {
      before.put(id, { cmd: 5, payload: payload(id) });
      before.number(id, id);
    }
    await before.close();
    // Torn by the crash that the full disk had caused.
    writeFileSync(path, readFileSync(path).subarray(0, -3));
    const empty = fill(path);
    const { storage, entries, session } = await load(path);
    expect(entries.map(({ id, sequence }) => [id, sequence])).toEqual([
      [1, 1],
      [2, 2],
      [3, 0],
    ]);
    expect(session.token).toHaveLength(32);
    expect(storage.full).toMatchObject({ code: "outbox-failed", cause: expect.objectContaining({ code: "ENOSPC" }) });
    storage.remove(1);
    expect(await storage.flushed()).toBeUndefined();
    expect(storage.full).toMatchObject({ code: "outbox-failed" });
    empty();
    storage.remove(2);
    expect(storage.full).toBeUndefined();
    storage.put(4, { cmd: 5, payload: payload(4) });
    await storage.close();
    expect((await load(path)).entries.map(({ id }) => id)).toEqual([3, 4]);
  });

  it("a crash while entries were sent without being numbered in the log sends all of them again, in a new session", async () => {
    const path = newPath();
    const { storage: before } = await load(path);
    before.session({ token: new Uint8Array(32).fill(7), callIds: 9, attempts: 3 });
    before.put(1, { cmd: 5, payload: payload(1) });
    before.number(1, 1);
    await before.close();
    const empty = fill(path);
    const { storage } = await load(path);
    storage.number(1, 2);
    storage.flushed();
    empty();
    // As a killed process leaves it: neither closed nor unlocked.
    const copy = newPath();
    for (const end of ["", ".full"]) writeFileSync(`${copy}${end}`, readFileSync(`${path}${end}`));
    const { entries, session } = await load(copy);
    expect(entries).toMatchObject([{ id: 1, sequence: 0 }]);
    expect(session).toEqual({ token: new Uint8Array(0), callIds: 9, attempts: 3 });
    expect(existsSync(`${copy}.full`)).toBe(false);
  });

  it("a log that cannot be replaced keeps what it holds", async () => {
    const path = newPath();
    const { storage } = await load(path);
    for (let id = 1; id <= 3; id++) storage.put(id, { cmd: 5, payload: payload(id, 500_000) });
    storage.flushed();
    // A rename fails where the new name is a folder.
    const aside = newPath();
    renameSync(path, aside);
    mkdirSync(path);
    for (let id = 1; id <= 2; id++) storage.remove(id);
    for (let id = 4; id <= 5; id++) {
      storage.put(id, { cmd: 5, payload: payload(id, 500_000) });
      storage.remove(id);
    }
    await expect((async () => storage.flushed())()).rejects.toMatchObject({ code: "outbox-failed" });
    await storage.close();
    expect((await load(aside)).entries.map(({ id }) => id)).toEqual([3]);
  });

  it.each(["power", "process"] as const)("later: nothing is confirmed any more (%s)", async (durability) => {
    const path = newPath();
    const storage = new FileStorage(path, durability, PACE);
    open.push(storage);
    await storage.load();
    storage.put(1, { cmd: 5, payload: payload(1) });
    await storage.flushed();
    symlinkSync("/dev/full", `${path}.new`);
    // More than is kept: the log is rewritten, and cannot be.
    for (let id = 2; id <= 5; id++) {
      storage.put(id, { cmd: 5, payload: payload(id, 500_000) });
      await storage.flushed();
      storage.remove(id);
    }
    storage.put(6, { cmd: 5, payload: payload(6, 500_000) });
    await expect(storage.flushed()).rejects.toMatchObject({ code: "outbox-failed" });
    rmSync(`${path}.new`);
    await expect(storage.flushed()).rejects.toMatchObject({ code: "outbox-failed" });
    // What it was before is still there.
    await storage.close();
    expect((await load(path)).entries[0]).toMatchObject({ id: 1 });
  });
});

describe("the lock", () => {
  const started = (pid: number | undefined) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19];

  it("of a process that lives keeps others out; once it is killed the next one gets in", async () => {
    const path = newPath();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: child.pid, started: started(child.pid), id: "x", space: pidSpace() }));
    await expect(load(path)).rejects.toMatchObject({
      code: "outbox-failed",
      message: expect.stringContaining(`in use by process ${child.pid}`),
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    await load(path);
  });

  it("of a process whose id another one has got is stale", async () => {
    const path = newPath();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: child.pid, started: "1", id: "x", space: pidSpace() }));
    await load(path);
    child.kill("SIGKILL");
  });

  it("of a process that a system without start times shows is in use while it is touched, and stale once it is not", async () => {
    const path = newPath();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: child.pid, started: "", id: "x", space: pidSpace() }));
    const beat = setInterval(() => utimesSync(`${path}.lock`, new Date(), new Date()), PACE.beatMs);
    await expect(load(path)).rejects.toMatchObject({
      code: "outbox-failed",
      message: expect.stringContaining(`in use by process ${child.pid}`),
    });
    clearInterval(beat);
    await load(path);
    child.kill("SIGKILL");
  });

  it("of an earlier process with our own id, as in a container, is stale", async () => {
    const path = newPath();
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.pid, started: started(process.pid), id: "x", space: pidSpace() }));
    await load(path);
  });

  // These wait for a heartbeat that does not come, all at once.
  it.concurrent.each(['{"pid":', "null", "[]", '{"pid":"1"}', "", '{"pid":1,"started":"1","id":"x"}'])(
    "that holds %j and is touched no more is stale",
    async (text) => {
      const path = newPath();
      writeFileSync(`${path}.lock`, text);
      await load(path);
    },
  );

  it.concurrent.each([
    ["of a process in another container", JSON.stringify({ pid: process.pid, started: "1", id: "x", space: "another" })],
    ["that is empty, as the disk was full", ""],
  ])("%s keeps others out while it is touched, and not for longer", async (_what, text) => {
    const path = newPath();
    writeFileSync(`${path}.lock`, text);
    const beat = setInterval(() => utimesSync(`${path}.lock`, new Date(), new Date()), PACE.beatMs);
    await expect(load(path)).rejects.toMatchObject({ code: "outbox-failed", message: expect.stringContaining("is in use by") });
    clearInterval(beat);
    await load(path);
  });

  it("is touched all the time by its holder, also where that is taken for a process of another container", async () => {
    const path = newPath();
    await load(path);
    const { mtimeMs } = statSync(`${path}.lock`);
    await vi.waitFor(() => expect(statSync(`${path}.lock`).mtimeMs).toBeGreaterThan(mtimeMs));
  });

  it("that another process has taken over is lost: nothing is confirmed any more, and it is not removed", async () => {
    const path = newPath();
    const { storage } = await load(path);
    rmSync(`${path}.lock`);
    const other = await lockFile(`${path}.lock`, () => {}, PACE);
    storage.put(1, { cmd: 5, payload: payload(1) });
    await vi.waitFor(() => expect(storage.flushed()).rejects.toMatchObject({ message: expect.stringContaining("another process") }));
    await storage.close();
    expect(existsSync(`${path}.lock`)).toBe(true);
    other.release();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it("that is stale is taken over by one of many", async () => {
    const path = newPath();
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: 2 ** 22 + 1, started: "1", id: "x", space: pidSpace() }));
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => load(path)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("is gone when the outbox is closed", async () => {
    const path = newPath();
    const { storage } = await load(path);
    await storage.close();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it("that cannot be written says why", async () => {
    const path = join(newPath(), "no", "such", "directory");
    await expect(load(path)).rejects.toMatchObject({ code: "outbox-failed", message: expect.stringContaining("ENOENT") });
    mkdirSync(path, { recursive: true });
    await expect(load(path)).rejects.toMatchObject({ code: "outbox-failed" });
  });
});
