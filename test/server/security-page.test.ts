import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, ResumeVerdict, Welcome } from "../../src/gen/framewire/v1/session.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { codeBlocks } from "../helpers/markdown.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";
import { secureServer } from "./secure-server.js";

const bench = new Bench();
const folders: string[] = [];
afterEach(async () => {
  await bench.end();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const FIXTURES = fileURLToPath(new URL("../fixtures/tls", import.meta.url));
const SRC = fileURLToPath(new URL("../../src", import.meta.url));

it("the page's server is the one that runs", () => {
  const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8");
  expect(codeBlocks(page).get("secure-server.ts")).toBe(readFileSync(new URL("secure-server.ts", import.meta.url), "utf8"));
});

it("the page's server asks for origin, token and certificate, and decides over each call", async () => {
  const folder = mkdtempSync(join(tmpdir(), "framewire-"));
  folders.push(folder);
  cpSync(FIXTURES, folder, { recursive: true });
  const users = { ada: { name: "Ada", commands: [257] } };
  const { server, listen, reload } = secureServer(folder, async (token) => users[token as keyof typeof users]);
  server.implement(TestServiceDefinition, testService());
  const { ws, tcp } = await listen();
  const own = { cert: tlsFixture("client.pem"), key: tlsFixture("client.key") };
  const enter = (credentials: string, tls: object = own, url = tcp!.url) =>
    bench.client((options) => createClient(url, options), { credentials, tls: { ca: tlsFixture("ca.pem"), ...tls } });
  try {
    await expect(enter("eve")).rejects.toMatchObject({ code: "unauthenticated", message: expect.stringContaining("sign in again") });
    await expect(enter("ada", {})).rejects.toMatchObject({ code: expect.any(String) });
    expect(server.connections).toEqual([]);
    const client = await enter("ada");
    const service = client.service(TestServiceDefinition);
    expect((await service.echo({ text: "x" })).text).toBe("x");
    await expect(service.sample({ text: "x" })).rejects.toMatchObject({ code: "permission-denied" });
    expect(server.connections.map(({ identity }) => identity)).toEqual([users.ada]);
    cpSync(join(folder, "server-renewed.pem"), join(folder, "server.pem"));
    cpSync(join(folder, "server-renewed.key"), join(folder, "server.key"));
    reload();
    expect((await service.echo({ text: "still there" })).text).toBe("still there");
    await enter("ada", {}, ws!.url);
    for (const [Origin, Host] of [
      ["https://evil.example", "api.example"],
      ["https://app.example", "evil.example"],
    ] as const) {
      expect((await (await RawPeer.connect(ws!.url, { headers: { Origin, Host } })).ended).code).toBe(4404);
    }
    const hello = { credentials: Buffer.from("ada"), limits: undefined };
    const page = await RawPeer.connect(ws!.url, { headers: { Origin: "https://app.example", Host: "api.example" } });
    const { token } = await page.greet(hello);
    const resume = { token, received: 0n, oldest: 1n, restarted: false, attempt: 1 };
    const device = await RawPeer.connect(tcp!.url, { tls: own });
    expect((await device.greet({ ...hello, resume })).verdict).toBe(ResumeVerdict.RESUME_VERDICT_REJECTED);
    expect((await (await RawPeer.connect(ws!.url)).greet({ ...hello, resume })).verdict).toBe(ResumeVerdict.RESUME_VERDICT_RESUMED);
  } finally {
    await server.close();
  }
});

it("behind a proxy the page's server goes by the address that the proxy wrote, and by the proxy's own where there is none", async () => {
  const { server, listen } = secureServer(FIXTURES, async () => ({ name: "Ada", commands: [] }), true);
  try {
    const { ws } = await listen();
    for (const headers of [{ "X-Forwarded-For": "198.51.100.7, 203.0.113.9" }, { "X-Forwarded-For": "" }, {}]) {
      const peer = await RawPeer.connect(ws!.url, { headers });
      await peer.greet();
    }
    await expect.poll(() => server.connections.length).toBe(3);
    const own = new URL(ws!.url).hostname;
    expect(server.connections.map(({ transport }) => transport.remoteAddress)).toEqual(["203.0.113.9", own, own]);
  } finally {
    await server.close();
  }
});

it("credentials and resume tokens are in no event and on no connection", async () => {
  const SECRET = "correct horse battery staple";
  const told: unknown[] = [];
  const server = bench.server({ authenticate: () => ({}) });
  server.implement(TestServiceDefinition, testService());
  for (const event of ["connection", "disconnection", "refused", "limit", "failure", "invalid", "drop", "frame"] as const) {
    server.on(event, (...details: unknown[]) => told.push([event, details]));
  }
  const { tcp } = await server.listen({ tcp: {} });
  const peer = await RawPeer.connect(tcp!.url);
  const { token } = await peer.greet({ credentials: new TextEncoder().encode(SECRET) });
  expect(token).toHaveLength(32);
  const client = createClient(tcp!.url, { credentials: SECRET, reconnect: false });
  client.on("frame", (frame) => told.push(frame));
  client.on("state", (...details) => told.push(details));
  await client.connect();
  await expect(client.service(TestServiceDefinition).echo({ text: "throw" })).rejects.toMatchObject({ code: "internal" });
  await client.close();
  peer.destroy();
  await expect.poll(() => server.sessions.interrupted).toBe(1);
  expect(told.length).toBeGreaterThan(5);
  expect(told.some((each) => (each as readonly unknown[])[0] === "frame")).toBe(true);
  const text = flat(told);
  const secret = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain(secret(token));
  expect(text).not.toContain(secret(token.subarray(16)));
  // What is told is looked at as a whole: a frame's payload with the same words in it would have been found.
  expect(flat({ payload: Hello.encode(Hello.fromPartial({ credentials: Buffer.from(SECRET) })).finish() })).toContain(SECRET);
  expect(flat({ payload: Welcome.encode(Welcome.fromPartial({ token })).finish(), kind: FrameKind.FRAME_KIND_WELCOME })).toContain(
    secret(token),
  );
});

/** Every text and all bytes that can be reached, getters included. */
function flat(value: unknown, seen = new Set<unknown>()): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
  if (typeof value !== "object" || value === null) return String(value);
  if (seen.has(value)) return "";
  seen.add(value);
  const parts: string[] = [];
  for (let object: object | null = value; object !== null && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    for (const [name, { get, value: own }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (name === "constructor" || typeof own === "function") continue;
      parts.push(flat(get === undefined ? own : get.call(value), seen));
    }
  }
  return parts.join("\n");
}

it("nothing but the command line and the default loggers writes to a console", () => {
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts") && !name.startsWith("cli"));
  expect(files.length).toBeGreaterThan(50);
  const writes = files.filter((name) => /\bconsole\.|process\.(stdout|stderr)/.test(readFileSync(join(SRC, name), "utf8")));
  expect(writes.sort()).toEqual([join("runtime", "limited-log.ts"), join("runtime", "logger.ts")]);
});
