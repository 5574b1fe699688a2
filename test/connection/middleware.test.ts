import { afterEach, describe, expect, it } from "vitest";
import { type Client, contextKey } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Server } from "../../src/server/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

async function join(): Promise<{ server: Server; client: Client }> {
  const server = bench.server();
  server.implement(TestServiceDefinition, testService());
  return { server, client: await bench.client(await JOINTS[0]!.open(server)) };
}

describe("middleware around served calls", () => {
  it("is an onion, and leaves typed values for what is inside", async () => {
    const { server, client } = await join();
    const user = contextKey<{ name: string }>("user");
    const log: string[] = [];
    server.use(async (context, next) => {
      log.push(`in ${context.command.name}`);
      context.set(user, { name: context.metadata.user ?? "nobody" });
      const reply = await next();
      log.push("out");
      return reply;
    });
    server.use((context, next) => {
      log.push(`inner ${context.get(user)?.name}`);
      return next();
    });
    server.handle(0x0400, NoteRequest, (_message, context) => ({ text: context.get(user)?.name ?? "" }));
    expect(await client.request(0x0400, NoteRequest, {}, { metadata: { user: "ada" } })).toEqual({ text: "ada" });
    expect(log).toEqual(["in 0x0400", "inner ada", "out"]);
  });

  it("can refuse a call before its handler runs", async () => {
    const { server, client } = await join();
    server.use(() => {
      throw new FramewireError("permission-denied", "not you");
    });
    await expect(client.service(TestServiceDefinition).echo({})).rejects.toMatchObject({ code: "permission-denied", message: "not you" });
  });

  it("sees the stream of a streaming method and can change it", async () => {
    const { server, client } = await join();
    server.use(async (_context, next) => {
      const items = (await next()) as AsyncIterable<{ number: number }>;
      return (async function* () {
        for await (const { number } of items) yield { number: number * 10 };
      })();
    });
    const numbers: number[] = [];
    for await (const { number } of client.service(TestServiceDefinition).count({ count: 3 })) numbers.push(number);
    expect(numbers).toEqual([10, 20, 30]);
  });
});

describe("interceptors around calls that are made", () => {
  it("change what is sent, see what comes back, and may call again", async () => {
    const { server, client } = await join();
    const metadata: unknown[] = [];
    server.use((context, next) => {
      metadata.push(context.metadata);
      return next();
    });
    client.intercept(async (call, next) => {
      call.options = { ...call.options, metadata: { token: "t" } };
      try {
        return await next();
      } catch (error) {
        if (!(error instanceof FramewireError) || error.code !== "not-found") throw error;
        call.request = { text: "second try" };
        return next();
      }
    });
    const service = client.service(TestServiceDefinition);
    expect((await service.echo({ text: "refuse" })).text).toBe("second try");
    const numbers: number[] = [];
    for await (const { number } of service.count({ count: 2 })) numbers.push(number);
    expect(numbers).toEqual([1, 2]);
    expect(await service.sum([{ number: 2n }, { number: 3n }])).toEqual({ sum: 5n });
    await service.note({ text: "n" });
    await service.echo({});
    expect(metadata).toEqual(Array.from({ length: 6 }, () => ({ token: "t" })));
  });
});

describe("what travels with a call", () => {
  it("metadata goes both ways, and traceparent arrives", async () => {
    const { server, client } = await join();
    server.handle(0x0401, NoteRequest, (_message, context) => {
      context.responseMetadata = { took: "1 ms", ...context.metadata };
      return { text: context.trace ?? "" };
    });
    let back: unknown;
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const options = { metadata: { a: "ü" }, trace, onMetadata: (metadata: unknown) => void (back = metadata) };
    expect(await client.request(0x0401, NoteRequest, {}, options)).toEqual({ text: trace });
    expect(back).toEqual({ took: "1 ms", a: "ü" });
  });

  it("a call made for another hands on its trace, its deadline and its cancellation", async () => {
    const { server, client } = await join();
    const seen: { trace: string | undefined; remainingMs: number; reason: unknown }[] = [];
    const abort = new AbortController();
    client.handle(0x0500, NoteRequest, async (_message, { trace, remainingMs, signal }) => {
      setImmediate(() => abort.abort());
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      seen.push({ trace, remainingMs, reason: (signal.reason as FramewireError).code });
      return {};
    });
    server.handle(0x0402, NoteRequest, (_message, context) =>
      context.connection.request(0x0500, NoteRequest, {}, { timeoutMs: 60_000, parent: context }),
    );
    const call = client.request(0x0402, NoteRequest, {}, { timeoutMs: 5_000, trace: "t-1", signal: abort.signal });
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
    await expect.poll(() => seen.length).toBe(1);
    expect(seen[0]).toMatchObject({ trace: "t-1", reason: "cancelled" });
    expect(seen[0]!.remainingMs).toBeGreaterThan(1);
    expect(seen[0]!.remainingMs).toBeLessThanOrEqual(5_000);
  });

  it("the handler's deadline ends its signal even if the caller never says so", async () => {
    const { server, client } = await join();
    let reason: unknown;
    server.handle(0x0403, NoteRequest, async (_message, { signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reason = (signal.reason as FramewireError).code;
      return {};
    });
    await expect(client.request(0x0403, NoteRequest, {}, { timeoutMs: 15 })).rejects.toMatchObject({ code: "deadline-exceeded" });
    await expect.poll(() => reason).toMatch(/deadline-exceeded|cancelled/);
  });
});
