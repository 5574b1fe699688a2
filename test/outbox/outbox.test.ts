import { describe, expect, it } from "vitest";
import { Outbox } from "../../src/outbox/outbox.js";
import { NO_SESSION } from "../../src/outbox/storage.js";
import { Outgoing } from "../../src/session/outgoing.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { MemoryDisk } from "../helpers/memory-storage.js";

const LIMITS = { maxQueuedFrames: 10, maxQueuedBytes: 10_000 };

async function open(disk = new MemoryDisk(), limits = LIMITS): Promise<{ disk: MemoryDisk; outbox: Outbox }> {
  const outbox = await Outbox.over(disk.open(new VirtualClock(), 0));
  outbox.claim(limits, () => {});
  return { disk, outbox };
}

function frame(cmd: number, length = 10): Outgoing {
  const outgoing = new Outgoing({ cmd, name: "made" }, undefined, undefined, true);
  outgoing.payload = new Uint8Array(length);
  return outgoing;
}

/** Accepts frames with the commands 1, 2, … and numbers them as given; 0 = not sent. */
function fill(outbox: Outbox, ...sequences: number[]): Outgoing[] {
  return sequences.map((sequence, i) => {
    const outgoing = frame(i + 1);
    outbox.accept(outgoing, () => {});
    if (sequence > 0) outbox.numbered(outgoing, sequence);
    return outgoing;
  });
}

/** What is on the disk: command and sequence of each entry. */
async function kept(disk: MemoryDisk, outbox: Outbox): Promise<[number, number][]> {
  await outbox.written();
  return [...disk.frames].map(([id, { cmd }]) => [cmd, disk.sequences.get(id) ?? 0]);
}

const commands = (frames: readonly Outgoing[]) => frames.map(({ cmd }) => cmd);

describe("what the server acknowledges", () => {
  it("is forgotten, up to that sequence", async () => {
    const { disk, outbox } = await open();
    fill(outbox, 2, 4, 7, 0);
    outbox.acknowledged(1);
    expect(outbox.size).toBe(4);
    outbox.acknowledged(4);
    outbox.acknowledged(6);
    expect(await kept(disk, outbox)).toEqual([
      [3, 7],
      [4, 0],
    ]);
    expect(outbox.size).toBe(2);
  });
});

describe("when sequences start anew", () => {
  it("what the server has is forgotten, what it lacks is given out in order, and its old number is taken back on the disk", async () => {
    const { disk, outbox } = await open();
    const [, , third, fourth] = fill(outbox, 3, 5, 9, 8, 0);
    expect(commands(outbox.restart(5))).toEqual([3, 4]);
    expect(await kept(disk, outbox)).toEqual([
      [3, 0],
      [4, 0],
      [5, 0],
    ]);
    outbox.numbered(third!, 6);
    outbox.numbered(fourth!, 7);
    outbox.acknowledged(6);
    expect(await kept(disk, outbox)).toEqual([
      [4, 7],
      [5, 0],
    ]);
  });

  it("in a new session everything that went out goes out again, and what still waits is not given out twice", async () => {
    const { outbox } = await open();
    fill(outbox, 1, 0, 2);
    expect(commands(outbox.restart(0))).toEqual([1, 3]);
    expect(outbox.restart(0)).toEqual([]);
  });

  it("what an earlier client left is given out first, sent or not", async () => {
    const { disk, outbox } = await open();
    fill(outbox, 6, 0, 8);
    await outbox.written();
    disk.crash(1);
    const next = (await open(disk)).outbox;
    next.accept(frame(20), () => {});
    expect(commands(next.restart(6))).toEqual([2, 3]);
    expect(next.size).toBe(3);
  });
});

it("what the server has gone past is given out under new numbers, and no acknowledgement of the old ones counts", async () => {
  const { disk, outbox } = await open();
  fill(outbox, 1, 2, 3, 4);
  expect(commands(outbox.lost({ from: 2, to: 3 }))).toEqual([2, 3]);
  outbox.acknowledged(3);
  expect(await kept(disk, outbox)).toEqual([
    [2, 0],
    [3, 0],
    [4, 4],
  ]);
});

it("what is withdrawn is forgotten", async () => {
  const { disk, outbox } = await open();
  const [first] = fill(outbox, 0, 0);
  outbox.withdrawn(first!);
  outbox.withdrawn(first!);
  expect(await kept(disk, outbox)).toEqual([[2, 0]]);
});

describe("the bounds", () => {
  it("in sends count those that are out and those of earlier clients", async () => {
    const { disk, outbox } = await open();
    fill(outbox, 1, 2, 0, 0, 0);
    await outbox.written();
    disk.crash(1);
    const next = (await open(disk)).outbox;
    expect(next.size).toBe(5);
    for (let i = 0; i < 5; i++) next.accept(frame(1), () => {});
    expect(() => next.accept(frame(1), () => {})).toThrow("the outbox holds 10 sends");
  });

  it("in bytes count what each send costs, and free it again", async () => {
    const { outbox } = await open();
    outbox.accept(frame(1, 9000), () => {});
    expect(outbox.bytes).toBeGreaterThan(9000);
    expect(() => outbox.accept(frame(2, 1000), () => {})).toThrow(expect.objectContaining({ code: "queue-full" }));
    outbox.restart(0);
    const second = frame(2, 100);
    outbox.accept(second, () => {});
    outbox.withdrawn(second);
    expect(outbox.size).toBe(1);
  });
});

it("what cannot be posted is not kept", async () => {
  const { outbox } = await open();
  const refuse = () => {
    throw new Error("no room");
  };
  expect(() => outbox.accept(frame(1), refuse)).toThrow("no room");
  expect([outbox.size, outbox.bytes]).toEqual([0, 0]);
});

describe("numbers of calls", () => {
  it("are never used by two clients of a session: each starts behind all that the one before may have used", async () => {
    const disk = new MemoryDisk();
    let lowest = 1;
    for (let life = 0; life < 5; life++) {
      const { outbox } = await open(disk);
      expect(outbox.firstCallId % 2).toBe(1);
      expect(outbox.firstCallId).toBeGreaterThanOrEqual(lowest);
      for (let id = outbox.firstCallId, i = 0; i < 50_000; i++, id += 2) {
        outbox.usesCallId(id);
        lowest = id + 2;
      }
      await outbox.written();
      disk.crash(0);
    }
  });

  it("cost one record for each block of them", async () => {
    const { disk, outbox } = await open();
    await outbox.written();
    for (let id = 1; id < 60_000; id += 2) outbox.usesCallId(id);
    expect(disk.unconfirmed).toBe(1);
  });

  it("start anew when there are no more", async () => {
    const disk = new MemoryDisk();
    disk.session = { ...NO_SESSION, callIds: 0xffff_ffff + 2 };
    expect((await open(disk)).outbox.firstCallId).toBe(1);
  });
});

it("attempts to connect are counted on by the next client", async () => {
  const disk = new MemoryDisk();
  for (const attempt of [1, 2, 3]) {
    const { outbox } = await open(disk);
    expect(outbox.nextAttempt()).toBe(attempt);
    await outbox.written();
    disk.crash(0);
  }
});

it("one client uses it at a time", async () => {
  const { outbox } = await open();
  expect(() => outbox.claim(LIMITS, () => {})).toThrow("belongs to another client");
  await outbox.close();
  await outbox.close();
  expect(() => outbox.claim(LIMITS, () => {})).toThrow("is closed");
  expect(() => outbox.accept(frame(1), () => {})).toThrow("is closed");
});
