/** What each member of a broadcast, each cancel and each deadline costs, however much waits beside it: counted in steps, not in time. */
// Before what it counts.
import "../helpers/block-counts.js";
import "./fixed-random.js";

import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { resolveServerOptions } from "../../src/options.js";
import { CallMap } from "../../src/runtime/call-map.js";
import { DeadlineQueue } from "../../src/runtime/deadline-queue.js";
import type { HeapEntry } from "../../src/runtime/heap.js";
import { HandshakeQueue } from "../../src/server/handshake-queue.js";
import { createServer } from "../../src/server/index.js";
import { FrameRing } from "../../src/session/frame-ring.js";
import { Outgoing } from "../../src/session/outgoing.js";
import { SendQueue } from "../../src/session/send-queue.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { memoryPair } from "../../src/transport/memory.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { blockCounts } from "../helpers/block-counts.js";
import { drawAgain } from "./fixed-random.js";

drawAgain();

const SIZES = [10, 10_000];
const options = resolveServerOptions({ maxQueuedFrames: 1_000_000, maxQueuedBytes: 1024 ** 3, maxQueuedMs: 1000 });

interface FrameWish {
  readonly cmd?: number;
  readonly callId?: number;
  readonly policy?: Outgoing["slowConsumer"];
  readonly owned?: boolean;
}

function frame({ cmd = 1, callId, policy = "close", owned = false }: FrameWish): Outgoing {
  const made = new Outgoing({ cmd, name: "made" }, undefined, callId, true);
  made.payload = new Uint8Array(10);
  made.slowConsumer = policy;
  if (owned) made.owner = { frameSettled: () => {} };
  return made;
}

/** A queue in which `count` frames wait, half of them of calls, half messages of other commands. */
function stalled(count: number, limits = options): SendQueue {
  const queue = new SendQueue(limits, () => {});
  for (let i = 0; i < count; i++)
    queue.push(frame(i % 2 === 0 ? { callId: i + 1, owned: true } : { cmd: 1000 + i, owned: i % 3 === 0 }), 0);
  return queue;
}

/** The steps of `act` on each of what `make` gives for each size. */
function stepsAt<T>(make: (size: number) => T, act: (made: T, size: number) => unknown): number[] {
  const made = SIZES.map((size) => make(size));
  // Once more than is looked at: a first run compiles.
  act(make(5), 5);
  return blockCounts(made.map((each, i) => () => void act(each, SIZES[i]!)));
}

/** The same for 10 as for 10,000, but for a few blocks that V8 leaves out when it has put a function into its caller. */
function expectSame(counts: readonly number[]): void {
  const least = Math.min(...counts);
  expect(least).toBeGreaterThan(0);
  expect(Math.max(...counts), `steps: ${counts}`).toBeLessThanOrEqual(least + 8);
}

/** Places in a heap, and in a table of hashes, are found in a few steps more or less. */
function expectLog(counts: readonly number[]): void {
  expect(counts[0]).toBeGreaterThan(0);
  expect(counts[1]).toBeLessThan(counts[0]! + 60);
}

describe("the steps do not grow with the frames that wait", () => {
  it("when a keep-latest message takes the place of the one before", () => {
    expectSame(
      stepsAt(
        (size) => {
          const queue = stalled(size);
          queue.push(frame({ cmd: 7, policy: "keep-latest" }), 0);
          return queue;
        },
        (queue) => queue.push(frame({ cmd: 7, policy: "keep-latest" }), 0),
      ),
    );
  });

  it("when a drop-oldest message makes room for itself", () => {
    expectSame(
      stepsAt(
        (size) => {
          const queue = stalled(size - 5, { ...options, maxQueuedFrames: size });
          for (let i = 0; i < 5; i++) queue.push(frame({ cmd: 7, policy: "drop-oldest" }), 0);
          return queue;
        },
        (queue) => queue.push(frame({ cmd: 7, policy: "drop-oldest" }), 0),
      ),
    );
  });

  it("when a message comes that nothing is dropped for", () => {
    expectSame(stepsAt(stalled, (queue) => queue.push(frame({ cmd: 7, policy: "drop-newest" }), 0)));
  });

  it("when a call is cancelled", () => {
    expectLog(
      stepsAt(
        (size) => {
          const queue = stalled(size);
          for (let i = 0; i < 5; i++) queue.push(frame({ callId: 1_000_000 }), 0);
          for (let i = 0; i < 5; i++) queue.push(frame({ callId: 1_000_002 }), 0);
          return queue;
        },
        (queue) => queue.removeCall(1_000_000),
      ),
    );
  });

  it("when it is looked who has waited longest", () => {
    expectSame(stepsAt(stalled, (queue) => queue.expiresAt));
  });
});

