/** What each member of a broadcast, each cancel and each deadline costs, however much waits beside it: counted in steps, not in time. */
import { describe, expect, it } from "vitest";
import { Outgoing, SendQueue } from "../../src/connection/outgoing.js";
import { resolveServerOptions } from "../../src/options.js";
import { blockCounts } from "../helpers/block-counts.js";

const SIZES = [10, 100, 10_000];
const options = resolveServerOptions({ maxQueuedFrames: 1_000_000, maxQueuedBytes: 1024 ** 3, maxQueuedMs: 1000 });

interface FrameWish {
  readonly cmd?: number;
  readonly callId?: number;
  readonly policy?: Outgoing["slowConsumer"];
  readonly owned?: boolean;
}

function frame({ cmd = 1, callId, policy = "close", owned = false }: FrameWish): Outgoing {
  const made = new Outgoing(cmd, undefined, callId, true);
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
async function stepsAt<T>(make: (size: number) => T, act: (made: T, size: number) => unknown): Promise<number[]> {
  const made = SIZES.map((size) => make(size));
  // Once more than is looked at: a first run compiles.
  act(make(5), 5);
  return blockCounts(made.map((each, i) => () => act(each, SIZES[i]!)));
}

function expectSame(counts: readonly number[]): void {
  expect(counts[0]).toBeGreaterThan(0);
  expect(counts).toEqual(counts.map(() => counts[0]));
}

describe("the steps do not grow with the frames that wait", () => {
  it("when a keep-latest message takes the place of the one before", async () => {
    expectSame(
      await stepsAt(
        (size) => {
          const queue = stalled(size);
          queue.push(frame({ cmd: 7, policy: "keep-latest" }), 0);
          return queue;
        },
        (queue) => queue.push(frame({ cmd: 7, policy: "keep-latest" }), 0),
      ),
    );
  });

  it("when a drop-oldest message makes room for itself", async () => {
    expectSame(
      await stepsAt(
        (size) => {
          const queue = stalled(size - 5, { ...options, maxQueuedFrames: size });
          for (let i = 0; i < 5; i++) queue.push(frame({ cmd: 7, policy: "drop-oldest" }), 0);
          return queue;
        },
        (queue) => queue.push(frame({ cmd: 7, policy: "drop-oldest" }), 0),
      ),
    );
  });

  it("when a message comes that nothing is dropped for", async () => {
    expectSame(await stepsAt(stalled, (queue) => queue.push(frame({ cmd: 7, policy: "drop-newest" }), 0)));
  });

  it("when a call is cancelled", async () => {
    expectSame(
      await stepsAt(
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

  it("when it is looked who has waited longest", async () => {
    expectSame(await stepsAt(stalled, (queue) => queue.expiresAt));
  });
});

it("what has waited too long goes at no more than log n steps each", async () => {
  const counts = await stepsAt(
    (size) => {
      const queue = new SendQueue(options, () => {});
      for (let i = 0; i < size; i++) queue.push(frame({ cmd: i, owned: true }), i < 5 ? 0 : 500);
      return queue;
    },
    (queue) => expect(queue.expire(1000)).toHaveLength(5),
  );
  for (const [i, count] of counts.entries()) expect(count).toBeLessThan(5 * (60 + 30 * Math.log2(SIZES[i]!)));
});
