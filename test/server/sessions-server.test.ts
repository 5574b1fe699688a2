import { afterEach, describe, expect, it } from "vitest";
import { type Client, type ClientOptions, createClient, type StateDetail } from "../../src/client/index.js";
import type { FramewireError } from "../../src/errors.js";
import { ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import { type Authentication, createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { MemoryNetwork, VirtualClock } from "../../src/testing/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeClient } from "../helpers/fake-client.js";
import { testService } from "../helpers/test-service.js";
import { JOINTS } from "../helpers/transports.js";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function open(options: ServerOptions = {}) {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock });
  const notes: string[] = [];
  const serve = (): Server => {
    const server = createServer({ clock, ...options });
    server.implement(TestServiceDefinition, testService(notes));
    ends.push(() => server.close());
    return server;
  };
  const join = async (server: Server, given: ClientOptions = {}): Promise<Client> => {
    const client = createClient("ws://memory", { clock, connector: network.connector(server), random: () => 0.5, ...given });
    ends.unshift(() => client.close());
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    return client;
  };
  return { clock, network, notes, serve, join };
}

const COMMAND = 0x0201;

describe("a client that comes back", () => {
  it("within the window finds its session, again and again, and no timer or session is left of the times before", async () => {
    const { clock, network, serve, join } = open({ resumeWindowMs: 10_000 });
    const server = serve();
    const client = await join(server, { reconnect: { baseMs: 6000, resetAfterMs: 100 } });
    const [connection] = server.connections;
    await connection!.join("den");
    const resumed: unknown[] = [];
    client.on("state", (state, detail) => state === "connected" && resumed.push(detail.resumed));
    // Longer than the window in all: each interruption has a window of its own.
    for (let i = 0; i < 30; i++) {
      network.cut();
      await clock.advance(7000);
    }
    expect(resumed).toEqual(Array(30).fill(true));
    expect(server.connections).toEqual([connection]);
    expect([...connection!.rooms]).toEqual(["den"]);
    expect(server.sessions).toEqual({ sessions: 1, interrupted: 0, interruptedBytes: 0, evicted: 0 });
    await client.close();
    await server.close();
    await clock.advance(10_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it("after the window gets a new session, and both sides are told what that means", async () => {
    const { clock, network, serve, join } = open({ resumeWindowMs: 10_000 });
    const server = serve();
    const client = await join(server, { reconnect: { baseMs: 20_000 } });
    const told: unknown[] = [];
    client.on("gap", (gap) => told.push(gap));
    client.on("state", (state, { resumed }: StateDetail) => state === "connected" && told.push({ resumed }));
    server.on("disconnection", (_connection, { message }) => told.push(message));
    const call = client.request(257, NoteRequest, { text: "echo" }, { timeoutMs: 0 }).catch((error: FramewireError) => error.code);
    await client.send(COMMAND, NoteRequest, { text: "lost" });
    network.cut();
    await clock.advance(30_000);
    expect(await call).toBe("unavailable");
    expect(told).toEqual([
      "the session was not resumed in time",
      { direction: "out", from: 1, to: 2, reason: "the peer has no session of this connection" },
      { resumed: false },
    ]);
  });

  it("to a server that was restarted gets a new session and is told the range that may be lost", async () => {
    const { clock, network, serve, join } = open();
    let server = serve();
    const gaps: unknown[] = [];
    const connect: ClientOptions["connector"] = (...given) => network.connector(server)(...given);
    const client = await join(server, { connector: connect as NonNullable<typeof connect> });
    client.on("gap", (gap) => gaps.push(gap));
    for (let i = 0; i < 3; i++) await client.send(COMMAND, NoteRequest, { text: String(i) });
    await clock.advance(100);
    for (let i = 0; i < 2; i++) await client.send(COMMAND, NoteRequest, { text: String(i) });
    network.cut();
    server = serve();
    await clock.advance(3000);
    expect(client.state).toBe("connected");
    expect(gaps).toEqual([{ direction: "out", from: 4, to: 5, reason: "the peer has no session of this connection" }]);
  });
});

describe("the token of a session", () => {
  /** A session that waits for its client, and its token. */
  async function interrupted(options: ServerOptions = {}) {
    const bed = open(options);
    const server = bed.serve();
    const client = new FakeClient(server);
    client.sayHello();
    await bed.clock.runUntilIdle();
    const token = client.welcome!.token;
    client.break();
    await bed.clock.runUntilIdle();
    return { ...bed, server, token };
  }

  async function verdict(server: Server, clock: VirtualClock, said: Parameters<FakeClient["resume"]>[0]): Promise<unknown> {
    const client = new FakeClient(server);
    client.resume(said);
    await clock.runUntilIdle();
    return client.welcome?.verdict;
  }

  const { RESUME_VERDICT_REJECTED: REJECTED, RESUME_VERDICT_RESUMED: RESUMED } = ResumeVerdict;

  it("resumes it", async () => {
    const { server, clock, token } = await interrupted();
    expect(token.length).toBe(32);
    expect(await verdict(server, clock, { token })).toBe(RESUMED);
  });

  it("with a wrong secret half, a wrong name or of a wrong length is rejected, and the session waits on for the right one", async () => {
    const { server, clock, token } = await interrupted();
    const changed = (at: number) => token.map((byte, i) => (i === at ? byte ^ 1 : byte));
    for (const wrong of [changed(31), changed(16), changed(15), changed(0), token.subarray(0, 31), Uint8Array.of(...token, 0)]) {
      expect(await verdict(server, clock, { token: wrong })).toBe(REJECTED);
    }
    expect(await verdict(server, clock, { token })).toBe(RESUMED);
  });

  it.each([
    ["that it received what was never sent", { received: 1n }],
    ["that it received 2^64 - 1", { received: 2n ** 64n - 1n }],
    ["that it can send again from 0 on", { oldest: 0n }],
    ["that it can send again from 2^63 on", { oldest: 2n ** 63n }],
  ])("of a client that says %s is rejected", async (_what, said) => {
    const { server, clock, token } = await interrupted();
    expect(await verdict(server, clock, { token, ...said })).toBe(REJECTED);
  });

  it("is empty where no sessions are kept", async () => {
    const { token, server } = await interrupted({ resumeWindowMs: 0 });
    expect(token.length).toBe(0);
    expect(server.connections).toEqual([]);
  });
});

describe("the sessions of clients that are away", () => {
  it("are bounded in count: the one away longest is dropped, told and counted", async () => {
    const { clock, serve } = open({ maxSessions: 2 });
    const server = serve();
    const told: string[] = [];
    server.on("eviction", ({ id }) => told.push(`eviction ${id}`));
    server.on("disconnection", ({ id }, { message }) => told.push(`disconnection ${id}: ${message}`));
    const clients = [1, 2, 3].map(() => new FakeClient(server));
    for (const client of clients) client.sayHello();
    await clock.runUntilIdle();
    for (const client of clients) {
      client.break();
      await clock.advance(10);
    }
    expect(told).toEqual(["eviction 1", "disconnection 1: the session was dropped: too many or too large ones wait for their clients"]);
    expect(server.sessions).toMatchObject({ sessions: 2, interrupted: 2, evicted: 1 });
  });

  it("are not evicted by a crowd that says hello and leaves, from another address or from their own", async () => {
    const { clock, serve } = open({ maxSessions: 20 });
    const server = serve();
    const tokens: Uint8Array[] = [];
    for (const remoteAddress of ["192.0.2.1", "192.0.2.1", "2001:db8::1", "198.51.100.7"]) {
      const client = new FakeClient(server, { remoteAddress });
      client.sayHello();
      client.send({ cmd: COMMAND, sequence: 1n });
      await clock.runUntilIdle();
      tokens.push(client.welcome!.token);
      client.break();
      await clock.runUntilIdle();
    }
    for (let i = 0; i < 100; i++) {
      // Each address of an IPv6 network counts as that network.
      for (const remoteAddress of ["198.51.100.7", `2001:db8:0:1::${i.toString(16)}`]) {
        const attacker = new FakeClient(server, { remoteAddress });
        attacker.sayHello();
        await clock.runUntilIdle();
        attacker.break();
        await clock.runUntilIdle();
      }
    }
    expect(server.sessions).toMatchObject({ interrupted: 20, evicted: 184 });
    for (const token of tokens) {
      const back = new FakeClient(server);
      back.resume({ token, oldest: 2n });
      await clock.runUntilIdle();
      expect(back.welcome?.verdict).toBe(ResumeVerdict.RESUME_VERDICT_RESUMED);
    }
  });

  it("are bounded in bytes, with what is broadcast while they are away", async () => {
    const { clock, serve } = open({ maxSessionBytes: 20_000 });
    const server = serve();
    const away = [1, 2, 3].map(() => new FakeClient(server));
    for (const client of away) client.sayHello();
    await clock.runUntilIdle();
    for (const client of away) client.break();
    await clock.runUntilIdle();
    for (let i = 0; i < 40; i++) {
      server.broadcast(TestServiceDefinition.methods.note, { text: "x".repeat(400) });
      expect(server.sessions.interruptedBytes).toBeLessThanOrEqual(20_000);
    }
    expect(server.sessions).toMatchObject({ sessions: 0, evicted: 3 });
    expect(server.connections).toEqual([]);
  });
});

describe("a client that leaves", () => {
  it.each(JOINTS.map((joint) => [joint.name, joint] as const))("with a goodbye over %s takes its session with it", async (_name, joint) => {
    const server = createServer();
    ends.push(() => server.close());
    const make = await joint.open(server);
    const client = make();
    await client.connect();
    expect(server.sessions.sessions).toBe(1);
    await client.close();
    await expect.poll(() => server.sessions.sessions).toBe(0);
  });

  it("without a word is waited for, also where the end of its stream looks like a clean one", async () => {
    const { clock, serve } = open();
    const server = serve();
    const client = new FakeClient(server);
    client.sayHello();
    await clock.runUntilIdle();
    client.close(1000);
    await clock.runUntilIdle();
    expect(server.sessions).toMatchObject({ sessions: 1, interrupted: 1 });
  });

  it("before the server has made up its mind about it is nobody's connection", async () => {
    const clock = new VirtualClock();
    const server = createServer({
      clock,
      authenticate: () => new Promise<Authentication>((resolve) => void clock.setTimer(10_000, () => resolve({}))),
    });
    ends.push(() => server.close());
    const client = new FakeClient(server);
    client.sayHello();
    await clock.advance(9000);
    expect(client.goaway?.closeCode).toBe(4500);
    await clock.advance(2000);
    expect(server.connections).toEqual([]);
    expect(server.sessions.sessions).toBe(0);
  });
});
