/**
 * The transports as every runtime must have them, without a test runner. `npm run verify -- bun deno` runs this on both (scripts/runtime.mjs).
 * What only Node has is in test/transport/sockets.test.ts.
 */
import assert from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import WebSocket from "ws";
import { type Client, createClient } from "../../src/client/index.js";
import { createServer, type Server } from "../../src/server/index.js";
import { createChaosProxy } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";

type Kind = "ws" | "tcp";

interface Scene {
  readonly kind: Kind;
  readonly server: Server;
  readonly url: string;
  readonly notes: string[];
  connect(url?: string): Promise<Client>;
}

const LIMITS = { logger: false as const, maxFramesPerSecond: 1_000_000, maxBytesPerSecond: 1_000_000_000 };

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 10_000; !holds(); ) {
    if (performance.now() > end) assert.fail(`not after 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  async "payloads of every length of a header arrive whole, both ways"({ connect }) {
    const echo = (await connect()).service(TestServiceDefinition).echo;
    for (const length of [0, 1, 100, 125, 126, 127, 5_000, 65_400, 65_535, 65_536, 200_000, 900_000]) {
      const data = new Uint8Array(length).map((_, index) => index * 7);
      const reply = await echo({ text: "data", data });
      assert.equal(Buffer.compare(reply.data, data), 0, `${length} bytes`);
    }
  },

  async "256 calls in flight are answered"({ connect }) {
    const echo = (await connect()).service(TestServiceDefinition).echo;
    const replies = await Promise.all(Array.from({ length: 256 }, (_, i) => echo({ text: `${i}`, data: new Uint8Array(10_000) })));
    assert.deepEqual(
      replies.map(({ text }) => text),
      Array.from({ length: 256 }, (_, i) => `${i}`),
    );
  },

  async "streams of all kinds end as they should, beyond their credit too"({ connect }) {
    const service = (await connect()).service(TestServiceDefinition);
    let last = 0;
    for await (const { number } of service.count({ count: 400, padding: 20_000 })) last = number;
    assert.equal(last, 400);
    const numbers = async function* () {
      for (let number = 1n; number <= 1_000n; number++) yield { number };
    };
    assert.equal((await service.sum(numbers())).sum, 500_500n);
    const texts = async function* () {
      for (const text of ["a", "b", "c"]) yield { text };
    };
    const answers: string[] = [];
    for await (const { text } of service.chat(texts())) answers.push(text);
    assert.deepEqual(answers, ["A", "B", "C"]);
  },

  async "a reader that pauses holds a stream of 40 MB up, and gets all of it"({ connect }) {
    let got = 0;
    for await (const { padding } of (await connect()).service(TestServiceDefinition).count({ count: 400, padding: 100_000 })) {
      if (got++ === 20) await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(padding.length, 100_000);
    }
    assert.equal(got, 400);
  },

  async "reliable sends over a link that is cut arrive once each and in order"({ connect, url, notes }) {
    const proxy = await createChaosProxy({ target: url });
    const client = await connect(proxy.url);
    const { note } = client.service(TestServiceDefinition);
    for (let i = 0; i < 200; i++) {
      await note({ text: `${i}` });
      if (i % 50 === 25) proxy.cut();
    }
    await until(() => notes.length >= 200, "all notes arrived");
    assert.deepEqual(
      notes,
      Array.from({ length: 200 }, (_, i) => `${i}`),
    );
    await client.close();
    await proxy.close();
  },

  async "a close code and its reason reach the client"({ connect, server }) {
    const client = await connect();
    const closed = new Promise<number | undefined>((resolve) => {
      client.on("state", (_state, { closeCode }) => closeCode !== undefined && resolve(closeCode));
    });
    server.connections[0]?.close(4000, "enough");
    assert.equal(await closed, 4000);
  },

  async "a client that closes is gone from its server"({ connect, server }) {
    const client = await connect();
    assert.equal(server.connections.length, 1);
    await client.close();
    await until(() => server.connections.length === 0 && server.stats.sockets === 0, "no socket is left");
  },

  async "bytes that are no frames end their connection, and no other"({ kind, connect, url, server }) {
    const good = (await connect()).service(TestServiceDefinition);
    if (kind === "ws") {
      const raw = new WebSocket(url, ["framewire.v2"]);
      raw.on("error", () => {});
      const code = new Promise<number>((resolve) => raw.on("close", resolve));
      await new Promise((resolve) => raw.once("open", resolve));
      raw.send("text");
      assert.equal(await code, 4402);
    } else {
      const { connect: dial } = await import("node:net");
      const { hostname, port } = new URL(url);
      const raw = dial(Number(port), hostname);
      raw.on("error", () => {}).resume();
      const ended = new Promise((resolve) => raw.once("close", resolve));
      raw.write(Buffer.alloc(200_000, "x"));
      await ended;
    }
    assert.equal((await good.echo({ text: "still here" })).text, "still here");
    await until(() => server.connections.length === 1, "the other connection is gone");
  },

  async "a port that nobody listens on is a failed connection"({ kind }) {
    const probe = createTcpServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const client = createClient(`${kind}://127.0.0.1:${port}`, { logger: false, reconnect: false });
    await assert.rejects(client.connect(), { code: "connect-failed" });
    await client.close();
  },
};

async function run(kind: Kind, test: (scene: Scene) => Promise<void>): Promise<void> {
  const notes: string[] = [];
  const server = createServer(LIMITS);
  server.implement(TestServiceDefinition, testService(notes));
  const addresses = await server.listen({ [kind]: {} });
  const url = addresses[kind]?.url as string;
  const clients: Client[] = [];
  const connect = async (to = url) => {
    const client = createClient(to, { logger: false, reconnect: { baseMs: 20 } });
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    await test({ kind, server, url, notes, connect });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await server.close({ drainMs: 0 });
  }
}

let failed = 0;
for (const kind of ["ws", "tcp"] as const) {
  for (const [name, test] of Object.entries(CASES)) {
    const slow = setTimeout(() => {
      console.error(`FAILED ${kind}: ${name}: not over after 60 s`);
      process.exit(1);
    }, 60_000);
    try {
      await run(kind, test);
      console.log(`ok     ${kind}: ${name}`);
    } catch (error) {
      failed++;
      console.error(`FAILED ${kind}: ${name}`, error);
    }
    clearTimeout(slow);
  }
}
process.exit(failed === 0 ? 0 : 1);
