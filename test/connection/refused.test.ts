/** What is wrong in a call, an option or a name is refused at once, with `invalid-option` and the nearest right name. */
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { nearestName } from "../../src/nearest.js";
import { openOutbox } from "../../src/outbox/index.js";
import { createServer, type Server } from "../../src/server/index.js";
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

const refusal = (message: RegExp) => expect.objectContaining({ code: "invalid-option", message: expect.stringMatching(message) });

describe("a call with an option that cannot be", () => {
  it.each([
    [{ timeoutMs: -5 }, /echo: timeoutMs is -5; it must be a number from 0 to 2147483647, or Infinity/i],
    [{ timeoutMs: Number.NaN }, /timeoutMs is NaN/],
    [{ timeoutMs: "300" }, /timeoutMs is "300"/],
    [{ timeoutMs: null }, /timeoutMs is null/],
    [{ timeoutMs: 2 ** 31 }, /timeoutMs is 2147483648/],
    [{ timeout: 300 }, /has no option timeout; did you mean timeoutMs\?/],
    [{ abort: true }, /has no option abort; there are metadata, onMetadata,/],
    [{ trace: 7 }, /trace is 7; it must be text/],
  ])("is refused: %j", async (options, message) => {
    const { client } = await join();
    await expect(client.service(TestServiceDefinition).echo({}, options as never)).rejects.toEqual(refusal(message));
    const reading = client
      .service(TestServiceDefinition)
      .count({}, options as never)
      [Symbol.asyncIterator]()
      .next();
    await expect(reading).rejects.toMatchObject({ code: "invalid-option" });
    await expect(client.service(TestServiceDefinition).note({}, options as never)).rejects.toMatchObject({ code: "invalid-option" });
  });

  it("but no limit may be said as Infinity, and an option as undefined", async () => {
    const { client } = await join();
    const options = { timeoutMs: Number.POSITIVE_INFINITY, signal: undefined, timeout: undefined };
    expect(await client.service(TestServiceDefinition).echo({ text: "a" }, options as never)).toMatchObject({ text: "a" });
  });
});

describe("an option that does not exist is refused where it is given", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "createClient",
      () => createClient("ws://x", { reconect: false } as never),
      /createClient has no option reconect; did you mean reconnect\?/,
    ],
    [
      "reconnect",
      () => createClient("ws://x", { reconnect: { maxRetries: 3 } as never }),
      /reconnect has no option maxRetries; did you mean retries\?/,
    ],
    ["peer", () => createClient("ws://x", { peer: { nam: "a" } as never }), /peer has no option nam; did you mean name\?/],
    [
      "createServer",
      () => createServer({ maxConnection: 3 } as never),
      /createServer has no option maxConnection; did you mean maxConnections\?/,
    ],
    [
      "handle",
      () => createServer().handle(1, NoteRequest, () => {}, { replay: NoteRequest } as never),
      /handle has no option replay; did you mean reply\?/,
    ],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(refusal(message));
  });

  it("listen, close and openOutbox", async () => {
    const server = createServer();
    await expect(server.listen({ wss: {} } as never)).rejects.toEqual(refusal(/listen has no option wss; did you mean ws\?/));
    await expect(server.listen({ tcp: { ports: 1 } as never })).rejects.toEqual(
      refusal(/listen\.tcp has no option ports; did you mean port\?/),
    );
    await expect(server.close({ drain: 5 } as never)).rejects.toEqual(refusal(/close has no option drain; did you mean drainMs\?/));
    await server.close();
    const path = joinPath(tmpdir(), "framewire-never-opened");
    await expect(openOutbox(path, { durable: "power" } as never)).rejects.toEqual(refusal(/openOutbox has no option durable/));
    await expect(openOutbox(path, { durability: "disk" as never })).rejects.toEqual(refusal(/durability is disk/));
  });
});

describe("an event that does not exist", () => {
  it("is refused by clients, servers and connections", async () => {
    const { server, client } = await join();
    expect(() => client.on("states" as never, () => {})).toThrow(refusal(/a client has no event states; did you mean state\?/));
    expect(() => server.on("connect" as never, () => {})).toThrow(refusal(/a server has no event connect; did you mean connection\?/));
    expect(() => server.connections[0]!.on("message" as never, () => {})).toThrow(
      refusal(/a connection has no event message; there are close, /),
    );
    expect(() => server.on("failure", undefined as never)).toThrow(refusal(/the listener for failure is not a function/));
  });
});

describe("a codec or method that cannot do it", () => {
  const { encode, decode } = NoteRequest;

  it("handle, send and request want a codec with encode and decode", async () => {
    const { server, client } = await join();
    expect(() => server.handle(1, { encode } as never, () => {})).toThrow(refusal(/0x0001: the codec has no decode/));
    expect(() => client.handle(1, { decode } as never, () => {})).toThrow(refusal(/0x0001: the codec has no encode/));
    expect(() => server.handle(1, NoteRequest, undefined as never)).toThrow(refusal(/the handler of 0x0001 is not a function/));
    await expect(client.request(1, undefined as never, {} as never)).rejects.toEqual(refusal(/0x0001: the codec has no encode/));
    await expect(client.send(1, { decode } as never, {} as never)).rejects.toEqual(refusal(/the codec has no encode/));
    await expect(server.connections[0]!.request(1, undefined as never, {} as never)).rejects.toEqual(refusal(/the codec has no encode/));
    await expect(client.request(1, NoteRequest, {}, { reply: { encode } as never })).rejects.toEqual(refusal(/the codec has no decode/));
  });

  it("a method with streams cannot be broadcast, or sent as a message", async () => {
    const { server } = await join();
    const { count, sum } = TestServiceDefinition.methods;
    const streams = refusal(/has streams and cannot be sent as a message/);
    expect(() => server.broadcast(count, {})).toThrow(streams);
    expect(() => server.to("room").send(sum, {})).toThrow(streams);
    await expect(server.connections[0]!.send(count, {} as never)).rejects.toEqual(streams);
    expect(() => server.broadcast(undefined as never, {} as never)).toThrow(refusal(/this is not a method of a generated service/));
  });
});

describe("the nearest name", () => {
  it("is one of few changes, or one that holds the other", () => {
    expect(nearestName("TIMEOUTMS", ["timeoutMs", "trace"])).toBe("timeoutMs");
    expect(nearestName("handshakeTimeout", ["frameTimeoutMs", "handshakeTimeoutMs"])).toBe("handshakeTimeoutMs");
    expect(nearestName("heartbeet", ["heartbeatIntervalMs"])).toBeUndefined();
    expect(nearestName("x", ["ws", "tcp"])).toBeUndefined();
  });
});
