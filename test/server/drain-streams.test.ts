/** A server that closes tells its handlers, so that streams end in time; those that do not are ended. */
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Server, ServerContext } from "../../src/server/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";
import { turns } from "../helpers/turns.js";

const bench = new Bench();
afterEach(() => bench.end());

const SLOW = 0x0300;
const DRAIN = { drainMs: 10_000, reconnectSpreadMs: 0 };
const HALF = DRAIN.drainMs / 2;

/** What became of a promise: `open`, `ok`, or a code. */
function watch(promise: Promise<unknown>): { outcome: unknown } {
  const watched = { outcome: "open" as unknown };
  promise.then(
    () => (watched.outcome = "ok"),
    (error) => (watched.outcome = error instanceof FramewireError ? error.code : error),
  );
  return watched;
}

const never = new Promise<never>(() => {});

async function* endless<T>(item: T): AsyncGenerator<T> {
  yield item;
  await never;
}

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

/** Handlers of streams that never end by themselves; `left` counts those whose generator was closed. */
function endlessService() {
  const state = { contexts: [] as ServerContext[], left: 0, calls: 0 };
  async function* stream<T>(item: T, context: unknown): AsyncGenerator<T> {
    state.contexts.push(context as ServerContext);
    state.calls++;
    try {
      yield item;
      await new Promise((resolve) => (context as ServerContext).signal.addEventListener("abort", resolve));
    } finally {
      state.left++;
    }
  }
  const service = {
    ...testService(),
    count: (_request: unknown, context: unknown) => stream({ number: 1 }, context),
    chat: (_requests: unknown, context: unknown) => stream({ text: "x" }, context),
    async sum(requests: AsyncIterable<unknown>, context: unknown) {
      state.contexts.push(context as ServerContext);
      state.calls++;
      await readAll(requests);
      return { sum: 1n };
    },
  };
  return { state, service };
}

for (const joint of JOINTS) {
  it(`a drain ends streams that would never end at half of its time, of each kind and from each side, over ${joint.name}`, async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const [onServer, onClient] = [endlessService(), endlessService()];
    server.implement(TestServiceDefinition, onServer.service);
    const client = await bench.client(await joint.open(server));
    client.implement(TestServiceDefinition, onClient.service);
    const ends = [client, server.connections[0]!].flatMap((end) => {
      const service = end.service(TestServiceDefinition);
      return [
        watch(readAll(service.count({}))),
        watch(readAll(service.chat(endless({ text: "x" })))),
        watch(service.sum(endless({ number: 1n }))),
      ];
    });
    await expect.poll(() => [onServer.state.calls, onClient.state.calls]).toEqual([3, 3]);
    const closed = watch(server.close(DRAIN));
    await clock.advance(HALF - 1);
    await turns();
    expect(ends.map(({ outcome }) => outcome)).toEqual(Array(6).fill("open"));
    await clock.advance(1);
    await expect.poll(() => ends.map(({ outcome }) => outcome)).toEqual(Array(6).fill("unavailable"));
    await expect.poll(() => [onServer.state.left, onClient.state.left]).toEqual([2, 2]);
    await expect
      .poll(() => onServer.state.contexts.map(({ signal }) => signal.reason?.message))
      .toEqual(Array(3).fill(expect.stringContaining("the server is closing")));
    // Nothing is in flight any more: the rest of the time is not waited for.
    await expect.poll(() => closed.outcome).toBe("ok");
    expect(clock.now()).toBe(HALF);
  });
}

