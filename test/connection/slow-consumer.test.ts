import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame, FrameDecoder } from "../../src/codec/index.js";
import type { Transport } from "../../src/link/transport.js";
import { resolveConnectionOptions } from "../../src/options.js";
import type { SlowConsumerPolicy } from "../../src/protocol/commands.js";
import type { Server, ServerConnection, ServerDropEvent } from "../../src/server/index.js";
import { Outgoing } from "../../src/session/outgoing.js";
import { SendQueue } from "../../src/session/send-queue.js";
import { memoryPair } from "../../src/transport/memory.js";
import { PriceRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { Bench } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
afterEach(() => bench.end());

const { note, price } = TestServiceDefinition.methods;

interface Reader {
  readonly transport: Transport;
  readonly frames: { cmd: number; payload: Uint8Array }[];
  closed: boolean;
}

/** A version 1 peer that reads, until its transport is paused. */
function connectReader(server: Server): Reader {
  const [near, far] = memoryPair();
  const reader: Reader = { transport: near, frames: [], closed: false };
  const decoder = new FrameDecoder();
  server.accept(far);
  near.open({
    onData: (chunk) => decoder.push(chunk, ({ cmd, payload }) => reader.frames.push({ cmd, payload: payload.slice() })),
    onAlive: () => {},
    onDrain: () => {},
    onClose: () => {
      reader.closed = true;
    },
  });
  near.write(encodeFrame({ cmd: 261 }));
  return reader;
}

describe("a reader that stops reading", () => {
  it("is closed when what waits for it passes the limit, and its memory is given back", async () => {
    const server = bench.server({ highWaterMark: 1000, maxQueuedBytes: 10_000 });
    const reader = connectReader(server);
    await turns();
    const [connection] = server.connections as [ServerConnection];
    let why: unknown;
    connection.on("close", (error) => {
      why = error;
    });
    reader.transport.pause();
    for (let i = 0; i < 100 && server.connections.length > 0; i++) server.broadcast(note, { text: "x".repeat(500) });
    expect(server.connections).toHaveLength(0);
    expect(why).toMatchObject({ code: "slow-consumer", fault: "remote" });
  });

  it("gets only the newest of a keep-latest command once it reads again", async () => {
    const server = bench.server({ highWaterMark: 100 });
    const reader = connectReader(server);
    await turns();
    reader.transport.pause();
    const drops: ServerDropEvent[] = [];
    server.on("drop", (drop) => drops.push(drop));
    for (let i = 1; i <= 5000; i++) server.broadcast(price, { price: BigInt(i) });
    await turns();
    reader.transport.resume();
    await turns();
    expect(drops[0]).toMatchObject({ policy: "keep-latest", connection: server.connections[0] });
    expect(server.stats.dropped).toBe(drops.length);
    expect(drops).toHaveLength(5000 - reader.frames.length);
    const prices = reader.frames.map(({ payload }) => Number(PriceRequest.decode(payload).price));
    expect(prices.at(-1)).toBe(5000);
    expect(prices.length).toBeLessThan(20);
    expect(prices).toEqual([...prices].sort((a, b) => a - b));
  });

  it("costs the other 499 receivers nothing, and memory only up to its limit", async () => {
    const server = bench.server({ highWaterMark: 1000, maxQueuedBytes: 20_000 });
    const readers = Array.from({ length: 500 }, () => connectReader(server));
    // A crowd is let in bit by bit.
    await expect.poll(() => server.connections.length, { timeout: 15_000 }).toBe(500);
    readers[7]!.transport.pause();
    for (let round = 0; round < 40; round++) {
      server.broadcast(note, { text: `${round} ${"y".repeat(1000)}` });
      await turns();
    }
    await turns();
    expect(readers.filter(({ frames }) => frames.length === 40)).toHaveLength(499);
    expect(server.connections).toHaveLength(499);
  });
});

describe("the queue of waiting frames", () => {
  const frame = (cmd: number, size: number, slowConsumer: SlowConsumerPolicy): Outgoing => {
    const made = new Outgoing({ cmd, name: "made" }, undefined, undefined, true);
    made.payload = new Uint8Array(size);
    made.slowConsumer = slowConsumer;
    made.owner = { frameSettled: () => {} };
    return made;
  };
  const options = resolveConnectionOptions({ maxQueuedBytes: 1000, maxQueuedFrames: 5 });
  const unheard = () => {};
  const drain = (queue: SendQueue) => Array.from({ length: queue.length }, () => queue.shift()!.payload!.length);

  it("refuses what does not fit, and says what waits", () => {
    const queue = new SendQueue(options, unheard);
    queue.push(frame(1, 500, "close"), 0);
    expect(() => queue.push(frame(1, 500, "close"), 0)).toThrow(expect.objectContaining({ code: "queue-full" }));
    expect(drain(queue)).toEqual([500]);
    expect(queue.bytes).toBe(0);
  });

  it("drops the newest, the oldest, or all but the latest, and tells of each", () => {
    const told: SlowConsumerPolicy[] = [];
    const note = ({ slowConsumer }: Outgoing) => void told.push(slowConsumer);
    const newest = new SendQueue(options, note);
    for (const size of [400, 401, 402]) newest.push(frame(1, size, "drop-newest"), 0);
    expect(drain(newest)).toEqual([400]);
    const oldest = new SendQueue(options, note);
    for (const size of [400, 401, 402]) oldest.push(frame(1, size, "drop-oldest"), 0);
    expect(drain(oldest)).toEqual([402]);
    const latest = new SendQueue(options, note);
    latest.push(frame(2, 1, "keep-latest"), 0);
    for (const size of [10, 20, 30]) latest.push(frame(1, size, "keep-latest"), 0);
    expect(drain(latest)).toEqual([1, 30]);
    expect(told).toEqual(["drop-newest", "drop-newest", "drop-oldest", "drop-oldest", "keep-latest", "keep-latest"]);
  });

  it("drops the oldest of the same command only", () => {
    const queue = new SendQueue(options, unheard);
    queue.push(frame(9, 600, "close"), 0);
    queue.push(frame(1, 100, "drop-oldest"), 0);
    queue.push(frame(1, 101, "drop-oldest"), 0);
    expect(drain(queue)).toEqual([600, 101]);
  });

  it("lets frames wait only so long", () => {
    const queue = new SendQueue(resolveConnectionOptions({ maxQueuedMs: 100 }), unheard);
    queue.push(frame(1, 1, "close"), 0);
    queue.push(frame(1, 2, "close"), 50);
    expect(queue.expiresAt).toBe(100);
    expect(queue.expire(120).map(({ payload }) => payload!.length)).toEqual([1]);
    expect(drain(queue)).toEqual([2]);
  });
});
