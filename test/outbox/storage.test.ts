import "fake-indexeddb/auto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileStorage } from "../../src/outbox/file-storage.js";
import { IndexedDbStorage } from "../../src/outbox/indexed-db-storage.js";
import { NO_SESSION, type OutboxFrame, type OutboxStorage } from "../../src/outbox/storage.js";
import { turns } from "../helpers/turns.js";
import { FakeLocks } from "./fake-locks.js";

/** A place for an outbox: what opens it, and what is left of it after a crash. */
interface Place {
  open(): OutboxStorage;
  /** The process that has it open is killed. */
  crash(): Place;
}

const directory = mkdtempSync(join(tmpdir(), "framewire-outbox-"));
let serial = 0;
const locks = new FakeLocks();
const open: OutboxStorage[] = [];

beforeEach(() => {
  vi.stubGlobal("navigator", { locks });
});

afterEach(async () => {
  for (const storage of open.splice(0)) await storage.close();
  vi.unstubAllGlobals();
});

afterAll(() => rmSync(directory, { recursive: true }));

function file(durability: "power" | "process", path = join(directory, `outbox ${++serial}`)): Place {
  return {
    open: () => new FileStorage(path, durability),
    crash: () => {
      const copy = `${path}.${++serial}`;
      copyFileSync(path, copy);
      return file(durability, copy);
    },
  };
}

function database(durability: "power" | "process", name = `outbox ${++serial}`): Place {
  const place: Place = {
    open: () => new IndexedDbStorage(name, durability),
    crash: () => {
      locks.forget();
      return place;
    },
  };
  return place;
}

async function load(place: Place) {
  const storage = place.open();
  const contents = await storage.load();
  open.push(storage);
  return { storage, ...contents };
}

const MESSAGE: OutboxFrame = { cmd: 5, payload: Uint8Array.of(1, 2, 3) };
const REQUEST: OutboxFrame = {
  cmd: -7,
  kind: 1,
  callId: 4_294_967_295,
  payload: new Uint8Array(3000).fill(9),
  timeoutMs: 30_000,
  trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  ext: Uint8Array.of(10, 0),
};

/** Without the fields that are not there. */
function plain(frame: OutboxFrame): object {
  return Object.fromEntries(Object.entries(frame).filter(([, value]) => value !== undefined && (value as Uint8Array).length !== 0));
}

describe.each<[string, () => Place]>([
  ["a file that survives a power cut", () => file("power")],
  ["a file that survives the process", () => file("process")],
  ["a database that survives a power cut", () => database("power")],
  ["a database that survives the page", () => database("process")],
])("%s", (_name, make) => {
  it("is empty at first", async () => {
    const { entries, session, damagedBytes } = await load(make());
    expect({ entries, session, damagedBytes }).toEqual({ entries: [], session: NO_SESSION, damagedBytes: 0 });
  });

  it("gives back after a crash what it has confirmed: entries in order with their sequences, and the session", async () => {
    const place = make();
    const { storage } = await load(place);
    storage.put(1, MESSAGE);
    storage.put(2, REQUEST);
    storage.put(10, { cmd: 3, payload: new Uint8Array(0) });
    storage.number(2, 2 ** 40);
    storage.number(1, 4);
    storage.number(1, 0);
    storage.session({ token: new Uint8Array(32).fill(1), callIds: 99, attempts: 7 });
    await storage.flushed();
    const { entries, session } = await load(place.crash());
    expect(entries.map(({ id, sequence }) => [id, sequence])).toEqual([
      [1, 0],
      [2, 2 ** 40],
      [10, 0],
    ]);
    expect(entries.map(({ frame }) => plain(frame))).toEqual([plain(MESSAGE), plain(REQUEST), { cmd: 3 }]);
    expect(session).toEqual({ token: new Uint8Array(32).fill(1), callIds: 99, attempts: 7 });
  });

  it("forgets what was removed", async () => {
    const place = make();
    const { storage } = await load(place);
    for (let id = 1; id <= 500; id++) storage.put(id, MESSAGE);
    await storage.flushed();
    for (let id = 1; id <= 499; id++) storage.remove(id);
    await storage.close();
    const { entries } = await load(place);
    expect(entries.map(({ id }) => id)).toEqual([500]);
  });

  it("has nothing to wait for when nothing was written, or only removals", async () => {
    const place = make();
    const { storage } = await load(place);
    expect(storage.flushed()).toBeUndefined();
    storage.put(1, MESSAGE);
    await storage.flushed();
    expect(storage.flushed()).toBeUndefined();
    storage.remove(1);
    expect(storage.flushed()).toBeUndefined();
  });

  it("confirms many writes together, and each of them", async () => {
    const place = make();
    const { storage } = await load(place);
    const confirmed: number[] = [];
    const waits: (Promise<void> | undefined)[] = [];
    for (let id = 1; id <= 200; id++) {
      storage.put(id, MESSAGE);
      waits.push(Promise.resolve(storage.flushed()).then(() => void confirmed.push(id)));
      if (id % 50 === 0) await new Promise(setImmediate);
    }
    await Promise.all(waits);
    expect(confirmed).toHaveLength(200);
    const { entries } = await load(place.crash());
    expect(entries).toHaveLength(200);
  });

  it("goes on where it was when it is opened again", async () => {
    const place = make();
    let expected = 0;
    for (let round = 1; round <= 4; round++) {
      const { storage, entries } = await load(place);
      expect(entries).toHaveLength(expected);
      storage.put(round, MESSAGE);
      expected++;
      await storage.close();
    }
  });

  it("is not opened twice at a time", async () => {
    const place = make();
    const { storage } = await load(place);
    const timeout = new AbortController();
    vi.spyOn(AbortSignal, "timeout").mockReturnValue(timeout.signal);
    const refused = expect(place.open().load()).rejects.toMatchObject({
      code: "outbox-failed",
      message: expect.stringContaining("in use"),
    });
    await turns();
    timeout.abort();
    await refused;
    vi.restoreAllMocks();
    await storage.close();
    await load(place);
  });
});

it("a database that another page lets go of a moment later is opened", async () => {
  const place = database("process");
  const { storage } = await load(place);
  const second = load(place);
  await turns();
  void storage.close();
  expect((await second).entries).toEqual([]);
});

it("there is no outbox where there is no IndexedDB or no lock", async () => {
  vi.stubGlobal("navigator", {});
  await expect(new IndexedDbStorage("x", "power").load()).rejects.toMatchObject({ code: "outbox-failed" });
});
