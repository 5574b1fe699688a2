/** What `send` resolves with on both ends, and that it may be left un-awaited. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Client, createClient, type DropEvent, type MethodDefinition, type Sent } from "../../src/client/index.js";
import { CommandOptions, Delivery, SlowConsumer } from "../../src/gen/framewire/v1/command.js";
import { Outbox } from "../../src/outbox/index.js";
import { systemClock } from "../../src/runtime/clock.js";
import type { Server, ServerConnection } from "../../src/server/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { MemoryDisk } from "../helpers/memory-storage.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
const escaped: unknown[] = [];
const escapes = (error: unknown) => escaped.push(error);
const { note, price, count } = TestServiceDefinition.methods;
const BARE = 0x0201;
/** Of `price`, which is sent without a connection. */
const DROPPED = { cmd: 263, command: "test.v1.TestService/Price", reason: "not-connected" };

beforeEach(() => process.on("unhandledRejection", escapes));
afterEach(async () => {
  await bench.end();
  await turns();
  process.off("unhandledRejection", escapes);
  expect(escaped.splice(0)).toEqual([]);
});

async function join(): Promise<{ server: Server; connection: ServerConnection; client: Client; notes: string[] }> {
  const notes: string[] = [];
  const server = bench.server({ resumeWindowMs: 0 });
  server.implement(TestServiceDefinition, testService(notes));
  const client = await bench.client(await JOINTS[0]!.open(server));
  client.implement(TestServiceDefinition, testService(notes));
  return { server, connection: server.connections[0]!, client, notes };
}

/** Every way to send, none of them awaited. */
function sendAll(client: Client): void {
  client.send(BARE, NoteRequest, { text: "bare" });
  client.send(note, { text: "method" });
  client.service(TestServiceDefinition).note({ text: "service" });
  client.send(count, {} as never);
  client.send(BARE, undefined as never, {} as never);
}

describe("a send that is left un-awaited", () => {
  it("to a client that has left rejects, and is no unhandled rejection", async () => {
    const { connection, client } = await join();
    await client.close();
    await expect.poll(() => connection.attached).toBe(false);
    connection.send(note, { text: "late" });
    connection.send(BARE, NoteRequest, { text: "late" });
    connection.service(TestServiceDefinition).note({ text: "late" });
    connection.send(count, {} as never);
    await expect(connection.send(note, {})).rejects.toMatchObject({ name: "FramewireError" });
  });

  it("by a client that is closed, or closes while it waits, is none either, with interceptors and without", async () => {
    for (const intercepted of [false, true]) {
      const client = createClient("ws://nowhere", { logger: false, reconnect: false });
      if (intercepted) client.intercept((_call, next) => next());
      sendAll(client);
      const waiting = client.send(note, {});
      await client.close();
      sendAll(client);
      await expect(waiting).rejects.toMatchObject({ code: "connection-closed" });
      await expect(client.send(note, {})).rejects.toMatchObject({ code: "connection-closed" });
    }
  });
});

