/** What went wrong with reconnects elsewhere, held against this one. The projects are named where their reports taught the case. */
import { afterEach, describe, expect, it } from "vitest";
import type { Frame } from "../../src/codec/index.js";
import { FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { type ResumeRequest, ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import type { FaultSource, LinkFaults } from "../../src/testing/index.js";
import { memoryPair } from "../../src/testing/index.js";
import { EchoRequest, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { ScriptedPeer } from "../helpers/scripted-peer.js";
import { type Stage, sleep, stage } from "../helpers/session-run.js";

const { note } = TestServiceDefinition.methods;

let act: Stage;
afterEach(() => act.end());

/** A server and a client that are connected. */
async function connected(...args: Parameters<typeof stage>): Promise<Stage> {
  act = stage(...args);
  void act.client.connect();
  await act.clock.runUntil(() => act.client.state === "connected");
  return act;
}

/** The faults of the first links by their number; later ones are clean. */
function faultsOf(...links: LinkFaults[]): FaultSource {
  return (link) => links[link - 1] ?? "clean";
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (error) => (error instanceof FramewireError ? error.code : `not ours: ${error}`),
  );
}

describe.each([
  { over: "a stream", messages: false },
  { over: "messages", messages: true },
])("over $over", ({ messages }) => {
  it("what waited for the resume follows the welcome at once", async () => {
    const { clock, network, client, sessions, atClient } = await connected(1, "clean", { messages });
    network.cut();
    await clock.runUntilIdle();
    for (const i of upTo(5)) void sessions[0]!.send(note, { text: String(i) });
    await clock.runUntil(() => client.state === "connected");
    expect(atClient.notes).toEqual(upTo(5));
  });

  it("a session that broke behind its welcome, before its first frame, goes on (socket.io#5538)", async () => {
    const { bytesDown } = (await connected(1, "clean", { messages })).network.stats;
    await act.end();
    act = stage(1, faultsOf({ down: { silentAtByte: bytesDown } }), { messages });
    const { clock, network, server, client, sessions, atClient } = act;
    server.on("connection", (connection) => void connection.send(note, { text: "0" }));
    void client.connect();
    await clock.runUntil(() => client.state === "connected");
    await clock.advance(100);
    expect(atClient.notes).toEqual([]);
    network.cut();
    await clock.runUntil(() => atClient.notes.length > 0);
    expect([atClient.notes, sessions.length]).toEqual([[0], 1]);
  });

  it("calls and streams of both directions live through forty cuts in a row; each handler runs once (socket.io#4880)", async () => {
    const { clock, network, client, sessions, atServer, atClient } = await connected(1, "clean", { messages });
    const up = client.service(TestServiceDefinition);
    const down = sessions[0]!.service(TestServiceDefinition);
    const replies = [
      up.echo({ text: "up", delayMs: 20_000 }, { timeoutMs: 0 }),
      down.echo({ text: "down", delayMs: 20_000 }, { timeoutMs: 0 }),
      up.sum(slow(upTo(40)), { timeoutMs: 0 }),
    ];
    const items: number[] = [];
    const stream = (async () => {
      for await (const { number } of down.count({ count: 5_000 })) items.push(number);
    })();
    async function* slow(numbers: number[]) {
      for (const number of numbers) {
        await sleep(clock, 500);
        yield { number: BigInt(number) };
      }
    }
    for (const _ of upTo(40)) {
      await clock.advance(500);
      network.cut();
      await clock.runUntil(() => client.state === "connected");
    }
    await clock.advance(20_000);
    expect(await Promise.all(replies)).toMatchObject([{ text: "up" }, { text: "down" }, { sum: 780n }]);
    await stream;
    expect(items).toEqual(upTo(5_000).map((i) => i + 1));
    expect([atServer.echoes.get("up"), atClient.echoes.get("down")]).toEqual([1, 1]);
    expect([sessions.length, act.gaps]).toEqual([1, { client: [], server: [] }]);
  });

  it("what is sent while kept frames go out again comes behind them (MQTT.js#2015)", async () => {
    // The first link takes what the client sends and brings nothing back: nothing is acknowledged.
    const { clock, network, client, atServer } = await connected(1, faultsOf({ up: { silentAtByte: 400 } }), { messages });
    const service = client.service(TestServiceDefinition);
    for (const i of upTo(50)) void service.note({ text: String(i) });
    await clock.runUntilIdle();
    network.cut();
    await clock.runUntilIdle();
    for (const i of upTo(5)) void service.note({ text: String(50 + i) });
    client.on("state", (state) => {
      if (state === "connected") for (const i of upTo(5)) void service.note({ text: String(55 + i) });
    });
    await clock.runUntil(() => client.state === "connected");
    await clock.advance(1_000);
    expect(atServer.notes).toEqual(upTo(60));
  });
});

it("much that is kept gets through a line that breaks again and again: messages are no larger than they need be", async () => {
  const line = { up: { cutAtByte: 40_000 } };
  const { clock, network, client, sessions, atServer } = await connected(1, line, { messages: true });
  network.stall(100);
  for (const i of upTo(2_500)) void client.service(TestServiceDefinition).note({ text: `${i}`.padEnd(80) });
  await clock.runUntil(() => atServer.notes.length >= 2_500, 60_000);
  expect(atServer.notes).toEqual(upTo(2_500));
  expect([network.stats.cuts > 5, sessions.length]).toEqual([true, 1]);
});

it("late events of a socket that was replaced change nothing (centrifuge-js#393)", async () => {
  const { clock, network, client, sessions, atServer, atClient } = await connected(
    1,
    faultsOf({ up: { latencyMs: 10 }, down: { latencyMs: 10 } }),
  );
  const service = client.service(TestServiceDefinition);
  void service.note({ text: "0" });
  await clock.advance(100);
  // The old link goes quiet with frames under way in both directions; they arrive when the new one is long in use.
  network.stall(60_000);
  void service.note({ text: "1" });
  void sessions[0]!.send(note, { text: "0" });
  await clock.runUntilIdle();
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  await clock.runUntil(() => client.state === "connected" && network.stats.links === 2);
  void service.note({ text: "2" });
  await clock.advance(120_000);
  void service.note({ text: "3" });
  await clock.advance(1_000);
  expect([atServer.notes, atClient.notes]).toEqual([upTo(4), [0]]);
  expect(states).toEqual(["retry-pending", "connecting", "connected"]);
  expect([sessions.length, network.stats.links]).toEqual([1, 2]);
});

it("the newest connection has the session, however late the hello of an earlier one arrives", async () => {
  // The second link's hello is under way when the client gives that attempt up, and arrives when the third is in use.
  const { clock, network, client, sessions, atServer } = await connected(1, faultsOf({}, { up: { latencyMs: 5_000 } }), {
    client: { handshakeTimeoutMs: 2_000 },
  });
  const service = client.service(TestServiceDefinition);
  network.cut();
  await clock.runUntil(() => client.state === "connected" && network.stats.links === 3);
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  for (const i of upTo(60)) {
    void service.note({ text: String(i) });
    await clock.advance(1_000);
  }
  expect(atServer.notes).toEqual(upTo(60));
  expect([states, sessions.length, client.state]).toEqual([[], 1, "connected"]);
});

it("there is one socket at a time, whatever is asked for meanwhile (nats.ws#172)", async () => {
  act = stage(1, "clean");
  const { clock, network, client } = act;
  const connects = upTo(5).map(() => client.connect());
  await clock.runUntil(() => client.state === "connected");
  await Promise.all([...connects, client.connect()]);
  expect(network.stats.links).toBe(1);
  network.cut();
  const again = upTo(5).map(() => client.connect());
  await clock.runUntil(() => client.state === "connected");
  await Promise.all(again);
  await clock.advance(10_000);
  expect(network.stats).toMatchObject({ links: 2, open: 1 });
});

it("a session may be interrupted again when the window of an earlier interruption is over", async () => {
  const { clock, network, client, sessions } = await connected(1, "clean", { server: { resumeWindowMs: 10_000 } });
  network.cut();
  await clock.runUntil(() => client.state === "connected");
  await clock.advance(9_700);
  network.reachable = false;
  network.cut();
  await clock.advance(5_000);
  network.reachable = true;
  await clock.runUntil(() => client.state === "connected");
  expect([sessions.length, sessions[0]!.attached]).toEqual([1, true]);
});

it("a hello whose sender is gone when the server has authenticated it takes nobody's place", async () => {
  const { clock, network, client, sessions, server, atServer } = await connected(1, faultsOf({}, {}), {
    server: { authenticate: () => sleep(act.clock, 3_000).then(() => ({ subject: "ada" })) },
  });
  network.cut();
  await clock.runUntil(() => client.state === "connecting");
  await clock.advance(1_000);
  network.cut();
  await clock.advance(2_500);
  expect(sessions[0]!.attached).toBe(false);
  await clock.runUntil(() => client.state === "connected");
  await client.service(TestServiceDefinition).note({ text: "0" });
  await clock.advance(1_000);
  expect([atServer.notes, sessions.length, server.connections.length]).toEqual([[0], 1, 1]);
});

it("a note whose handler runs when the link breaks is handled once (centrifuge-go#160)", async () => {
  const { clock, network, client, atServer, server } = await connected(1, "clean");
  server.use(async (_context, next) => {
    network.cut();
    return next();
  });
  for (const i of upTo(10)) {
    void client.service(TestServiceDefinition).note({ text: String(i) });
    await clock.advance(500);
  }
  expect(atServer.notes).toEqual(upTo(10));
});

it("what a client sends while it does not know yet that its link is gone arrives, in order (socket.io#5363)", async () => {
  const { clock, network, client, sessions, atServer } = await connected(1, "clean");
  const service = client.service(TestServiceDefinition);
  for (const i of upTo(10)) {
    network.halfOpen("up");
    void service.note({ text: String(3 * i) });
    await clock.advance(20);
    void service.note({ text: String(3 * i + 1) });
    network.cut();
    void service.note({ text: String(3 * i + 2) });
    await clock.runUntil(() => client.state === "connected");
  }
  await clock.advance(1_000);
  expect([atServer.notes, sessions.length]).toEqual([upTo(30), 1]);
});

it("after a rejection token and numbers start anew together, and the next cut resumes that session (centrifuge-js#425)", async () => {
  const { clock, network, client, sessions, atServer, atClient, gaps } = await connected(1, "clean", { server: { resumeWindowMs: 1_000 } });
  const service = client.service(TestServiceDefinition);
  for (const i of upTo(20)) {
    void service.note({ text: String(i) });
    void sessions[0]!.send(note, { text: String(i) });
  }
  await clock.advance(100);
  network.reachable = false;
  network.cut();
  await clock.advance(5_000);
  network.reachable = true;
  await clock.runUntil(() => client.state === "connected");
  for (const i of upTo(20)) {
    network.halfOpen();
    void service.note({ text: String(20 + i) });
    void sessions[1]!.send(note, { text: String(20 + i) });
    await clock.runUntilIdle();
    network.cut();
    await clock.runUntil(() => client.state === "connected");
  }
  await clock.advance(1_000);
  expect([atServer.notes, atClient.notes]).toEqual([upTo(40), upTo(40)]);
  expect([sessions.length, gaps]).toEqual([2, { client: [], server: [] }]);
});

it.each([
  [
    "the server's",
    { heartbeatIntervalMs: 600_000, heartbeatTimeoutMs: 300_000 },
    { heartbeatIntervalMs: 2_000, heartbeatTimeoutMs: 1_000 },
  ],
  [
    "the client's",
    { heartbeatIntervalMs: 2_000, heartbeatTimeoutMs: 1_000 },
    { heartbeatIntervalMs: 600_000, heartbeatTimeoutMs: 300_000 },
  ],
])(
  "a quiet connection lives on where %s heartbeat is later than the other's patience (99designs/gqlgen#745)",
  async (_whose, server, client) => {
    const { clock, network } = await connected(1, "clean", { server, client });
    await clock.advance(3_600_000);
    expect(network.stats).toMatchObject({ links: 1, open: 1 });
  },
);

it("a large upload over a slow line is no sign of death (rsocket-java#712)", async () => {
  const slow: LinkFaults = { up: { bytesPerSecond: 10_000, latencyMs: 200 }, down: { bytesPerSecond: 10_000, latencyMs: 200 } };
  const heartbeat = { heartbeatIntervalMs: 2_000, heartbeatTimeoutMs: 2_000 };
  const { clock, network, client, sessions } = await connected(1, slow, { server: heartbeat, client: heartbeat });
  const data = new Uint8Array(500_000).fill(7);
  const up = client.service(TestServiceDefinition).echo({ text: "large", data }, { timeoutMs: 0 });
  await clock.advance(150_000);
  expect((await up).data).toEqual(data);
  expect([network.stats.links, sessions.length]).toEqual([1, 1]);
});

it("damage anywhere in a frame ends no session, not even where it makes the length too large", async () => {
  const limits = { maxPayload: 1024 };
  const options = { server: limits, client: limits };
  const { bytesUp } = (await connected(1, "clean", options)).network.stats;
  await act.end();
  const codes = new Set<string>();
  const data = new Uint8Array(900);
  for (let at = 0; at < 60; at++) {
    const { clock, client, server, sessions, network } = await connected(
      at,
      faultsOf({ up: { corruptAtBytes: [bytesUp + (at % 20)] } }),
      options,
    );
    server.on("limit", ({ code }) => codes.add(code));
    const reply = client.service(TestServiceDefinition).echo({ text: "x", data });
    await clock.advance(10_000);
    expect((await reply).data).toEqual(data);
    expect([network.stats.corrupted, sessions.length]).toEqual([1, 1]);
    await act.end();
  }
  expect([...codes]).not.toContain("frame-too-large");
});

it("on a line that damages one byte in 10,000 all arrives at no more than five times its bytes", async () => {
  const notes = 1_000;
  const options = { resyncBudget: 1_000_000 };
  const { clock, network, client, atServer, sessions } = await connected(
    1,
    { up: { corruptionRate: 1 / 10_000, latencyMs: 5 }, down: { latencyMs: 5 } },
    { server: options, client: options },
  );
  for (const i of upTo(notes)) void client.service(TestServiceDefinition).note({ text: `${i}`.padEnd(1_000) });
  await clock.runUntil(() => atServer.notes.length >= notes, 600_000);
  expect(atServer.notes).toEqual(upTo(notes));
  expect(network.stats.corrupted).toBeGreaterThan(100);
  expect(network.stats.bytesUp).toBeLessThan(5 * notes * 1_000);
  expect(sessions).toHaveLength(1);
});

describe("a server that is there no more", () => {
  it("rejects: the client tells the range, fails the calls, and goes on with a new session", async () => {
    const { clock, network, client, server, sessions, gaps } = await connected(1, "clean", { server: { resumeWindowMs: 1_000 } });
    const service = client.service(TestServiceDefinition);
    for (const i of upTo(3)) void service.note({ text: String(i) });
    const call = service.echo({ text: "open", delayMs: 600_000 }, { timeoutMs: 0 });
    const code = codeOf(call);
    // Cut before any acknowledgement.
    await clock.runUntilIdle();
    network.cut();
    network.reachable = false;
    await clock.advance(5_000);
    const waiting = service.echo({ text: "waiting" }, { timeoutMs: 0 });
    network.reachable = true;
    await clock.runUntil(() => client.state === "connected");
    expect((await waiting).text).toBe("waiting");
    expect(await code).toBe("unavailable");
    expect(gaps.client).toEqual([{ direction: "out", from: 1, to: 4, reason: expect.any(String) }]);
    expect([sessions.length, server.connections.length]).toEqual([2, 1]);
  });

  it("is owed nothing: answers to its calls do not reach the calls of its successor, which have the same numbers", async () => {
    const { clock, network, client, sessions } = await connected(1, "clean", { server: { resumeWindowMs: 1_000 } });
    const first = codeOf(sessions[0]!.service(TestServiceDefinition).echo({ text: "first", delayMs: 3_000 }, { timeoutMs: 0 }));
    const slow = codeOf(sessions[0]!.service(TestServiceDefinition).echo({ text: "slow", delayMs: 8_000 }, { timeoutMs: 0 }));
    await clock.advance(100);
    network.cut();
    network.reachable = false;
    // The first answer waits in the client's queue, the second handler is still running when the new session begins.
    await clock.advance(5_000);
    network.reachable = true;
    await clock.runUntil(() => client.state === "connected");
    const service = sessions[1]!.service(TestServiceDefinition);
    const calls = ["a", "b"].map((text) => service.echo({ text, delayMs: 10_000 }, { timeoutMs: 0 }));
    await clock.advance(20_000);
    expect((await Promise.all(calls)).map(({ text }) => text)).toEqual(["a", "b"]);
    expect(await Promise.all([first, slow])).toEqual(["unavailable", "unavailable"]);
  });
});

describe("a loss that nothing can mend", () => {
  it("is told with its range at both ends, breaks the calls that it may have hit, and the rest goes on in order", async () => {
    const line = { up: { latencyMs: 5 }, down: { latencyMs: 5 } };
    const { clock, network, client, sessions, atServer, gaps } = await connected(1, line, { client: { replayBytes: 0 } });
    const service = client.service(TestServiceDefinition);
    for (const i of upTo(10)) void service.note({ text: String(i) });
    const items: number[] = [];
    const stream = codeOf(
      (async () => {
        for await (const { number } of service.count({ count: 1_000_000, padding: 1_000 })) items.push(number);
      })(),
    );
    await clock.advance(200);
    const echo = codeOf(sessions[0]!.service(TestServiceDefinition).echo({ text: "x", delayMs: 50_000 }, { timeoutMs: 0 }));
    await clock.advance(200);
    network.halfOpen("up");
    for (const i of upTo(10)) void service.note({ text: String(10 + i) });
    await clock.runUntilIdle();
    network.cut();
    await clock.runUntil(() => client.state === "connected");
    for (const i of upTo(10)) void service.note({ text: String(20 + i) });
    await clock.advance(1_000);
    const [gap] = gaps.client;
    expect(gaps.client).toEqual([{ direction: "out", from: expect.any(Number), to: expect.any(Number), reason: "evicted" }]);
    expect(gaps.server).toEqual([{ ...gap, direction: "in" }]);
    // Ten notes were lost, and perhaps credit of the stream behind them.
    expect(gap!.to - gap!.from + 1).toBeGreaterThanOrEqual(10);
    expect(atServer.notes).toEqual([...upTo(10), ...upTo(30).slice(20)]);
    expect(await Promise.all([stream, echo])).toEqual(["data-loss", "data-loss"]);
    expect(items).toEqual(upTo(items.length).map((i) => i + 1));
    // Nobody streams on to a caller that is gone.
    await clock.advance(60_000);
    expect(sessions[0]!.inFlight).toBe(0);
    const after = service.echo({ text: "after" }, { timeoutMs: 0 });
    await clock.advance(100);
    expect((await after).text).toBe("after");
  });
});

it("what is too old by the next link is not sent again but told, with its range, at both ends; the rest follows in order", async () => {
  const { clock, network, client, sessions, atServer, atClient, gaps } = await connected(1, "clean", {
    client: { replayMs: 10_000 },
    server: { replayMs: 5_000 },
  });
  const service = client.service(TestServiceDefinition);
  for (const i of upTo(3)) void service.note({ text: String(i) });
  void sessions[0]!.send(note, { text: "0" });
  await clock.advance(1_000);
  network.stall(60_000);
  for (const i of upTo(4)) {
    void service.note({ text: String(3 + i) });
    void sessions[0]!.send(note, { text: String(1 + i) });
    await clock.advance(4_000);
  }
  network.cut();
  void service.note({ text: "7" });
  await clock.runUntil(() => client.state === "connected");
  await clock.advance(1_000);
  // Sent 16, 12, 8 and 4 s before.
  expect(gaps.client).toEqual([
    { direction: "in", from: 2, to: 4, reason: "evicted" },
    { direction: "out", from: 4, to: 5, reason: "evicted" },
  ]);
  expect(gaps.server).toEqual([
    { direction: "in", from: 4, to: 5, reason: "evicted" },
    { direction: "out", from: 2, to: 4, reason: "evicted" },
  ]);
  expect([atServer.notes, atClient.notes, sessions.length]).toEqual([[0, 1, 2, 5, 6, 7], [0, 4], 1]);
});

describe("a foreign client", () => {
  /** A server and scripted clients of it. */
  async function served(): Promise<(resume?: Partial<ResumeRequest>) => Promise<ScriptedPeer>> {
    act = stage(1, "clean");
    const { clock, server } = act;
    return async (resume) => {
      const [near, far] = memoryPair({ schedule: (run) => clock.defer(run) });
      server.accept(far);
      const peer = new ScriptedPeer(near);
      peer.sayHello({ resume });
      await clock.runUntilIdle();
      return peer;
    };
  }

  it("that shows what it has gets what it lacks, with the sequence and bytes it had before (phoenix#4948)", async () => {
    const dial = await served();
    const first = await dial();
    for (const text of ["0", "1", "2"]) void act.sessions[0]!.send(note, { text });
    await act.clock.runUntilIdle();
    const sent = first.ofKind(FrameKind.FRAME_KIND_MESSAGE);
    first.destroy();
    await act.clock.runUntilIdle();
    const second = await dial({ token: first.welcome!.token, received: 1n, oldest: 1n });
    expect(second.welcome!.verdict).toBe(ResumeVerdict.RESUME_VERDICT_RESUMED);
    expect(second.ofKind(FrameKind.FRAME_KIND_MESSAGE)).toEqual(sent.slice(1));
  });

  it.each([
    ["received what was never sent", { received: 9n, oldest: 1n }],
    ["received 2^64 - 1", { received: 2n ** 64n - 1n, oldest: 1n }],
    ["can send again from 0 on", { received: 0n, oldest: 0n }],
    [
      "can send again from 2^64 - 1 on, which a signed reader takes for -1 (dotnet/aspnetcore#69283)",
      { received: 0n, oldest: 2n ** 64n - 1n },
    ],
    ["shows half a token", { received: 0n, oldest: 1n, token: new Uint8Array(16) }],
  ])("that %s is rejected, and the session it asked for can still be resumed", async (_what, request) => {
    const dial = await served();
    const first = await dial();
    void act.sessions[0]!.send(note, { text: "0" });
    await act.clock.runUntilIdle();
    const { token } = first.welcome!;
    first.destroy();
    await act.clock.runUntilIdle();
    expect((await dial({ token, ...request })).welcome!.verdict).toBe(ResumeVerdict.RESUME_VERDICT_REJECTED);
    expect((await dial({ token, received: 0n, oldest: 1n })).welcome!.verdict).toBe(ResumeVerdict.RESUME_VERDICT_RESUMED);
  });

  it("that never acknowledges has the head of what waits for it once for each link, not over and over (MQTT.js#301)", async () => {
    const dial = await served();
    const answer = (peer: ScriptedPeer) => {
      peer.onFrame = ({ kind, payload }: Frame) => {
        if (kind === FrameKind.FRAME_KIND_PING) peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_PONG, payload });
      };
    };
    const first = await dial();
    answer(first);
    void act.sessions[0]!.send(note, { text: "0" });
    await act.clock.advance(600_000);
    const times = (peer: ScriptedPeer) => peer.frames.filter(({ sequence }) => sequence === 1n).length;
    // Four times more, as its first pongs look as if the frame had been lost.
    expect(times(first)).toBe(1 + 4);
  });

  it("that keeps less than the server lacks is told of the gap, and both go on behind it", async () => {
    const dial = await served();
    const first = await dial();
    first.send({ cmd: 261, sequence: 1, payload: NoteRequest.encode(NoteRequest.fromPartial({ text: "0" })).finish() });
    await act.clock.advance(100);
    first.destroy();
    await act.clock.runUntilIdle();
    const second = await dial({ token: first.welcome!.token, received: 0n, oldest: 5n });
    expect(second.welcome).toMatchObject({ verdict: ResumeVerdict.RESUME_VERDICT_GAP, received: 4n, toServer: { from: 2n, to: 4n } });
    second.send({ cmd: 261, sequence: 5, payload: NoteRequest.encode(NoteRequest.fromPartial({ text: "1" })).finish() });
    await act.clock.advance(100);
    expect(act.gaps.server).toEqual([{ direction: "in", from: 2, to: 4, reason: "evicted" }]);
    expect(act.atServer.notes).toEqual([0, 1]);
  });

  it("whose request is answered on another connection gets the answer there, from a handler that ran once", async () => {
    const dial = await served();
    const first = await dial();
    const payload = EchoRequest.encode(EchoRequest.fromPartial({ text: "slow", delayMs: 5_000 })).finish();
    const request = { cmd: 257, kind: FrameKind.FRAME_KIND_REQUEST, callId: 1, sequence: 1, payload };
    first.send(request);
    await act.clock.advance(100);
    const second = await dial({ token: first.welcome!.token, received: 0n, oldest: 1n });
    second.send(request);
    await act.clock.advance(6_000);
    expect(first.closeCode).toBe(4405);
    expect(first.ofKind(FrameKind.FRAME_KIND_RESPONSE)).toEqual([]);
    expect(second.ofKind(FrameKind.FRAME_KIND_RESPONSE)).toMatchObject([{ callId: 1, sequence: 1n }]);
    expect(act.atServer.echoes.get("slow")).toBe(1);
  });
});
