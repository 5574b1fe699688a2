import { afterEach, describe, expect, it } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { ResumeVerdict, type Welcome } from "../../src/gen/framewire/v1/session.js";
import { Outbox } from "../../src/outbox/outbox.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeServer } from "../helpers/fake-server.js";
import { MemoryDisk, type MemoryStorage } from "../helpers/memory-storage.js";

const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

const { RESUME_VERDICT_GAP: GAP, RESUME_VERDICT_RESUMED: RESUMED } = ResumeVerdict;

interface Bed {
  readonly clock: VirtualClock;
  readonly client: Client;
  readonly outbox: Outbox;
  readonly storage: MemoryStorage;
  readonly gaps: unknown[];
  connect(): Promise<void>;
  /** Sends a note; its text is what became of it. */
  send(text: string): { text: string; outcome: string };
}

/** A client with an outbox on `disk`. */
async function join(
  server: FakeServer,
  disk: MemoryDisk,
  { delayMs = 0, ...options }: ClientOptions & { delayMs?: number } = {},
): Promise<Bed> {
  const clock = new VirtualClock();
  const storage = disk.open(clock, delayMs);
  const outbox = await Outbox.over(storage);
  const client = createClient("ws://fake", { connector: server.connector, clock, random: () => 0.5, outbox, ...options });
  clients.push(client);
  const gaps: unknown[] = [];
  client.on("gap", (gap) => gaps.push(gap));
  return {
    clock,
    client,
    outbox,
    storage,
    gaps,
    connect: async () => {
      client.connect().catch(() => {});
      await clock.advance(10);
    },
    send: (text) => {
      const result = { text, outcome: "waits" };
      client.send(5, NoteRequest, { text }).then(
        () => {
          result.outcome = "accepted";
        },
        (error) => {
          result.outcome = error instanceof FramewireError ? error.code : String(error);
        },
      );
      return result;
    },
  };
}

/** Texts and sequences of the notes that came over the newest link. */
function notes({ last }: FakeServer): string[] {
  return last.received.filter(({ cmd }) => cmd === 5).map(({ payload, sequence }) => `${NoteRequest.decode(payload).text} ${sequence}`);
}

describe("a send", () => {
  it("is accepted when it is written down, connected or not, and goes out no earlier", async () => {
    const server = new FakeServer();
    const { clock, connect, send } = await join(server, new MemoryDisk(), { delayMs: 20 });
    const early = send("early");
    await clock.advance(19);
    expect(early.outcome).toBe("waits");
    await clock.advance(1);
    expect(early.outcome).toBe("accepted");
    await connect();
    await clock.advance(100);
    const late = send("late");
    await clock.advance(19);
    expect([late.outcome, notes(server)]).toEqual(["waits", ["early 1"]]);
    await clock.advance(1);
    expect([late.outcome, notes(server)]).toEqual(["accepted", ["early 1", "late 2"]]);
  });

  it("does not grow too old", async () => {
    const server = new FakeServer();
    const { clock, connect, send } = await join(server, new MemoryDisk(), { maxQueuedMs: 1000 });
    send("old");
    await clock.advance(10_000);
    await connect();
    expect(notes(server)).toEqual(["old 1"]);
  });

  it("is refused when the outbox holds as much as it may, sent or not", async () => {
    const server = new FakeServer();
    const { clock, connect, send, outbox } = await join(server, new MemoryDisk(), { maxQueuedFrames: 2 });
    await connect();
    send("a");
    send("b");
    const third = send("c");
    await clock.advance(10);
    expect([third.outcome, outbox.size]).toEqual(["queue-full", 2]);
    server.last.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 1n });
    await clock.advance(10);
    expect([send("d").text, outbox.size]).toEqual(["d", 2]);
  });

  it("that the storage cannot take is refused, never sent, and the client ends with the reason", async () => {
    const server = new FakeServer();
    const { clock, client, connect, send, storage } = await join(server, new MemoryDisk(), { delayMs: 5 });
    await connect();
    await clock.advance(10);
    storage.failure = new FramewireError("outbox-failed", "the disk is full");
    const refused = send("refused");
    await clock.advance(10);
    expect([refused.outcome, client.state, notes(server)]).toEqual(["outbox-failed", "disconnected", []]);
    await expect(client.connect()).rejects.toMatchObject({ code: "outbox-failed" });
  });
});

