/** What servers and clients write to their logs. */
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { systemClock } from "../../src/runtime/clock.js";
import { createServer, type ServerOptions } from "../../src/server/index.js";
import type { ServerConnection } from "../../src/server/server-connection.js";
import { ServerLog } from "../../src/server/server-log.js";
import { VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeClient } from "../helpers/fake-client.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { recordedLog } from "../helpers/recorded-log.js";
import { testService } from "../helpers/test-service.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.end();
});

async function served(options: ServerOptions = {}) {
  const server = bench.server(options);
  server.implement(TestServiceDefinition, testService());
  return { server, url: (await server.listen({ ws: {} })).ws!.url };
}

const connected = (url: string, options = {}) => bench.client((given) => createClient(url, given), options);

describe("a handler that throws", () => {
  it("is one line on stderr, with connection, method, code, place and cause, whether or not somebody listens", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    const { server, url } = await served({ logger: undefined as never });
    const client = await connected(url);
    const { echo } = client.service(TestServiceDefinition);
    server.use(({ metadata }, next) => {
      if (metadata.cause === "1") throw new Error("boom", { cause: new RangeError("deep") });
      return next();
    });
    await expect(echo({ text: "throw" })).rejects.toMatchObject({ code: "internal" });
    server.on("failure", () => {});
    await expect(echo({ text: "x" }, { metadata: { cause: "1" } })).rejects.toMatchObject({ code: "internal" });
    expect((await echo({ text: "goes on" })).text).toBe("goes on");
    const lines = printed.mock.calls.map(([line]) => String(line));
    expect(lines).toEqual([
      expect.stringMatching(
        /^framewire error: a handler failed; connection=1 address=\S+ method=test\.v1\.TestService\/Echo code=internal err="Error: secret of the house" at=".*test-service\.ts:.*"$/,
      ),
      expect.stringMatching(/ err="Error: boom" at=\S*logging\.test\.ts:\S+ cause="RangeError: deep"$/),
    ]);
  });

  it("is an object and a text for a logger such as pino's", async () => {
    const logger = recordedLog();
    const { url } = await served({ logger });
    const { echo } = (await connected(url)).service(TestServiceDefinition);
    await expect(echo({ text: "throw" })).rejects.toMatchObject({ code: "internal" });
    expect(logger.lines.filter(({ level }) => level === "error")).toEqual([
      {
        level: "error",
        facts: {
          connection: "1",
          address: expect.any(String),
          method: "test.v1.TestService/Echo",
          code: "internal",
          err: new Error("secret of the house"),
        },
        message: "a handler failed",
      },
    ]);
  });

  it("with an error that is meant for its caller writes nothing", async () => {
    const logger = recordedLog();
    const { url } = await served({ logger });
    const { echo } = (await connected(url)).service(TestServiceDefinition);
    await expect(echo({ text: "refuse" })).rejects.toMatchObject({ code: "not-found" });
    expect(logger.texts("info")).toEqual([]);
  });

  it("builds no line about a single frame where nobody reads lines at debug: there may be tens of thousands a second", () => {
    const connection = {
      get id(): number {
        throw new Error("looked at");
      },
    } as unknown as ServerConnection;
    const drop = { cmd: 1, command: "a.B/C", reason: "not-connected", policy: undefined } as const;
    const invalid = { reason: "unknown-command", cmd: 1, command: "0x0001", error: new FramewireError("unimplemented", "no") } as const;
    for (const logger of [false, undefined] as const) {
      const log = new ServerLog(logger, systemClock);
      log.drop(connection, drop);
      log.invalid(connection, invalid);
    }
    expect(() => new ServerLog(recordedLog(), systemClock).drop(connection, drop)).toThrow("looked at");
  });

  it("writes nothing with logger: false", async () => {
    const printed = ["error", "warn", "info", "log", "debug"].map((name) =>
      vi.spyOn(console, name as "error").mockImplementation(() => {}),
    );
    const { url } = await served({ logger: false, authenticate: ({ credentials }) => (credentials.length > 0 ? {} : (1 as never)) });
    await expect(connected(url, { logger: false })).rejects.toBeInstanceOf(FramewireError);
    const { echo } = (await connected(url, { credentials: "x" })).service(TestServiceDefinition);
    await expect(echo({ text: "throw" })).rejects.toMatchObject({ code: "internal" });
    expect(printed.flatMap(({ mock }) => mock.calls)).toEqual([]);
  });

  it("on a client is a line of the client's log", async () => {
    const logger = recordedLog();
    const { server, url } = await served();
    const client = await connected(url, { logger });
    client.implement(TestServiceDefinition, {
      echo: () => {
        throw new Error("boom");
      },
    } as never);
    const { echo } = server.connections[0]!.service(TestServiceDefinition);
    await expect(echo({ text: "x" })).rejects.toMatchObject({ code: "internal" });
    expect(logger.lines.find(({ level }) => level === "error")).toMatchObject({
      facts: { method: "test.v1.TestService/Echo", code: "internal", err: new Error("boom") },
      message: "a handler failed",
    });
  });
});

