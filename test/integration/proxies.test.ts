import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { tlsFixture } from "../helpers/transports.js";
import { IDLE_MS, type RealProxy, startHaproxy, startNginx } from "./proxies.js";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const HEARTBEAT = { heartbeatIntervalMs: 500, heartbeatTimeoutMs: 500 };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Bed {
  readonly server: Server;
  readonly notes: string[];
  readonly ports: { readonly ws: number; readonly tcp: number };
}

async function serve(options: ServerOptions = {}): Promise<Bed> {
  const server = createServer({ ...HEARTBEAT, ...options });
  const notes: string[] = [];
  server.implement(TestServiceDefinition, {
    ...testService(notes),
    async *count({ count }) {
      for (let number = 1; number <= count; number++) {
        await wait(40);
        yield { number, padding: new Uint8Array(0) };
      }
    },
  });
  const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
  ends.push(() => server.close());
  return { server, notes, ports: { ws: ws!.port, tcp: tcp!.port } };
}

/** A client through a proxy, and how often it was connected and cut. */
async function join(url: string, options: ClientOptions = {}): Promise<{ client: Client; seen: { resumed: boolean[] } }> {
  const client = createClient(url, { tls: { ca: tlsFixture("ca.pem") }, reconnect: { baseMs: 20 }, ...options });
  ends.push(() => client.close());
  const seen = { resumed: [] as boolean[] };
  client.on("state", (state, detail) => state === "connected" && seen.resumed.push(detail.resumed === true));
  await client.connect();
  return { client, seen };
}

interface Way {
  readonly name: string;
  readonly start: (ports: Bed["ports"]) => Promise<RealProxy>;
  readonly url: (proxy: RealProxy) => string;
}

const WAYS: readonly Way[] = [
  { name: "nginx, WebSocket", start: ({ ws }) => startNginx(ws), url: ({ ws }) => ws },
  { name: "HAProxy, WebSocket", start: startHaproxy, url: ({ ws }) => ws },
  { name: "HAProxy, TLS", start: startHaproxy, url: ({ tls }) => tls },
];