describe("a call", () => {
  it("that is given up before it went out is not kept for the next client", async () => {
    const { clock, client, outbox } = await join(new FakeServer(), new MemoryDisk());
    const service = client.service(TestServiceDefinition);
    const call = service.echo({ text: "x" }, { timeoutMs: 50 }).catch((error: FramewireError) => error.code);
    expect(outbox.size).toBe(1);
    await clock.advance(100);
    expect([await call, outbox.size]).toEqual(["deadline-exceeded", 0]);
  });

  it("that streams, or is sent at most once, is not kept", async () => {
    const { client, outbox } = await join(new FakeServer(), new MemoryDisk());
    const service = client.service(TestServiceDefinition);
    for (const call of [service.sum([]), service.sample({}), service.count({})[Symbol.asyncIterator]().next()]) call.catch(() => {});
    await service.price({});
    expect(outbox.size).toBe(0);
  });
});

describe("the next client", () => {
  /** A client that sent `a`, `b`, `c` as 1, 2, 3, of which the server has acknowledged `a`, and then crashed with `d` not sent. */
  async function crashed(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    const server = new FakeServer();
    const { clock, connect, send } = await join(server, disk);
    await connect();
    for (const text of ["a", "b", "c"]) send(text);
    await clock.advance(10);
    server.last.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 1n });
    await clock.advance(10);
    server.last.close(1006);
    await clock.runUntilIdle();
    send("d");
    await clock.runUntilIdle();
    disk.crash(1);
    return disk;
  }

  async function next(disk: MemoryDisk, said: Partial<Welcome>) {
    const server = new FakeServer((link) => link.welcome(said));
    const bed = await join(server, disk);
    return { ...bed, server };
  }

  it("shows the session's secret, says that it has started anew, and sends what the server lacks under the next numbers", async () => {
    const { server, connect, send, outbox } = await next(await crashed(), { verdict: RESUMED, received: 2n });
    send("e");
    await connect();
    expect(server.last.hello?.resume).toMatchObject({ token: new Uint8Array(32).fill(7), restarted: true, received: 0n, oldest: 1n });
    expect(notes(server)).toEqual(["c 3", "d 4", "e 5"]);
    expect(outbox.size).toBe(3);
  });

  it("in a new session sends everything that was not acknowledged", async () => {
    const { server, connect, gaps } = await next(await crashed(), { verdict: ResumeVerdict.RESUME_VERDICT_REJECTED });
    await connect();
    expect(notes(server)).toEqual(["b 1", "c 2", "d 3"]);
    expect(gaps).toEqual([]);
  });

  it("goes on with what the server sends where the one before had stopped", async () => {
    const toClient = { from: 1n, to: 41n, reason: "acknowledged" };
    const { server, client, clock, connect, gaps } = await next(await crashed(), { verdict: GAP, received: 3n, toClient });
    const handled: string[] = [];
    client.handle(9, NoteRequest, ({ text }) => void handled.push(text));
    await connect();
    for (const sequence of [41n, 42n]) {
      server.last.send({ cmd: 9, sequence, payload: NoteRequest.encode(NoteRequest.fromPartial({ text: `${sequence}` })).finish() });
    }
    await clock.advance(100);
    expect([handled, gaps]).toEqual([["42"], []]);
    expect(server.last.received.map(({ kind }) => kind)).toContain(FrameKind.FRAME_KIND_ACK);
  });

  it("is told what the server cannot send it any more", async () => {
    const toClient = { from: 4n, to: 6n, reason: "evicted" };
    const { connect, gaps } = await next(await crashed(), { verdict: GAP, received: 3n, toClient });
    await connect();
    expect(gaps).toEqual([{ direction: "in", from: 4, to: 6, reason: "evicted" }]);
  });

  it.each<[string, Partial<Welcome>]>([
    ["what the server has", { verdict: RESUMED, received: 2n ** 60n }],
    ["what it had", { verdict: GAP, received: 3n, toClient: { from: 1n, to: 2n ** 60n, reason: "acknowledged" } }],
  ])("takes no number for %s that cannot be", async (_what, said) => {
    const { client, connect } = await next(await crashed(), said);
    await connect();
    expect(client.state).toBe("disconnected");
  });

  it("says so until it has been welcomed, and not again", async () => {
    const disk = await crashed();
    let refusals = 2;
    const server = new FakeServer((link) => (refusals-- > 0 ? link.close(4500) : link.welcome({ verdict: RESUMED, received: 3n })));
    const { clock, connect, send } = await join(server, disk);
    await connect();
    await clock.advance(10_000);
    send("e");
    await clock.runUntilIdle();
    server.last.close(1006);
    await clock.advance(10_000);
    expect(server.links.map(({ hello }) => hello?.resume?.restarted)).toEqual([true, true, true, false]);
    expect(server.links.map(({ hello }) => hello?.resume?.attempt)).toEqual([2, 3, 4, 5]);
    expect(server.last.hello?.resume).toMatchObject({ oldest: 4n });
  });
});