describe("hooks that fail", () => {
  it("are named", async () => {
    const logger = recordedLog();
    const { url } = await served({
      logger,
      authenticate: () => {
        throw new Error("no database");
      },
    });
    await expect(connected(url)).rejects.toBeInstanceOf(FramewireError);
    expect(logger.lines.find(({ level }) => level === "error")).toMatchObject({
      facts: { hook: "authenticate", err: new Error("no database") },
      message: expect.stringMatching(/^a hook failed, and its client will try again; to refuse a client for good, throw a FramewireError/),
    });
  });
});

describe("debug lines", () => {
  it("tell the life of connections and sessions on a server", async () => {
    const clock = new VirtualClock();
    const logger = recordedLog();
    const server = createServer({ clock, logger });
    const first = new FakeClient(server);
    first.sayHello();
    await clock.advance(1);
    first.break();
    await clock.advance(1);
    const second = new FakeClient(server);
    second.resume({ token: first.welcome!.token });
    await clock.advance(1);
    second.close(1000);
    await clock.advance(1);
    const third = new FakeClient(server);
    third.sayHello({ resume: { token: new Uint8Array(32), received: 0n, oldest: 1n, restarted: false, attempt: 1 } });
    await clock.advance(1);
    const closed = server.close();
    await clock.advance(5_000);
    await closed;
    const session = (at: number) => logger.lines.filter(({ message }) => message === "a client is connected")[at]?.facts.session;
    expect([session(0), session(1), session(2)]).toEqual(["new session", "resumed", "rejected"]);
    expect(logger.lines.find(({ message }) => message === "a connection lost its socket")?.facts).toMatchObject({
      connection: "1",
      closeCode: 1006,
    });
    expect(logger.texts().filter((text, at, all) => all.indexOf(text) === at)).toEqual([
      "a socket was accepted",
      "a handshake has begun",
      "a client is connected",
      "a connection lost its socket",
      "a session is over",
    ]);
    expect(logger.texts("info")).toEqual([]);
  });

  it("tell the states of a client, without the secrets of its address", async () => {
    const logger = recordedLog();
    const { url } = await served();
    const client = await connected(`${url}/?token=hunter2`, { logger });
    await client.close();
    expect(logger.lines.map(({ facts }) => facts.state)).toEqual(["connecting", "connected", "disconnected"]);
    expect(logger.texts("info")).toEqual([]);
    expect(JSON.stringify(logger.lines)).not.toContain("hunter2");
  });
});

it("a client that gives up says so in a warning", async () => {
  const logger = recordedLog();
  await expect(connected("ws://127.0.0.1:1", { logger })).rejects.toMatchObject({ code: "connect-failed" });
  expect(logger.lines.filter(({ level }) => level === "warn")).toMatchObject([
    { facts: { code: "connect-failed", reason: expect.stringContaining("127.0.0.1:1") }, message: "the client has given up" },
  ]);
});

it("texts of peers have no character that a terminal obeys", async () => {
  const logger = recordedLog();
  const { url } = await served({ logger });
  const peer = new WebSocket(url, "framewire.v2");
  await once(peer, "open");
  peer.close(4000, "\u001b[2Jgone\u202e");
  await expect.poll(() => JSON.stringify(logger.lines)).toContain("gone");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
  for (const { facts } of logger.lines) expect(Object.values(facts).join(" ")).not.toMatch(/[\u001b\u202e]/);
});

it("no line holds a payload, credentials or a token", async () => {
  const logger = recordedLog();
  const server = bench.server({ logger, authenticate: () => ({ subject: "a" }) });
  server.implement(TestServiceDefinition, testService());
  const { tcp } = await server.listen({ tcp: {} });
  const client = await bench.client((options) => createClient(tcp!.url, options), { logger, credentials: "CREDENTIALS-1234" });
  const { echo } = client.service(TestServiceDefinition);
  await echo({ text: "PAYLOAD-1234" });
  await expect(echo({ text: "throw" })).rejects.toMatchObject({ code: "internal" });
  const peer = await RawPeer.connect(tcp!.url);
  const { token } = await peer.greet({ credentials: Buffer.from("CREDENTIALS-1234") });
  peer.destroy();
  await client.close();
  await expect.poll(() => logger.texts().filter((text) => text === "a connection lost its socket").length).toBeGreaterThanOrEqual(2);
  const secrets = ["PAYLOAD-1234", "CREDENTIALS-1234", Buffer.from(token).toString("latin1"), Buffer.from(token).toString("hex")];
  for (const { facts, message } of logger.lines) {
    const texts = Object.values(facts).map((value) => (value instanceof Error ? String(value.stack) : String(value)));
    for (const secret of secrets) expect([message, ...texts].join("\n")).not.toContain(secret);
  }
});