describe.each(WAYS)("behind $name", ({ start, url }) => {
  async function open(options: ServerOptions = {}, client: ClientOptions = {}) {
    const bed = await serve(options);
    const proxy = await start(bed.ports);
    ends.push(proxy.close);
    return { ...bed, proxy, ...(await join(url(proxy), client)) };
  }

  test("calls, streams and a payload of 1 MiB, with a self-made CA", async () => {
    const { client } = await open();
    const service = client.service(TestServiceDefinition);
    expect(client.version).toBe(2);
    expect((await service.echo({ text: "Grüß dich" })).text).toBe("Grüß dich");
    const data = new Uint8Array(1024 * 1024 - 16).map((_, i) => i * 7);
    expect(Buffer.compare((await service.echo({ data })).data, data)).toBe(0);
    const numbers: number[] = [];
    for await (const { number } of service.count({ count: 10 })) numbers.push(number);
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("a quiet connection outlives the proxy's timeout by its heartbeats, and does not without them", async () => {
    const quiet = await open();
    const silent = await open({ heartbeatIntervalMs: 0 }, { heartbeatIntervalMs: 0 });
    await wait(IDLE_MS * 2.4);
    expect(quiet.seen.resumed).toEqual([false]);
    // The proxy has cut it, and it came back with its session.
    expect(silent.seen.resumed.length).toBeGreaterThan(1);
    expect(silent.seen.resumed[1]).toBe(true);
    expect((await quiet.client.service(TestServiceDefinition).echo({ text: "still here" })).text).toBe("still here");
  });

  test("a reload of the configuration during traffic costs no message, and doubles none", async () => {
    const { client, seen, notes, proxy } = await open();
    const service = client.service(TestServiceDefinition);
    const sent: string[] = [];
    let reloaded = false;
    for (let i = 0; i < 260; i++) {
      if (i === 40) {
        await proxy.reload();
        reloaded = true;
      }
      const text = `note ${i}`;
      sent.push(text);
      await service.note({ text });
      await wait(10);
    }
    await expect.poll(() => notes.length, { timeout: 5000 }).toBe(sent.length);
    expect(notes).toEqual(sent);
    expect({ reloaded, resumed: seen.resumed }).toEqual({ reloaded: true, resumed: [false, true] });
  });
});

test("nginx with buffering on delays no item of a stream", async () => {
  const { ports } = await serve();
  const proxy = await startNginx(ports.ws, { "proxy_buffering off": "proxy_buffering on" });
  ends.push(proxy.close);
  const { client } = await join(proxy.ws);
  const times: number[] = [];
  for await (const _ of client.service(TestServiceDefinition).count({ count: 10 })) times.push(performance.now());
  // They are made 40 ms apart; what was held back would come in one piece.
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(Math.min(...gaps)).toBeGreaterThan(10);
});

test("a page at the public host may connect where allowedHosts has that host, and is told of the option where it has not", async () => {
  const page = { reconnect: { retries: 0 }, headers: { Host: "example.com", Origin: "https://example.com" } };
  for (const allowed of [true, false]) {
    const { ports } = await serve(allowed ? { allowedHosts: ["example.com"] } : {});
    for (const proxy of [await startNginx(ports.ws), await startHaproxy(ports)]) {
      ends.push(proxy.close);
      const joined = join(proxy.ws, page);
      if (allowed) await joined;
      else await expect(joined).rejects.toMatchObject({ code: "origin-refused", message: expect.stringContaining("allowedHosts") });
    }
  }
});

test("the server counts connections by the address that the proxy tells", async () => {
  const { server, ports } = await serve({ clientAddress: ({ headers }) => `told ${headers["x-forwarded-for"]}` });
  for (const proxy of [await startNginx(ports.ws), await startHaproxy(ports)]) {
    ends.push(proxy.close);
    await join(proxy.ws, { headers: { "X-Forwarded-For": "6.6.6.6" } });
  }
  expect(server.connections.map(({ transport }) => transport.remoteAddress)).toEqual(["told 127.0.0.1", "told 127.0.0.1"]);
});

describe("what is in the way is told", () => {
  const ONCE = { reconnect: { retries: 0 } };

  test("a proxy that passes no Upgrade: the server answers in plain HTTP", async () => {
    const { ports } = await serve();
    const proxy = await startNginx(ports.ws, {
      "proxy_set_header Upgrade $http_upgrade;": "",
      "proxy_set_header Connection $connection_upgrade;": "",
    });
    ends.push(proxy.close);
    await expect(join(proxy.ws, ONCE)).rejects.toMatchObject({
      code: "connect-failed",
      message: expect.stringContaining(
        "answered 426 in place of the upgrade: it, or a proxy in front of it, does not speak WebSocket there",
      ),
    });
  });

  test("a proxy that refuses in plain text", async () => {
    const refusing = createHttpServer((_request, response) =>
      response.writeHead(403, { "Content-Type": "text/plain" }).end("no such thing here\n"),
    );
    refusing.listen(0, "127.0.0.1");
    await once(refusing, "listening");
    ends.push(() => new Promise((resolve) => refusing.close(resolve)));
    const { port } = refusing.address() as AddressInfo;
    await expect(join(`ws://127.0.0.1:${port}`, ONCE)).rejects.toMatchObject({
      code: "connect-failed",
      message: expect.stringContaining("answered 403 in place of the upgrade"),
    });
  });

  test("a server behind the proxy that is down", async () => {
    const proxy = await startNginx(1);
    ends.push(proxy.close);
    await expect(join(proxy.ws, ONCE)).rejects.toMatchObject({ message: expect.stringContaining("answered 502 in place of the upgrade") });
  });

  test("a certificate of a CA that nobody knows", async () => {
    const { ports } = await serve();
    const proxy = await startHaproxy(ports);
    ends.push(proxy.close);
    for (const url of [proxy.ws, proxy.tls]) {
      await expect(join(url, { ...ONCE, tls: {} })).rejects.toMatchObject({
        code: "connect-failed",
        message: expect.stringMatching(/certificate/),
      });
    }
  });
});
