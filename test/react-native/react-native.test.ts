import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { until } from "../compatibility/browsers/browser.js";
import type { Action } from "../compatibility/page/peer.js";
import { Stand } from "../compatibility/stand.js";
import type { App } from "./app.js";
import { WITHOUT_ASYNC_ITERATOR } from "./globals.js";
import { bundleForReactNative, ReactNative } from "./host.js";

let bundle: Awaited<ReturnType<typeof bundleForReactNative>>;
let stand: Stand;
let phone: ReactNative;
let app: App;

beforeAll(async () => {
  bundle = await bundleForReactNative(fileURLToPath(new URL("app.ts", import.meta.url)));
});

beforeEach(async () => {
  stand = await Stand.open({ page: "", worker: "" }, "clean");
});

afterEach(async () => {
  phone?.end();
  await stand.close();
});

/** Starts the application; `more` changes the globals first. */
function start(more?: string): void {
  phone = new ReactNative(more);
  phone.run(bundle.code);
  app = phone.run("app") as App;
}

type Act = (action: Action, ...args: readonly unknown[]) => Promise<unknown>;

async function connected(more?: string): Promise<Act> {
  start(more);
  const act = app.peer(stand.proxy.url);
  await act("open");
  return act;
}

test("the platform has what React Native has: no Buffer, crypto, document, events, locks, IndexedDB or Web streams", () => {
  start();
  const names = [
    "Buffer",
    "crypto",
    "document",
    "addEventListener",
    "EventTarget",
    "Event",
    "indexedDB",
    "TransformStream",
    "ReadableStream",
  ];
  expect(names.filter((name) => phone.run(`typeof ${name}`) !== "undefined")).toEqual([]);
  expect(phone.run("[typeof navigator.locks, typeof new AbortController().signal.reason, typeof AbortSignal.timeout].join()")).toBe(
    "undefined,undefined,undefined",
  );
  expect(phone.run("(() => { try { return new URL('ws://a/b').protocol } catch (error) { return error.message } })()")).toBe(
    "URL.protocol is not implemented",
  );
});

test("the application is bundled from the entries for React Native", () => {
  const entries = bundle.modules.flatMap(
    (id) => /\/dist\/((?:client|codec|outbox|testing)\/(?:index|browser|react-native))\.js$/.exec(id)?.[1] ?? [],
  );
  expect(entries.sort()).toEqual(["client/browser", "codec/react-native", "outbox/react-native", "testing/browser"]);
  expect(bundle.modules.filter((id) => /node:|__vite-browser-external|\/node_modules\/(ws|idb)\//.test(id))).toEqual([]);
});

test.each<readonly [string, Action]>([
  ["calls of all kinds, both ways", "calls"],
  ["streams beyond their credit", "streams"],
  ["payloads of 1 MiB each way", "payloads"],
  ["every byte value, text and 64-bit numbers", "bytes"],
])("%s", async (_name, action) => {
  const act = await connected();
  await act(action);
  await act("close");
  expect(phone.logged).toEqual([]);
});

test("links that are cut in the middle of sends, calls and a stream are resumed, and nothing is handled twice", async () => {
  const act = await connected();
  stand.onNumber = (handled) => {
    if (handled > 0 && handled % 50 === 0) stand.proxy.cut();
  };
  await act("numbered", 1, 300);
  await until("all are handled", () => stand.handled.length >= 300);
  expect(stand.handled).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  expect(((await act("history")) as string[]).filter((state) => state === "resumed").length).toBeGreaterThanOrEqual(5);
  await act("close");
});

test("a link that goes silent is found and replaced", async () => {
  const act = await connected();
  stand.proxy.halfOpen();
  await until("the client has resumed", async () => ((await act("history")) as string[]).at(-1) === "resumed");
  await act("calls");
  await act("close");
});

test("the address reaches the socket as it was given, where URL adds a slash to every path", async () => {
  start();
  const client = app.createClient(`${stand.proxy.url}chat?room=1`);
  await client.connect();
  expect(phone.urls).toEqual([`${stand.proxy.url}chat?room=1`]);
  await client.close();
  const wrong = app.createClient("https://127.0.0.1/");
  expect(await wrong.connect().catch((error: unknown) => error)).toMatchObject({ code: "invalid-option" });
});

test("an attempt whose time is over ends its socket, though signals know no reason", async () => {
  const silent = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  const closed = new Promise<number>((resolve) => silent.on("connection", (socket) => socket.on("close", resolve)));
  await once(silent, "listening");
  start();
  const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const client = app.createClient(url, { handshakeTimeoutMs: 200, reconnect: false });
  expect(await client.connect().catch((error: unknown) => error)).toMatchObject({ code: "handshake-timeout" });
  expect(await closed).toBe(1000);
  await new Promise((resolve) => silent.close(resolve));
});

test("a server that is not there is told as one", async () => {
  start();
  const port = await new Promise<number>((resolve) => {
    const server = createTcpServer().listen(0, "127.0.0.1", () => {
      const free = (server.address() as AddressInfo).port;
      server.close(() => resolve(free));
    });
  });
  const client = app.createClient(`ws://127.0.0.1:${port}`, { reconnect: false });
  const error = await client.connect().catch((reason: unknown) => reason);
  expect(app.isFramewireError(error)).toBe(true);
  expect(error).toMatchObject({ code: "connect-failed" });
});

test("seeds differ from client to client without crypto", async () => {
  start();
  for (let i = 0; i < 3; i++) {
    const client = app.createClient(stand.proxy.url);
    await client.connect();
    await client.close();
  }
  // The seed is all that two first hellos differ by.
  expect(new Set(phone.openings).size).toBe(3);
  expect(phone.openings).toHaveLength(3);
});

test("frames are read and written; Web streams are not among the names", () => {
  start();
  expect(app.frame("größer 🚀")).toBe("größer 🚀");
  expect(app.names.codec).not.toContain("FrameDecoderStream");
  expect(app.names.outbox).toEqual(["Outbox"]);
});

test("before React Native 0.85 there is no TextDecoder: the import says so, and works with a polyfill", async () => {
  expect(() => start("delete globalThis.TextDecoder;")).toThrow(/TextDecoder is not defined/);
  const polyfill =
    "const Polyfill = globalThis.TextDecoder; delete globalThis.TextDecoder; globalThis.TextDecoder = class extends Polyfill {};";
  const act = await connected(polyfill);
  await act("calls");
  await act("close");
});

test("without Symbol.asyncIterator, which Hermes lacks, calls with one reply work all the same", async () => {
  const act = await connected(WITHOUT_ASYNC_ITERATOR);
  expect(phone.run("typeof Symbol.asyncIterator")).toBe("undefined");
  await act("bytes");
  await act("close");
});
