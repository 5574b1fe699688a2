/** framewire/client/core: each part of a client, used and missing, on the core of Node and on that of pages. */
import { afterEach, describe, expect, it } from "vitest";
import * as page from "../../src/client/core/browser.js";
import * as node from "../../src/client/core/index.js";
import { createClient as createEveryPart } from "../../src/client/index.js";
import { createServer, type Server, type ServerConnection } from "../../src/server/index.js";
import type { InvalidEvent } from "../../src/session/events.js";
import { MemoryNetwork } from "../../src/testing/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";

const NOTE = 0x4b2;
const ending: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of ending.splice(0)) await each.close();
});

/** A server of all kinds of calls, and its connections in the order that they came. */
function open(protocol?: 1 | 2) {
  const connections: ServerConnection[] = [];
  const server: Server = createServer({ logger: false });
  server.on("connection", (connection) => connections.push(connection));
  server.implement(TestServiceDefinition, {
    echo: async ({ text }) => ({ text }),
    async *count({ count }) {
      for (let number = 1; number <= count; number++) yield { number };
    },
    async sum(numbers) {
      let sum = 0n;
      for await (const { number } of numbers) sum += number;
      return { sum };
    },
    async *chat(lines) {
      for await (const line of lines) yield line;
    },
  });
  ending.push(server);
  const connector = new MemoryNetwork(protocol === undefined ? {} : { protocol }).connector(server);
  return { connections, connector };
}

const importOf = (part: string) =>
  expect.stringContaining(`import { ${part} } from "framewire/client/core" and pass it to createClient as { use: [${part}()] }`);

