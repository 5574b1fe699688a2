/** What a peer sends that cannot be served, and what is dropped: an event, a counter and a line at debug for each. */
import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { encodeFrame } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { createServer, type ServerInvalidEvent } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeClient } from "../helpers/fake-client.js";
import { RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { recordedLog } from "../helpers/recorded-log.js";
import { testService } from "../helpers/test-service.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const { FRAME_KIND_REQUEST: REQUEST, FRAME_KIND_ITEM: ITEM } = FrameKind;
/** No message: a tag that is cut off, and text that must not be in a log. */
const BROKEN = Buffer.from("\xff\xffPAYLOAD-1234", "latin1");

async function served() {
  const logger = recordedLog();
  const server = bench.server({ logger });
  server.implement(TestServiceDefinition, testService());
  const events: ServerInvalidEvent[] = [];
  server.on("invalid", (event) => events.push(event));
  const failures: unknown[] = [];
  server.on("failure", (failure) => failures.push(failure));
  const { ws } = await server.listen({ ws: {} });
  const seen = () => events.map(({ reason, command, error }) => `${reason} ${command} ${error.code}`);
  return { server, logger, url: ws!.url, events, seen, failures };
}

describe("what a client sends that cannot be served", () => {
  it("is told by an event, counted by method and logged at debug, and is no failure of the application", async () => {
    const { server, logger, url, events, seen, failures } = await served();
    const peer = await RawPeer.connect(url, { protocols: ["framewire.v2"] });
    await peer.greet();
    const frames = [
      { cmd: 0x999, kind: REQUEST, callId: 1 },
      { cmd: 0x998 },
      { cmd: 257, kind: REQUEST, callId: 3, payload: BROKEN },
      { cmd: 261, payload: BROKEN },
      { cmd: 257, kind: REQUEST, callId: 5, ext: BROKEN },
      { cmd: 259, kind: REQUEST, callId: 7 },
      { cmd: 259, kind: ITEM, callId: 7, payload: BROKEN },
      { cmd: 259 },
    ];
    for (const frame of frames) peer.send(seededFrame(frame));
    await expect
      .poll(seen)
      .toEqual([
        "unknown-command 0x0999 unimplemented",
        "unknown-command 0x0998 unimplemented",
        "undecodable test.v1.TestService/Echo invalid-argument",
        "undecodable test.v1.TestService/Note invalid-argument",
        "undecodable test.v1.TestService/Echo invalid-argument",
        "undecodable test.v1.TestService/Sum invalid-argument",
        "wrong-kind test.v1.TestService/Sum unimplemented",
      ]);
    expect(events.every(({ connection }) => connection === server.connections[0])).toBe(true);
    expect(server.stats.invalid).toEqual({
      unknownCommands: 2,
      methods: { "test.v1.TestService/Echo": 2, "test.v1.TestService/Note": 1, "test.v1.TestService/Sum": 2 },
    });
    expect(failures).toEqual([]);
    const lines = logger.lines.filter(({ message }) => message === "a client sent what cannot be served");
    expect(lines).toHaveLength(7);
    expect(lines[0]).toEqual({
      level: "debug",
      facts: { connection: "1", address: expect.any(String), cmd: "0x0999", reason: "unknown-command", code: "unimplemented" },
      message: "a client sent what cannot be served",
    });
    expect(lines[2]!.facts).toMatchObject({ method: "test.v1.TestService/Echo", reason: "undecodable", code: "invalid-argument" });
    expect(JSON.stringify(logger.lines)).not.toContain("PAYLOAD-1234");
    expect(logger.texts("info")).toEqual([]);
    peer.destroy();
  });

  it("is told of version 1 peers too", async () => {
    const { server, url, seen, failures } = await served();
    const peer = await RawPeer.connect(url, { protocols: ["framewire.v1"] });
    for (const [cmd, payload] of [
      [0x999, Buffer.alloc(0)],
      [257, BROKEN],
      [258, Buffer.alloc(0)],
    ] as const) {
      peer.send(encodeFrame({ version: 1, cmd, payload }));
    }
    await expect
      .poll(seen)
      .toEqual([
        "unknown-command 0x0999 unimplemented",
        "undecodable test.v1.TestService/Echo invalid-argument",
        "wrong-kind test.v1.TestService/Count unimplemented",
      ]);
    expect(server.stats.invalid.unknownCommands).toBe(1);
    expect(failures).toEqual([]);
    peer.destroy();
  });

  it("fills no log: a flood of unknown commands is ten lines a second, and the rest is counted", async () => {
    const clock = new VirtualClock();
    const logger = recordedLog();
    const server = createServer({ clock, logger });
    const client = new FakeClient(server);
    client.sayHello();
    await clock.advance(1);
    for (let cmd = 1_000; cmd < 1_060; cmd++) client.send({ cmd });
    await clock.advance(1);
    const lines = () => logger.lines.filter(({ message }) => message.endsWith("a client sent what cannot be served"));
    expect(server.stats.invalid).toEqual({ unknownCommands: 60, methods: {} });
    expect(lines()).toHaveLength(10);
    await clock.advance(1_000);
    expect(lines()).toHaveLength(11);
    expect(lines()[10]).toMatchObject({
      level: "debug",
      facts: { more: 50 },
      message: "… and 50 more of these: a client sent what cannot be served",
    });
    const closed = server.close();
    await clock.advance(5_000);
    await closed;
  });
});

describe("what is dropped", () => {
  it("by a client that is away is told, counted and logged, as its send resolves all the same", async () => {
    const logger = recordedLog();
    const client = createClient("ws://127.0.0.1:1", { logger });
    const drops: unknown[] = [];
    client.on("drop", (drop) => drops.push(drop));
    const { price } = client.service(TestServiceDefinition);
    await price({});
    await price({});
    expect(drops).toEqual([
      { cmd: 263, command: "test.v1.TestService/Price", reason: "not-connected" },
      { cmd: 263, command: "test.v1.TestService/Price", reason: "not-connected" },
    ]);
    expect(client.dropped).toEqual({ "test.v1.TestService/Price": 2 });
    expect(logger.lines).toEqual([
      { level: "debug", facts: { method: "test.v1.TestService/Price", reason: "not-connected" }, message: "a message was dropped" },
      { level: "debug", facts: { method: "test.v1.TestService/Price", reason: "not-connected" }, message: "a message was dropped" },
    ]);
    await client.close();
  });

  it("by a server for a client that is away is told, counted and logged", async () => {
    const clock = new VirtualClock();
    const logger = recordedLog();
    const server = createServer({ clock, logger });
    const drops: unknown[] = [];
    server.on("drop", ({ connection, ...drop }) => drops.push([connection.id, drop]));
    const client = new FakeClient(server);
    client.sayHello();
    await clock.advance(1);
    client.break();
    await clock.advance(1);
    server.broadcast(TestServiceDefinition.methods.price, {});
    expect(drops).toEqual([["1", { cmd: 263, command: "test.v1.TestService/Price", reason: "not-connected" }]]);
    expect(server.stats.dropped).toBe(1);
    expect(logger.lines.at(-1)).toMatchObject({
      level: "debug",
      facts: { connection: "1", method: "test.v1.TestService/Price" },
      message: "a message was dropped",
    });
    const closed = server.close();
    await clock.advance(5_000);
    await closed;
  });
});
