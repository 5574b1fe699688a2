import { afterEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Server } from "../../src/server/index.js";
import { EchoRequest, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (error) => (error instanceof FramewireError ? error.code : `not ours: ${error}`),
  );
}

for (const joint of JOINTS) {
  describe(`over ${joint.name}`, () => {
    const notes: string[] = [];
    let server: Server;

    async function join(): Promise<Client> {
      server = bench.server();
      server.implement(TestServiceDefinition, testService(notes));
      server.handle(0x0201, NoteRequest, ({ text }) => ({ text: `bare ${text}` }));
      return bench.client(await joint.open(server));
    }

    it("a call gets its reply", async () => {
      const service = (await join()).service(TestServiceDefinition);
      expect(await service.echo({ text: "hello", id: 2n ** 62n + 1n })).toEqual({
        text: "hello",
        id: 2n ** 62n + 1n,
        data: new Uint8Array(),
      });
    });

    it("a megabyte goes there and back", async () => {
      const service = (await join()).service(TestServiceDefinition);
      const data = new Uint8Array(1024 * 1024 - 64).map((_, i) => i * 7);
      const reply = await service.echo({ data });
      expect(Buffer.compare(reply.data, data)).toBe(0);
      // Whatever the transport's chunks are.
      expect(reply.data.constructor).toBe(Uint8Array);
    });

    it("hundreds of large calls at once get each their own reply, whatever becomes of a message once it is sent", async () => {
      const client = await join();
      const shown: Uint8Array[] = [];
      let stop = () => {};
      const look = (frame: { direction: string; payload: Uint8Array }) => frame.direction === "out" && shown.push(frame.payload);
      const service = client.service(TestServiceDefinition);
      const replies = await Promise.all(
        Array.from({ length: 300 }, (_, i) => {
          // Some calls in, somebody begins to look at the frames, and keeps what it sees.
          if (i === 200) stop = client.on("frame", look);
          const data = new Uint8Array(10_000 + i).fill(i);
          const reply = service.echo({ data });
          data.fill(0xee);
          return reply;
        }),
      );
      for (const [i, { data }] of replies.entries()) expect(Buffer.compare(data, new Uint8Array(10_000 + i).fill(i))).toBe(0);
      expect(shown.length).toBeGreaterThan(90);
      stop();
      await Promise.all(Array.from({ length: 300 }, () => service.echo({ data: new Uint8Array(10_000) })));
      for (const payload of shown) {
        const { data } = EchoRequest.decode(payload);
        expect(data.length).toBeGreaterThanOrEqual(10_000);
        expect(Buffer.compare(data, new Uint8Array(data.length).fill(data.length - 10_000))).toBe(0);
      }
    });

    it("a thousand calls at once get each their own reply", async () => {
      const service = (await join()).service(TestServiceDefinition);
      const replies = await Promise.all(Array.from({ length: 1000 }, (_, i) => service.echo({ text: `call ${i}`, delayMs: i % 3 })));
      expect(replies.map(({ text }) => text)).toEqual(Array.from({ length: 1000 }, (_, i) => `call ${i}`));
    });

    it("streams of both directions arrive whole and in order", async () => {
      const service = (await join()).service(TestServiceDefinition);
      const numbers: number[] = [];
      for await (const { number } of service.count({ count: 3000, padding: 400 })) numbers.push(number);
      expect(numbers).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
      expect(await service.sum(Array.from({ length: 20_000 }, (_, i) => ({ number: BigInt(i) })))).toEqual({ sum: 199_990_000n });
      const lines: string[] = [];
      for await (const { text } of service.chat([{ text: "a" }, { text: "b" }])) lines.push(text);
      expect(lines).toEqual(["A", "B"]);
    });

    it("one-way messages arrive in order", async () => {
      const service = (await join()).service(TestServiceDefinition);
      notes.length = 0;
      for (let i = 0; i < 100; i++) await service.note({ text: `note ${i}` });
      await service.echo({});
      expect(notes).toEqual(Array.from({ length: 100 }, (_, i) => `note ${i}`));
    });

    it("a bare command gets what its handler returns", async () => {
      const client = await join();
      expect(await client.request(0x0201, NoteRequest, { text: "x" })).toEqual({ text: "bare x" });
    });

    it("the server calls commands that the client implements", async () => {
      const client = await join();
      client.implement(TestServiceDefinition, testService());
      const [connection] = server.connections;
      const service = connection!.service(TestServiceDefinition);
      expect((await service.echo({ text: "from the server" })).text).toBe("from the server");
      const numbers: number[] = [];
      for await (const { number } of service.count({ count: 5 })) numbers.push(number);
      expect(numbers).toEqual([1, 2, 3, 4, 5]);
    });

    it("a handler's own exception reaches the caller as internal and without its text", async () => {
      const service = (await join()).service(TestServiceDefinition);
      const failures: unknown[] = [];
      server.on("failure", ({ error }) => failures.push(error));
      const error = await service.echo({ text: "throw" }).catch((reason) => reason);
      expect(error).toMatchObject({ code: "internal", status: 13, fault: "remote" });
      expect(String(error.message)).not.toContain("secret");
      expect(failures.map(String)).toEqual(["Error: secret of the house"]);
      expect((await service.echo({ text: "next" })).text).toBe("next");
    });

    it("a FramewireError of the handler reaches the caller with code, text and metadata", async () => {
      const service = (await join()).service(TestServiceDefinition);
      await expect(service.echo({ text: "refuse" })).rejects.toMatchObject({
        code: "not-found",
        status: 5,
        message: "there is no such echo",
        metadata: { hint: "shout" },
      });
    });

    it("an unknown command is unimplemented and an undecodable payload an invalid argument; the next call works", async () => {
      const client = await join();
      expect(await codeOf(client.request(999, NoteRequest, { text: "" }))).toBe("unimplemented");
      const broken = { encode: () => ({ finish: () => Uint8Array.of(0xff, 0xff) }), decode: () => ({}) };
      expect(await codeOf(client.request(257, broken, {}))).toBe("invalid-argument");
      expect((await client.service(TestServiceDefinition).echo({ text: "next" })).text).toBe("next");
    });

    it("a deadline ends the call and the handler's signal", async () => {
      const client = await join();
      let aborted: unknown;
      server.handle(0x0300, NoteRequest, async (_message, { signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        aborted = signal.reason;
        return {};
      });
      expect(await codeOf(client.request(0x0300, NoteRequest, {}, { timeoutMs: 30 }))).toBe("deadline-exceeded");
      await expect.poll(() => aborted).toBeInstanceOf(FramewireError);
    });

    it("an abort cancels the call on both sides; a signal aborted before sends nothing", async () => {
      const client = await join();
      let aborted: unknown;
      let calls = 0;
      server.handle(0x0300, NoteRequest, async (_message, { signal }) => {
        calls++;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        aborted = signal.reason;
        return {};
      });
      const abort = new AbortController();
      const call = client.request(0x0300, NoteRequest, {}, { signal: abort.signal });
      await expect.poll(() => calls).toBe(1);
      abort.abort();
      expect(await codeOf(call)).toBe("cancelled");
      await expect.poll(() => (aborted as FramewireError | undefined)?.code).toBe("cancelled");
      expect(await codeOf(client.request(0x0300, NoteRequest, {}, { signal: AbortSignal.abort() }))).toBe("cancelled");
      await client.service(TestServiceDefinition).echo({});
      expect(calls).toBe(1);
    });

    it("leaving a stream early stops the producer", async () => {
      const client = await join();
      for await (const { number } of client.service(TestServiceDefinition).count({ count: 1_000_000, padding: 1000 })) {
        if (number === 3) break;
      }
      await expect.poll(() => server.connections[0]!.inFlight).toBe(0);
    });

    it("a broadcast reaches every client, and a room its members", async () => {
      const first = await join();
      const got: string[] = [];
      const listen = (name: string) => ({ note: ({ text }: { text: string }) => void got.push(`${name} ${text}`) });
      first.implement(TestServiceDefinition, listen("first"));
      expect(server.connections).toHaveLength(1);
      await server.connections[0]!.join("den");
      server.broadcast(TestServiceDefinition.methods.note, { text: "all" });
      server.to("den").send(TestServiceDefinition.methods.note, { text: "den" });
      await server.connections[0]!.leave("den");
      server.to("den").send(TestServiceDefinition.methods.note, { text: "nobody" });
      await first.service(TestServiceDefinition).echo({});
      expect(got).toEqual(["first all", "first den"]);
    });

    it("a version 1 client is served by the same server", async () => {
      server = bench.server();
      server.implement(TestServiceDefinition, testService(notes));
      const client = await bench.client(await joint.open(server), { version: 1 });
      const service = client.service(TestServiceDefinition);
      const replies = await Promise.all([30, 0, 10].map((delayMs) => service.echo({ text: `after ${delayMs}`, delayMs })));
      expect(replies.map(({ text }) => text)).toEqual(["after 30", "after 0", "after 10"]);
      expect(client.version).toBe(1);
      expect(server.connections[0]!.version).toBe(1);
    });
  });
}