describe.each([
  ["Node", node],
  ["pages", page],
] as const)("the core of %s", (_, { createClient, serving, version1, clientStreams, logging }) => {
  const join = async (use: node.ClientPart[] = [], { protocol, ...options }: node.CoreClientOptions & { protocol?: 1 | 2 } = {}) => {
    const { connections, connector } = open(protocol);
    const client = createClient("ws://core", { connector, reconnect: false, use, ...options });
    ending.push(client);
    await client.connect();
    return { client, connection: connections[0] as ServerConnection, service: client.service(TestServiceDefinition) };
  };

  it("has calls with one reply and streams of the server without any part", async () => {
    const { service } = await join();
    expect(await service.echo({ text: "hi" })).toMatchObject({ text: "hi" });
    const numbers: number[] = [];
    for await (const { number } of service.count({ count: 3 })) numbers.push(number);
    expect(numbers).toEqual([1, 2, 3]);
  });

  const noLists: unknown[] = [[serving], ["serving"], [null], [{ foo: 1 }], {}, serving, "serving", 1];
  it.each(noLists.map((use) => ({ use })))("refuses $use as its parts", ({ use }) => {
    expect(() => createClient("ws://core", { use: use as never })).toThrow(
      expect.objectContaining({ code: "invalid-option", message: expect.stringContaining("{ use: [serving()] }") }),
    );
  });

  it("without serving, registers no handler and names the import", async () => {
    const { client } = await join();
    const missing = { code: "invalid-option", message: importOf("serving") };
    expect(() => client.implement(TestServiceDefinition, {})).toThrow(expect.objectContaining(missing));
    expect(() => client.handle(NOTE, NoteRequest, () => {})).toThrow(expect.objectContaining(missing));
    expect(() => client.use((_context, next) => next())).toThrow(expect.objectContaining(missing));
  });

  it("without serving, answers a call of the server with unimplemented, and tells of it and of messages by an event", async () => {
    const { client, connection, service } = await join();
    const invalid: InvalidEvent[] = [];
    client.on("invalid", (event) => invalid.push(event));
    await expect(connection.service(TestServiceDefinition).echo({ text: "hi" })).rejects.toMatchObject({
      code: "unimplemented",
      fault: "remote",
    });
    await connection.send(NOTE, NoteRequest, { text: "hi" });
    expect(await service.echo({ text: "still there" })).toMatchObject({ text: "still there" });
    expect(invalid.map(({ reason, cmd }) => [reason, cmd])).toEqual([
      ["unknown-command", expect.any(Number)],
      ["unknown-command", NOTE],
    ]);
    for (const { error } of invalid) expect(error).toMatchObject({ code: "unimplemented", message: importOf("serving") });
  });

  it("with serving, serves calls and messages of the server", async () => {
    const { client, connection, service } = await join([serving()]);
    const notes: string[] = [];
    client.use((_context, next) => next());
    client.implement(TestServiceDefinition, { echo: async ({ text }) => ({ text: `${text}!` }) });
    client.handle(NOTE, NoteRequest, ({ text }) => void notes.push(text));
    expect(await connection.service(TestServiceDefinition).echo({ text: "hi" })).toMatchObject({ text: "hi!" });
    await connection.send(NOTE, NoteRequest, { text: "note" });
    await service.echo({ text: "" });
    expect(notes).toEqual(["note"]);
  });

  it("without clientStreams, refuses a stream of requests, names the import and closes the source", async () => {
    const { service } = await join();
    let closed = 0;
    const numbers = () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: { number: 1n } }),
        return: async () => {
          closed++;
          return { done: true as const, value: undefined };
        },
      }),
    });
    const missing = { code: "unimplemented", message: importOf("clientStreams") };
    await expect(service.sum(numbers())).rejects.toMatchObject(missing);
    await expect(service.chat([])[Symbol.asyncIterator]().next()).rejects.toMatchObject(missing);
    expect(closed).toBe(1);
    expect(await service.echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  it("with clientStreams, streams requests both ways", async () => {
    const { service } = await join([clientStreams()]);
    expect(await service.sum([{ number: 1n }, { number: 2n }])).toEqual({ sum: 3n });
    const lines: unknown[] = [];
    for await (const line of service.chat([{ text: "a" }, { text: "b" }])) lines.push(line);
    expect(lines).toHaveLength(2);
  });

  it("without version1, offers version 2 alone and ends for good at a server that chose version 1", async () => {
    expect(() => createClient("ws://core", { version: 1 })).toThrow(
      expect.objectContaining({ code: "invalid-option", message: importOf("version1") }),
    );
    const offered: unknown[] = [];
    const { connector } = open(1);
    const client = createClient("ws://core", {
      connector: (url, settings, signal) => {
        offered.push(settings.versions);
        return connector(url, settings, signal);
      },
      reconnect: { baseMs: 1, retries: 3 },
    });
    ending.push(client);
    await expect(client.connect()).rejects.toMatchObject({ code: "version-unsupported", message: importOf("version1") });
    expect(offered).toEqual([[2]]);
  });

  it("with version1, speaks to a server that chose version 1", async () => {
    const { client, service } = await join([version1()], { protocol: 1 });
    expect(client.version).toBe(1);
    expect(await service.echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  it("with version1 and no serving, tells of a message of a version 1 server by an event", async () => {
    const { client, connection } = await join([version1()], { protocol: 1 });
    const invalid = new Promise<InvalidEvent>((resolve) => client.on("invalid", resolve));
    await connection.send(NOTE, NoteRequest, { text: "hi" });
    expect((await invalid).error).toMatchObject({ code: "unimplemented", message: importOf("serving") });
  });

  it("without logging, refuses a logger and names the import; with it, the logger gets the lines", async () => {
    const lines: string[] = [];
    const write = (_facts: object, message: string) => void lines.push(message);
    const logger = { debug: write, info: write, warn: write, error: write };
    expect(() => createClient("ws://core", { logger })).toThrow(
      expect.objectContaining({ code: "invalid-option", message: importOf("logging") }),
    );
    await join([logging()], { logger });
    expect(lines).toContain("the client's state");
  });
});

it("createClient of framewire/client has every part", async () => {
  const lines: string[] = [];
  const write = (_facts: object, message: string) => void lines.push(message);
  for (const protocol of [1, 2] as const) {
    const { connector, connections } = open(protocol);
    const client = createEveryPart("ws://core", {
      connector,
      reconnect: false,
      logger: { debug: write, info: write, warn: write, error: write },
    });
    ending.push(client);
    client.implement(TestServiceDefinition, { echo: async ({ text }) => ({ text: `${text}!` }) });
    await client.connect();
    expect(client.version).toBe(protocol);
    expect(await connections[0]?.service(TestServiceDefinition).echo({ text: "hi" })).toMatchObject({ text: "hi!" });
    if (protocol === 2) expect(await client.service(TestServiceDefinition).sum([{ number: 3n }])).toEqual({ sum: 3n });
  }
  expect(lines.length).toBeGreaterThan(0);
});
