import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { build, type Rolldown } from "vite";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createServer, type Server } from "../../src/server/index.js";
import { launchChromium } from "../helpers/chromium.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NOTE = 0x0201;
const CALL = 0x0202;

const TEXT = {
  encode: (text: string) => ({ finish: () => new TextEncoder().encode(text) }),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

/** What the page runs; the tests call what it leaves in `page`. */
const PAGE = `
  import { createClient } from "framewire/client";
  import { openOutbox } from "framewire/outbox";
  const TEXT = {
    encode: (text) => ({ finish: () => new TextEncoder().encode(text) }),
    decode: (bytes) => new TextDecoder().decode(bytes),
  };
  const states = [];
  let client;
  let outbox;
  globalThis.page = {
    states,
    async open(durability, reconnect) {
      if (durability !== undefined) outbox = await openOutbox("test", { durability });
      client = createClient(location.origin.replace("http", "ws"), { reconnect, ...(outbox && { outbox }) });
      client.on("state", (state, { resumed }) => states.push(resumed ? "resumed" : state));
      const left = outbox?.size;
      await client.connect();
      return left;
    },
    async sendOn(id) {
      for (; ; id++) {
        if (id % 2 === 0) await client.send(${NOTE}, TEXT, String(id));
        else {
          client.request(${CALL}, TEXT, String(id)).catch(() => {});
          await outbox.written();
        }
        console.log("accepted " + id);
      }
    },
    left: () => outbox.size,
    second: () => openOutbox("test").then(() => "opened", ({ code, message }) => code + ": " + message),
  };
`;

interface Script {
  readonly states: string[];
  open(durability?: "power" | "process", reconnect?: object): Promise<number | undefined>;
  sendOn(id: number): Promise<void>;
  left(): number;
  second(): Promise<string>;
}
declare const page: Script;

let browser: Browser;
let script: string;
let http: HttpServer;
let server: Server;
let context: BrowserContext;
let url: string;
const handled = new Map<number, number>();
const accepted = new Set<number>();

beforeAll(async () => {
  browser = await launchChromium();
  const result = await build({
    root: ROOT,
    configFile: false,
    logLevel: "error",
    plugins: [
      { name: "page", resolveId: (id) => (id === "page" ? "\0page" : undefined), load: (id) => (id === "\0page" ? PAGE : undefined) },
    ],
    build: { write: false, target: "es2022", modulePreload: false, rolldownOptions: { input: "page", output: { format: "es" } } },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  script = output.flatMap((part) => (part.type === "chunk" ? [part.code] : [])).join("\n");
});

afterAll(() => browser?.close());

async function start(): Promise<Page> {
  http = createHttpServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.writeHead(200, { "Content-Type": isScript ? "text/javascript" : "text/html" });
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  handled.clear();
  accepted.clear();
  server = createServer();
  const handle = (text: string) => void handled.set(Number(text), (handled.get(Number(text)) ?? 0) + 1);
  server.handle(NOTE, TEXT, handle);
  server.handle(CALL, TEXT, async (text) => {
    handle(text);
    await new Promise((resolve) => setTimeout(resolve, 30));
    return text;
  });
  await server.listen({ ws: { server: http } });
  context = await browser.newContext();
  return newPage();
}

async function newPage(): Promise<Page> {
  const opened = await context.newPage();
  opened.on("console", (message) => {
    const [word, id] = message.text().split(" ");
    if (word === "accepted") accepted.add(Number(id));
  });
  await opened.goto(url);
  return opened;
}

afterEach(async () => {
  await context?.close();
  await server?.close();
  http?.closeAllConnections();
  http?.close();
});

test.each(["power", "process"] as const)(
  "a page that is reloaded or crashes loses no accepted send, and none is handled twice (%s)",
  async (durability) => {
    let current = await start();
    let left = 0;
    for (let life = 0; life < 6; life++) {
      left += (await current.evaluate((asked) => page.open(asked), durability)) as number;
      // Goes on until the page is gone.
      const sending = current.evaluate((id) => page.sendOn(id), life * 1_000_000).catch(() => {});
      const enough = accepted.size + 20;
      await expect.poll(() => accepted.size).toBeGreaterThanOrEqual(enough);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      if (life % 2 === 0) {
        await current.reload();
      } else {
        // As good as killed: no event of the page runs.
        const session = await context.newCDPSession(current);
        session.send("Page.crash").catch(() => {});
        await current.waitForEvent("crash");
        await current.close();
        current = await newPage();
      }
      await sending;
    }
    await current.evaluate((asked) => page.open(asked), durability);
    await expect.poll(() => current.evaluate(() => page.left())).toBe(0);
    console.log(`${accepted.size} accepted, ${left} of them left by the page before, ${handled.size} handled`);
    expect([...accepted].filter((id) => !handled.has(id))).toEqual([]);
    expect([...handled].filter(([, times]) => times > 1)).toEqual([]);
    expect(accepted.size).toBeGreaterThan(100);
    expect(await current.evaluate(() => page.states)).toEqual(["connecting", "resumed"]);
  },
);

test("one page at a time has an outbox", async () => {
  const first = await start();
  await first.evaluate(() => page.open("process"));
  const second = await newPage();
  expect(await second.evaluate(() => page.second())).toMatch(/^outbox-failed: .* in use by another page$/);
  await first.close();
  expect(await second.evaluate(() => page.second())).toBe("opened");
});

test("a page that is online again tries at once", async () => {
  const current = await start();
  await current.evaluate(() => page.open(undefined, { baseMs: 60_000 }));
  await context.setOffline(true);
  for (const connection of server.connections) connection.close(3000, "away");
  const last = () => current.evaluate(() => page.states.at(-1));
  await expect.poll(last, { timeout: 30_000 }).toBe("retry-pending");
  await context.setOffline(false);
  await expect.poll(last).toBe("connected");
  expect(await current.evaluate(() => page.states)).toEqual(["connecting", "connected", "retry-pending", "connecting", "connected"]);
});
