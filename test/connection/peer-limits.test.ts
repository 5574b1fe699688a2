/** What the peer takes in one frame is agreed on in the handshake: what is larger fails alone, also after a wait and across a resume. */
import { afterEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { encodeFrame } from "../../src/codec/index.js";
import { type Limits, ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import { Outbox } from "../../src/outbox/outbox.js";
import type { Server } from "../../src/server/index.js";
import { isOversize } from "../../src/session/frame-sizes.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeClient } from "../helpers/fake-client.js";
import { FakeServer } from "../helpers/fake-server.js";
import { MemoryDisk } from "../helpers/memory-storage.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await bench.end();
});

const limits = (given: Partial<Limits>): Limits => ({ maxPayload: 0, maxCalls: 0, initialCredit: 0, maxTrailer: 0, ...given });
const metadata = (bytes: number) => ({ jwt: "j".repeat(bytes) });

async function serve(server: Server): Promise<Client> {
  const client = (await JOINTS[0]!.open(server))({ reconnect: { retries: 0 } });
  clients.push(client);
  return client;
}

describe("metadata that the peer's maxTrailer has no room for", () => {
  it("fails its call alone, after a wait too; the session lives on", async () => {
    const server = bench.server({ maxTrailer: 256 });
    server.implement(TestServiceDefinition, testService());
    const client = await serve(server);
    const states: string[] = [];
    client.on("state", (state) => states.push(state));
    const service = client.service(TestServiceDefinition);
    const before = service.echo({ text: "a" }, { metadata: metadata(400) });
    const behind = service.echo({ text: "b" }, { metadata: metadata(100) });
    const tooLarge = {
      code: "frame-too-large",
      message: expect.stringMatching(/metadata of 4\d\d bytes; maxTrailer is 256 and leaves 128 \(the receiver's limit\)/),
    };
    const outcome = expect(before).rejects.toMatchObject(tooLarge);
    await client.connect();
    await outcome;
    expect(await behind).toMatchObject({ text: "b" });
    await expect(service.echo({ text: "c" }, { metadata: metadata(400) })).rejects.toMatchObject(tooLarge);
    expect(await service.echo({ text: "d" })).toMatchObject({ text: "d" });
    expect(states).toEqual(["connecting", "connected"]);
  });

  it("of a reply fails that call, and of 1,500 bytes arrives where both ends take 8,192", async () => {
    for (const maxTrailer of [1024, 8192]) {
      const server = bench.server({ maxTrailer });
      server.implement(TestServiceDefinition, {
        echo: ({ text }, context) => {
          context.responseMetadata = { jwt: context.metadata.jwt ?? "j".repeat(1500) };
          return { text };
        },
      });
      const client = await bench.client(await JOINTS[0]!.open(server), { maxTrailer });
      const service = client.service(TestServiceDefinition);
      let told = 0;
      const onMetadata = ({ jwt = "" }: Readonly<Record<string, string>>) => {
        told = jwt.length;
      };
      const options = maxTrailer === 8192 ? { metadata: metadata(1500), onMetadata } : { onMetadata };
      const call = service.echo({ text: "a" }, options);
      if (maxTrailer === 8192) expect([(await call).text, told]).toEqual(["a", 1500]);
      else await expect(call).rejects.toMatchObject({ code: "resource-exhausted" });
      expect(await service.echo({ text: "b" }, { metadata: { jwt: "short" } })).toMatchObject({ text: "b" });
    }
  });
});

describe("a kept frame that no longer fits the limits of a resume", () => {
  it("is told by the server as a gap, with what was kept before it", async () => {
    const server = bench.server();
    const client = new FakeClient(server);
    client.sayHello();
    await expect.poll(() => server.connections.length).toBe(1);
    const gaps: unknown[] = [];
    const connection = server.connections[0]!;
    connection.on("gap", (gap) => gaps.push(gap));
    for (const text of ["small", "l".repeat(2000), "small again"]) await connection.send(7, NoteRequest, { text });
    await expect.poll(() => client.received.length).toBe(3);
    client.break();
    const again = new FakeClient(server);
    again.sayHello({
      limits: limits({ maxPayload: 1024 }),
      resume: { token: client.welcome!.token, received: 0n, oldest: 1n, restarted: false, attempt: 0 },
    });
    await expect.poll(() => again.received.map(({ sequence }) => sequence)).toEqual([3]);
    expect(again.welcome).toMatchObject({ verdict: ResumeVerdict.RESUME_VERDICT_GAP, toClient: { from: 1n, to: 2n } });
    expect(gaps).toEqual([{ direction: "out", from: 1, to: 2, reason: "evicted" }]);
  });

  it("makes a client close with resend-impossible once, and say so in its next hello", async () => {
    const clock = new VirtualClock();
    const server = new FakeServer((link) => {
      const { resume } = link.hello!;
      if (resume === undefined) return link.welcome();
      const to = resume.oldest - 1n;
      const gap = to > 0n ? { from: 1n, to, reason: "evicted" } : undefined;
      link.welcome({
        limits: limits({ maxPayload: 1024 }),
        verdict: gap === undefined ? ResumeVerdict.RESUME_VERDICT_RESUMED : ResumeVerdict.RESUME_VERDICT_GAP,
        received: to,
        toServer: gap,
      });
    });
    const client = createClient("ws://fake", { connector: server.connector, clock, random: () => 0.5 });
    clients.push(client);
    const gaps: unknown[] = [];
    client.on("gap", (gap) => gaps.push(gap));
    client.connect().catch(() => {});
    await clock.advance(10);
    for (const text of ["small", "l".repeat(2000), "small again"]) await client.send(5, NoteRequest, { text });
    await clock.advance(10);
    server.last.close(1006);
    await clock.advance(10_000);
    expect(server.links.map(({ hello }) => hello?.resume?.oldest)).toEqual([undefined, 1n, 3n]);
    expect(server.links[1]!.closed?.code).toBe(4510);
    expect(gaps).toEqual([{ direction: "out", from: 1, to: 2, reason: "evicted" }]);
    expect(server.last.received.filter(({ cmd }) => cmd === 5).map(({ sequence }) => sequence)).toEqual([3]);
    expect(client.state).toBe("connected");
  });
});

describe("an outbox entry above the peer's maxPayload", () => {
  it("is told, kept out of the way of the others, and sent to a peer that takes more", async () => {
    const clock = new VirtualClock();
    let maxPayload = 1024;
    const server = new FakeServer((link) => link.welcome({ limits: limits({ maxPayload }), token: new Uint8Array(0) }));
    const outbox = await Outbox.over(new MemoryDisk().open(clock, 0));
    const client = createClient("ws://fake", { connector: server.connector, clock, random: () => 0.5, outbox });
    clients.push(client);
    const failures: string[] = [];
    client.on("failure", ({ command, error }) => failures.push(`${command}: ${(error as Error).message}`));
    for (const text of ["l".repeat(2000), "small"]) void client.send(5, NoteRequest, { text });
    client.connect().catch(() => {});
    await clock.advance(1_000);
    const texts = () => server.last.received.filter(({ cmd }) => cmd === 5).map(({ payload }) => NoteRequest.decode(payload).text.length);
    expect(texts()).toEqual([5]);
    expect(failures).toEqual([
      expect.stringMatching(/^0x0005: payload of 2003 bytes; maxPayload is 1024 \(the receiver's limit\); it stays in the outbox/),
    ]);
    server.last.send({ cmd: 0, kind: 11, ack: 1 });
    await clock.advance(10);
    expect(outbox.size).toBe(1);
    maxPayload = 1024 * 1024;
    server.last.close(1006);
    await clock.advance(10_000);
    expect(texts()).toEqual([2000]);
  });
});

describe("the size of a frame that is kept", () => {
  it.each([
    [{ cmd: 5, payload: new Uint8Array(1024) }, false],
    [{ cmd: -5, payload: new Uint8Array(1025), sequence: 2 ** 40 }, true],
    [{ cmd: 2 ** 31 - 1, ext: new Uint8Array(200) }, false],
    [{ cmd: 300, payload: new Uint8Array(300), ext: new Uint8Array(300) }, true],
    [{ cmd: 1, payload: new Uint8Array(0), ext: new Uint8Array(257) }, true],
  ])("is read from its bytes: %#", (frame, oversize) => {
    expect(isOversize(encodeFrame({ version: 2, ...frame }), { maxPayload: 1024, maxTrailer: 256 })).toBe(oversize);
  });
});