describe("a handler that the drain tells", () => {
  async function join(options: { clock?: HandClock; version?: 1 | 2 } = {}): Promise<{ server: Server; client: Client; clock: HandClock }> {
    const { clock = new HandClock(), version } = options;
    const server = bench.server({ clock });
    server.implement(TestServiceDefinition, testService());
    const client = await bench.client(await JOINTS[0]!.open(server), version === undefined ? {} : { version });
    return { server, client, clock };
  }

  it("ends its stream well, and the server does not wait any longer", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    let goneAtDrain: unknown;
    server.implement(TestServiceDefinition, {
      async *count(_request, { draining }) {
        yield { number: 1 };
        await new Promise((resolve) => draining.addEventListener("abort", resolve));
        yield { number: 2 };
      },
    });
    const client = await bench.client(await JOINTS[0]!.open(server));
    client.on("goaway", () => (goneAtDrain = [...numbers]));
    const numbers: number[] = [];
    const reading = (async () => {
      for await (const { number } of client.service(TestServiceDefinition).count({})) numbers.push(number);
    })();
    await expect.poll(() => numbers).toEqual([1]);
    const closed = server.close(DRAIN);
    await reading;
    expect(numbers).toEqual([1, 2]);
    // The client hears of the end of its connection first, and opens the stream anew on its next one.
    expect(goneAtDrain).toEqual([1]);
    await clock.advance(200);
    await closed;
  });

  it("may hand the signal to what throws an AbortError: the call fails with unavailable, which is no failure of the handler", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const failures: unknown[] = [];
    server.on("failure", (failure) => failures.push(failure));
    const tick = (signals: AbortSignal[]) => setTimeout(1_000_000, undefined, { signal: AbortSignal.any(signals) });
    server.implement(TestServiceDefinition, {
      async *count(_request, { signal, draining }) {
        yield { number: 1 };
        await tick([signal, draining]);
      },
      echo: async (_request, { draining }) => {
        await tick([draining]);
        return {};
      },
    });
    const client = await bench.client(await JOINTS[0]!.open(server));
    const service = client.service(TestServiceDefinition);
    const calls = [watch(readAll(service.count({}))), watch(service.echo({}))];
    await expect.poll(() => server.connections[0]!.inFlight).toBe(2);
    const closed = server.close(DRAIN);
    await expect.poll(() => calls.map(({ outcome }) => outcome)).toEqual(["unavailable", "unavailable"]);
    expect(failures).toEqual([]);
    await clock.advance(200);
    await closed;
  });

  it.each([1, 2] as const)("may serve a call or message of version %d, and be told in its middleware", async (version) => {
    const { server, client } = await join({ version });
    const told: unknown[] = [];
    server.use((context, next) => {
      context.draining.addEventListener("abort", () => told.push(context.draining.reason));
      return next();
    });
    server.handle(SLOW, NoteRequest, () => never);
    if (version === 2) client.send(SLOW, NoteRequest, {});
    const call = watch(client.request(SLOW, NoteRequest, {}));
    await expect.poll(() => server.connections[0]!.inFlight).toBe(version);
    void server.close(DRAIN);
    await expect
      .poll(() => told)
      .toEqual(Array(version).fill(expect.objectContaining({ code: "unavailable", message: "the server is closing" })));
    expect(call.outcome).toBe("open");
    await server.close();
  });

  it("is told by a close without a drain as well, before its connection ends; one that asks later is told at once", async () => {
    const { server, client } = await join();
    const seen: string[] = [];
    let context: ServerContext | undefined;
    server.handle(SLOW, NoteRequest, async (_request, given) => {
      context ??= given;
      given.draining.addEventListener("abort", () => seen.push("draining"));
      given.signal.addEventListener("abort", () => seen.push("signal"));
      await never;
    });
    watch(client.request(SLOW, NoteRequest, {}));
    await expect.poll(() => context).toBeDefined();
    let late: ServerContext | undefined;
    server.handle(SLOW + 1, NoteRequest, (_request, given) => {
      late = given;
    });
    client.send(SLOW + 1, NoteRequest, {});
    await expect.poll(() => late).toBeDefined();
    await server.close();
    expect(seen).toEqual(["draining", "signal"]);
    expect(late!.draining.aborted).toBe(true);
  });

  it("is told no more when its call has ended, however it did", async () => {
    const { server, client } = await join();
    const signals: AbortSignal[] = [];
    server.use((context, next) => {
      signals.push(context.draining);
      return next();
    });
    server.handle(SLOW, NoteRequest, ({ text }) => {
      if (text === "throw") throw new FramewireError("not-found", "as the test says");
      return text === "late" ? never : { text };
    });
    const service = client.service(TestServiceDefinition);
    await service.echo({ text: "x" });
    await readAll(service.count({ count: 2 }));
    await client.send(TestServiceDefinition.methods.note, { text: "x" });
    await client.request(SLOW, NoteRequest, { text: "x" });
    await expect(client.request(SLOW, NoteRequest, { text: "throw" })).rejects.toMatchObject({ code: "not-found" });
    const given = new AbortController();
    const cancelled = client.request(SLOW, NoteRequest, { text: "late" }, { signal: given.signal });
    await expect.poll(() => signals.length).toBe(6);
    given.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "cancelled" });
    await turns();
    await server.close();
    expect(signals.map(({ aborted }) => aborted)).toEqual(Array(6).fill(false));
  });
});

describe("the times of a drain", () => {
  it("streamDrainMs says when streams end: at once, or with the connections", async () => {
    for (const streamDrainMs of [0, DRAIN.drainMs]) {
      const clock = new HandClock();
      const server = bench.server({ clock });
      const { state, service } = endlessService();
      server.implement(TestServiceDefinition, service);
      const client = await bench.client(await JOINTS[0]!.open(server));
      const reading = watch(readAll(client.service(TestServiceDefinition).count({})));
      await expect.poll(() => state.calls).toBe(1);
      const closed = server.close({ ...DRAIN, streamDrainMs });
      await clock.advance(streamDrainMs === 0 ? 200 : DRAIN.drainMs);
      await closed;
      expect(clock.now()).toBe(streamDrainMs === 0 ? 200 : DRAIN.drainMs);
      await client.close();
      expect(reading.outcome).toBe("unavailable");
    }
  });

  it("a call with one reply has the whole time", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    let reply = () => {};
    server.handle(SLOW, NoteRequest, () => new Promise<{ text: string }>((resolve) => (reply = () => resolve({ text: "late" }))));
    const client = await bench.client(await JOINTS[0]!.open(server));
    const call = client.request(SLOW, NoteRequest, {});
    await expect.poll(() => server.connections[0]!.inFlight).toBe(1);
    const closed = server.close(DRAIN);
    await clock.advance(DRAIN.drainMs - 1);
    reply();
    expect(await call).toEqual({ text: "late" });
    await closed;
  });

  it.each([
    { drainMs: -1 },
    { drainMs: Number.NaN },
    { drainMs: Number.POSITIVE_INFINITY },
    { streamDrainMs: "5" },
    { reconnectSpreadMs: -5 },
  ])("%j is refused, and the server goes on", async (options) => {
    const { server } = { server: bench.server() };
    await expect(server.close(options as never)).rejects.toMatchObject({ code: "invalid-option" });
    await server.listen({ tcp: {} });
  });
});