it("what has waited too long goes at no more than log n steps each", () => {
  const counts = stepsAt(
    (size) => {
      const queue = new SendQueue(options, () => {});
      for (let i = 0; i < size; i++) queue.push(frame({ cmd: i, owned: true }), i < 5 ? 0 : 500);
      return queue;
    },
    (queue) => expect(queue.expire(1000)).toHaveLength(5),
  );
  for (const [i, count] of counts.entries()) expect(count).toBeLessThan(5 * (60 + 30 * Math.log2(SIZES[i]!)));
});

it("a deadline costs no more than log n steps, to set, to meet and to miss", () => {
  const counts = stepsAt(
    (size) => {
      const deadlines = new DeadlineQueue<HeapEntry>(new VirtualClock(), { expired: () => {} });
      for (let i = 0; i < size; i++) deadlines.add({ at: 0, place: -1 }, 1000 + ((i * 7919) % size));
      return deadlines;
    },
    (deadlines) => {
      const entry = { at: 0, place: -1 };
      deadlines.add(entry, 500);
      deadlines.remove(entry);
      deadlines.add(entry, 0);
      deadlines.wake();
    },
  );
  for (const [i, count] of counts.entries()) expect(count).toBeLessThan(100 + 40 * Math.log2(SIZES[i]!));
});

it("a call is found in few steps whatever numbers its peer chose for the others", () => {
  const counts = stepsAt(
    (size) => {
      const calls = new CallMap<number>();
      for (let i = 0; i < Math.min(size, 1024); i++) calls.set(i * 65_536 * 2 + 1, i);
      return calls;
    },
    (calls, size) => {
      for (let i = 1; i <= 5; i++) calls.get((Math.min(size, 1024) - i) * 65_536 * 2 + 1);
    },
  );
  for (const count of counts) expect(count).toBeLessThan(5 * 30);
});

it("an acknowledgement while frames are sent again costs the same however many of them are under way", () => {
  expectSame(
    stepsAt(
      (size) => {
        const ring = new FrameRing();
        for (let i = 0; i < size; i++) ring.push(new Uint8Array(10), 0, 10);
        for (let i = 0; i < size - 2; i++) ring.at(i);
        return ring;
      },
      (ring, size) => {
        ring.shift();
        return ring.at(size - 3);
      },
    ),
  );
});

describe("the steps do not grow with the other connections", () => {
  function crowdOf(size: number) {
    const clock = new VirtualClock();
    const server = createServer({ clock, maxHandshakes: 100_000 });
    for (let i = 0; i < size; i++) {
      const [near, far] = memoryPair({ protocol: 1, schedule: (deliver) => clock.defer(deliver) });
      server.accept(far);
      near.open({ onData: () => {}, onAlive: () => {}, onDrain: () => {}, onClose: () => {} });
      near.write(encodeFrame({ cmd: 261 }));
    }
    const connections = server.connections;
    expect(connections).toHaveLength(size);
    for (const connection of connections.slice(0, 3)) connection.join("room");
    return { server, last: connections.at(-1)! };
  }

  it("when one joins a room, leaves it, sends to it, or closes", () => {
    const acts: readonly ((crowd: ReturnType<typeof crowdOf>) => unknown)[] = [
      ({ last }) => last.join("another"),
      ({ last }) => last.leave("another"),
      ({ server }) => server.to("room").send(TestServiceDefinition.methods.note, { text: "hello" }),
    ];
    const close: (typeof acts)[number] = ({ last }) => last.close();
    const crowds = [5, 10, 320].map((size) => crowdOf(size));
    for (const act of [...acts, close]) act(crowds[0]!);
    const counts = blockCounts([...acts, close].flatMap((act) => crowds.slice(1).map((crowd) => () => void act(crowd))));
    for (const i of acts.keys()) expectSame(counts.slice(2 * i, 2 * i + 2));
    expectLog(counts.slice(2 * acts.length));
  });
});

it("one that has ended joins no room", async () => {
  const server = createServer();
  const [near, far] = memoryPair({ protocol: 1 });
  server.accept(far);
  near.open({ onData: () => {}, onAlive: () => {}, onDrain: () => {}, onClose: () => {} });
  const [connection] = server.connections;
  connection!.close();
  await connection!.join("room");
  expect([...connection!.rooms]).toEqual([]);
});

it("a full queue of handshakes is searched in the same steps however many of them wait for the server itself", () => {
  const busy = { idle: false, reject: () => {} };
  expectSame(
    stepsAt(
      (size) => {
        const queue = new HandshakeQueue(size);
        for (let i = 0; i < size; i++) queue.add({ ...busy });
        // The first that finds it full checks all of them.
        queue.add({ ...busy });
        return queue;
      },
      (queue) => queue.add({ ...busy }),
    ),
  );
});