describe("a client that goes on", () => {
  async function connected() {
    const disk = new MemoryDisk();
    let said: Partial<Welcome> = {};
    const server = new FakeServer((link) => link.welcome(said));
    const bed = await join(server, disk);
    await bed.connect();
    const back = async (welcome: Partial<Welcome>) => {
      said = welcome;
      server.last.close(1006);
      await bed.clock.advance(5000);
    };
    return { ...bed, disk, server, back };
  }

  it("sends in a new session again what the old one had not acknowledged, and calls nothing of it lost", async () => {
    const { server, send, back, gaps, client, clock } = await connected();
    send("a");
    const call = client.service(TestServiceDefinition).echo({ text: "b" }, { timeoutMs: 0 });
    call.catch(() => {});
    await clock.advance(10);
    await back({ verdict: ResumeVerdict.RESUME_VERDICT_REJECTED, token: new Uint8Array(32).fill(8) });
    expect(gaps).toEqual([]);
    const sent = server.last.received.filter(({ sequence }) => sequence > 0);
    expect(sent.map(({ cmd, sequence }) => [cmd, sequence])).toEqual([
      [5, 1],
      [257, 2],
    ]);
    server.last.send({ cmd: 257, kind: FrameKind.FRAME_KIND_RESPONSE, callId: 1, sequence: 1n, ack: 2n, payload: new Uint8Array(0) });
    await clock.advance(10);
    expect(await call).toMatchObject({ text: "" });
  });

  it("tells in a new session what was lost beside", async () => {
    const { send, back, gaps, client, clock } = await connected();
    send("a");
    client
      .service(TestServiceDefinition)
      .sum([], { timeoutMs: 0 })
      .catch(() => {});
    await clock.advance(10);
    await back({ verdict: ResumeVerdict.RESUME_VERDICT_REJECTED });
    expect(gaps).toMatchObject([{ direction: "out", from: 1, to: 3 }]);
  });

  it("sends again what the server has gone past, under new numbers", async () => {
    const { server, send, back, gaps } = await connected();
    for (const text of ["a", "b", "c"]) send(text);
    await back({ verdict: GAP, received: 2n, toServer: { from: 1n, to: 2n, reason: "evicted" } });
    expect(notes(server)).toEqual(["c 3", "a 4", "b 5"]);
    expect(gaps).toMatchObject([{ direction: "out", from: 1, to: 2 }]);
  });

  it("that is closed leaves the session and what it had not sent to the next one", async () => {
    const { server, client, clock, disk, storage, send } = await connected();
    send("a");
    await clock.advance(10);
    server.last.close(1006);
    await clock.runUntilIdle();
    send("b");
    await client.close();
    expect(storage.closed).toBe(true);
    const next = new FakeServer((link) => link.welcome({ verdict: RESUMED, received: 1n }));
    const bed = await join(next, disk);
    await bed.connect();
    expect([next.last.hello?.resume?.restarted, notes(next)]).toEqual([true, ["b 2"]]);
  });

  it("says on closing that it will be back: 1001, where 1000 would end the session", async () => {
    const { server, client, clock } = await connected();
    await client.close();
    await clock.advance(100);
    expect(server.last.closed?.code).toBe(1001);
  });
});

it("an outbox needs version 2: only that is offered, and version 1 is refused at once", async () => {
  const clock = new VirtualClock();
  const outbox = await Outbox.over(new MemoryDisk().open(clock, 0));
  expect(() => createClient("ws://fake", { outbox, version: 1 })).toThrow("an outbox needs version 2");
  let offered: readonly number[] = [];
  const client = createClient("ws://fake", {
    outbox,
    connector: (_url, { versions }) => {
      offered = versions;
      return new Promise(() => {});
    },
  });
  clients.push(client);
  client.connect().catch(() => {});
  await clock.runUntilIdle();
  expect(offered).toEqual([2]);
});