describe("what send resolves with", () => {
  it("is an empty object for a message that was handed over, of a method or a bare command, on both ends", async () => {
    const { connection, client, notes } = await join();
    for (const end of [client, connection]) {
      expect(await end.send(note, { text: "hello" })).toEqual({});
      expect(await end.send(BARE, NoteRequest, { text: "bare" }, { metadata: { a: "b" } })).toEqual({});
      await expect(end.send(count, {} as never)).rejects.toMatchObject({
        code: "invalid-option",
        message: expect.stringContaining("has streams"),
      });
      await expect(end.send(note, {}, { timeout: 3 } as never)).rejects.toMatchObject({ code: "invalid-option" });
    }
    await turns();
    expect(notes).toEqual(["hello", "hello"]);
  });

  it("is the same for one that has waited for a connection, or is in an outbox", async () => {
    const server = bench.server();
    const make = await JOINTS[0]!.open(server);
    const waiting = make({ logger: false });
    const sent = waiting.send(note, { text: "waits" });
    await waiting.connect();
    expect(await sent).toEqual({});
    await waiting.close();
    const kept = make({ logger: false, outbox: await Outbox.over(new MemoryDisk().open(systemClock, 0)) });
    expect(await kept.send(note, { text: "kept" })).toEqual({});
    await kept.close();
  });

  it("says that an at-most-once message was dropped without a connection, as the drop event does", async () => {
    const client = createClient("ws://nowhere", { logger: false, reconnect: false });
    const drops: DropEvent[] = [];
    client.on("drop", (drop) => drops.push(drop));
    client.service(TestServiceDefinition);
    expect(await client.send(price, { price: 1n })).toEqual({ dropped: DROPPED });
    expect((await client.send(price, { price: 2n })).dropped).toBe(drops[1]);
    expect(client.dropped).toEqual({ "test.v1.TestService/Price": 2 });
    await client.close();
  });

  it("is what interceptors get as the outcome of a one-way command", async () => {
    const client = createClient("ws://nowhere", { logger: false, reconnect: false });
    const outcomes: unknown[] = [];
    client.intercept(async (_call, next) => {
      const outcome = await next();
      outcomes.push(outcome);
      return outcome;
    });
    const service = client.service(TestServiceDefinition);
    const sent = await client.send(price, {});
    await service.price({});
    expect(outcomes).toEqual([sent, { dropped: DROPPED }]);
    await client.close();
  });
});

/** The field that holds the command option of a generated method. */
const COMMAND_TAG = (50311 << 3) | 2;

function declared(options: Partial<CommandOptions>): MethodDefinition {
  const bytes = CommandOptions.encode(CommandOptions.fromPartial({ cmd: 300, oneWay: true, ...options })).finish();
  return { ...note, options: { _unknownFields: { [COMMAND_TAG]: [Uint8Array.of(bytes.length, ...bytes)] } } };
}

describe("a receiver that does not keep up", () => {
  const { SLOW_CONSUMER_DROP_NEWEST, SLOW_CONSUMER_DROP_OLDEST, SLOW_CONSUMER_KEEP_LATEST } = SlowConsumer;

  it.each([
    ["drop-newest", SLOW_CONSUMER_DROP_NEWEST, { first: true, last: false }],
    ["drop-oldest", SLOW_CONSUMER_DROP_OLDEST, { first: true, last: true }],
    ["keep-latest", SLOW_CONSUMER_KEEP_LATEST, { first: true, last: true }],
  ] as const)("%s: the sends whose messages were dropped say so, each with its drop event", async (policy, slowConsumer, kept) => {
    const server = bench.server({ highWaterMark: 100, maxQueuedFrames: 3 });
    const [near, far] = memoryPair();
    server.accept(far);
    await bench.client((options) => createClient("ws://memory", { connector: async () => near, ...options }));
    const [connection] = server.connections as [ServerConnection];
    const drops: DropEvent[] = [];
    connection.on("drop", (drop) => drops.push(drop));
    near.pause();
    const method = declared({ slowConsumer, delivery: Delivery.DELIVERY_RELIABLE });
    const sending = Array.from({ length: 20 }, (_, i) => connection.send(method, { text: `${i} ${"x".repeat(200)}` }));
    await turns();
    near.resume();
    const sent: Sent[] = await Promise.all(sending);
    const dropped = sent.map((each) => each.dropped).filter((each) => each !== undefined);
    expect(new Set(dropped)).toEqual(new Set(drops));
    expect(dropped.length).toBe(drops.length);
    expect(drops.length).toBeGreaterThan(10);
    expect(drops[0]).toEqual({ cmd: 300, command: "Note", reason: "slow-consumer", policy });
    expect({ first: sent[0]!.dropped === undefined, last: sent.at(-1)!.dropped === undefined }).toEqual(kept);
  });
});
