import { createServer as createHttpServer } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { createServer, type ServerOptions } from "../../src/server/index.js";
import { isLoopback, originAllowed, PageRules } from "../../src/server/origin.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await bench.end();
  for (const end of ends.splice(0)) await end();
});

const LIST = ["https://app.example", "http://localhost:5173", "capacitor://localhost"];

describe("an allow-list", () => {
  it.each([
    ["an entry", "https://app.example", true],
    ["an entry with a port", "http://localhost:5173", true],
    ["an app's own scheme", "capacitor://localhost", true],
    ["the same host by another scheme", "http://app.example", false],
    ["the same host on another port", "https://app.example:8443", false],
    ["a host that ends like an entry (red5-server#470)", "https://evil-app.example", false],
    ["a host below an entry", "https://www.app.example", false],
    ["a host that begins like an entry", "https://app.example.evil.example", false],
    ["another case", "https://APP.example", false],
    ["a page without an origin", "null", false],
    ["nonsense", "https://app.example https://evil.example", false],
  ])("%s: %s is %s", (_name, origin, allowed) => {
    expect(originAllowed(origin, "api.example", LIST)).toBe(allowed);
  });

  it("says nothing of peers that are no browser", () => {
    expect(originAllowed(undefined, "api.example", LIST)).toBe(true);
    expect(originAllowed(undefined, "api.example", [])).toBe(true);
  });

  it.each(["https://app.example/", "app.example", "*", "https://*.example", "HTTPS://app.example", ""])(
    "with %j in it is refused, as no browser ever sends that",
    (origin) => {
      expect(() => createServer({ allowedOrigins: [origin] })).toThrow(expect.objectContaining({ code: "invalid-option" }));
    },
  );
});

describe("without a list only the server's own pages may connect", () => {
  it.each([
    ["https://api.example", "api.example", true],
    ["https://api.example", "API.Example:443", true],
    ["http://api.example", "api.example:80", true],
    ["http://api.example", "api.example:443", false],
    ["https://api.example", "user@api.example", false],
    ["https://api.example", "api.example/", false],
    ["http://api.example:8080", "api.example:8080", true],
    ["https://app.example", "api.example", false],
    ["https://api.example:8443", "api.example", false],
    ["null", "api.example", false],
    ["https://api.example", undefined, false],
    ["not a url", "not a url", false],
  ])("%s at host %s: %s", (origin, host, allowed) => {
    expect(originAllowed(origin, host, undefined)).toBe(allowed);
  });

  it("and any page if the list says so", () => {
    expect(originAllowed("https://evil.example", "api.example", "any")).toBe(true);
  });
});

describe("the hosts that pages may connect to", () => {
  const EVIL = "http://evil.example:8080";
  const refusal = (options: ServerOptions, host: string | undefined, { origin = EVIL as string | undefined, loopback = true } = {}) =>
    new PageRules(options).refusal(origin, host, loopback)?.message ?? "passes";
  const HOST = "the host is not in the list";
  const hostRefusal = (host = '""') => `the host ${host} is not in the server's option allowedHosts`;
  const ORIGIN = `the origin ${EVIL} is not in the server's option allowedOrigins`;

  it.each<[string, ServerOptions, string | undefined, { origin?: string; loopback?: boolean }, string]>([
    ["a page whose name was bound to a loopback listener", {}, "evil.example:8080", {}, HOST],
    ["the same on another listener, which does not know its names", {}, "evil.example:8080", { loopback: false }, "passes"],
    ["the same, where the list says them", { allowedHosts: ["api.example"] }, "evil.example:8080", { loopback: false }, HOST],
    ["a page of another origin at localhost", {}, "localhost:8080", {}, ORIGIN],
    ["a page at localhost", {}, "localhost:8080", { origin: "http://localhost:8080" }, "passes"],
    ["a page at LOCALHOST", {}, "LOCALHOST:8080", { origin: "http://localhost:8080" }, "passes"],
    ["a page at 127.0.0.1", {}, "127.0.0.1:8080", { origin: "http://127.0.0.1:8080" }, "passes"],
    ["a page at [::1]", {}, "[::1]:8080", { origin: "http://[::1]:8080" }, "passes"],
    ["a name that begins like one", {}, "localhost.evil.example", { origin: "http://localhost.evil.example" }, HOST],
    ["a name with a full stop at its end", {}, "localhost.:8080", { origin: "http://localhost.:8080" }, HOST],
    [
      "the host of an allowed origin",
      { allowedOrigins: ["https://app.example"] },
      "app.example:8080",
      { origin: "https://app.example" },
      "passes",
    ],
    [
      "an allowed origin at another host",
      { allowedOrigins: ["https://app.example"] },
      "api.example",
      { origin: "https://app.example" },
      HOST,
    ],
    ["any page, where all origins are allowed", { allowedOrigins: "any" }, "evil.example", {}, "passes"],
    ["the same, where hosts are given", { allowedOrigins: "any", allowedHosts: ["app.example"] }, "evil.example", {}, HOST],
    ["any page, where all hosts are allowed", { allowedHosts: "any" }, "evil.example:8080", {}, "passes"],
    [
      "an entry in another case, with the default port",
      { allowedHosts: ["app.example"] },
      "App.Example:443",
      { origin: "https://app.example" },
      "passes",
    ],
    [
      "an entry with the default port, without it",
      { allowedHosts: ["app.example:443"] },
      "app.example",
      { origin: "https://app.example" },
      "passes",
    ],
    ["an entry with another port", { allowedHosts: ["app.example:8443"] }, "app.example", { origin: "https://app.example" }, HOST],
    ["a page without a host", { allowedOrigins: [EVIL], allowedHosts: ["app.example"] }, undefined, {}, HOST],
    ["an empty list", { allowedHosts: [] }, "localhost", { origin: "http://localhost" }, HOST],
  ])("%s", (_name, options, host, page, expected) => {
    expect(refusal(options, host, page)).toBe(expected === HOST ? hostRefusal(host) : expected);
  });

  it("a refusal of a long origin or host fits into a close frame", () => {
    const long = `${"a".repeat(500)}.example`;
    expect(Buffer.byteLength(refusal({}, "localhost", { origin: `https://${long}` }))).toBeLessThanOrEqual(123);
    expect(Buffer.byteLength(refusal({}, long, { origin: `https://${long}` }))).toBeLessThanOrEqual(123);
  });

  it("are not asked of peers that are no browser", () => {
    expect(new PageRules({ allowedHosts: [] }).refusal(undefined, "evil.example", true)).toBeUndefined();
  });

  it.each(["https://app.example", "app.example/", "*.example", "::1", "user@app.example", "münchen.example", "app.example:port", ""])(
    "with %j in the list are refused, as no browser ever sends that",
    (host) => {
      expect(() => createServer({ allowedHosts: [host] })).toThrow(expect.objectContaining({ code: "invalid-option" }));
    },
  );

  it("are told to the page by a close code and a text that names the option, on a server of one's own too", async () => {
    const headers = { Host: "evil.example:8080", Origin: EVIL };
    const http = createHttpServer();
    ends.push(() => new Promise((done) => http.close(done)));
    await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
    for (const options of [{}, { server: http }]) {
      const server = bench.server();
      const { ws } = await server.listen({ ws: options });
      const page = await RawPeer.connect(ws!.url, { headers });
      expect(await page.ended).toEqual({ code: 4404, reason: hostRefusal("evil.example:8080") });
      expect(server.stats.disconnects["origin-refused"]).toBe(1);
      await (await RawPeer.connect(ws!.url, { headers: { Host: "evil.example:8080" } })).greet();
      const { host } = new URL(ws!.url);
      await (await RawPeer.connect(ws!.url, { headers: { Origin: `http://${host}` } })).greet();
      expect(server.connections).toHaveLength(2);
    }
  });

  it.each([
    ["127.0.0.1", true],
    ["127.8.9.1", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
    ["0.0.0.0", false],
    ["::", false],
    ["192.0.2.1", false],
    ["12.7.0.1", false],
  ])("depend on the listener: %s is a loopback address: %s", (address, loopback) => {
    expect(isLoopback({ address, family: "", port: 0 })).toBe(loopback);
    expect([isLoopback(null), isLoopback("/run/framewire.sock")]).toEqual([false, false]);
  });
});

it.each([
  ["origin", { Origin: "https://evil.example" }, "the origin https://evil.example is not in the server's option allowedOrigins"],
  ["host", { Origin: "http://evil.example", Host: "evil.example" }, "the host evil.example is not in the server's option allowedHosts"],
])("the client's error names the %s and the server's option, and is final", async (_name, headers, message) => {
  const server = bench.server();
  const { ws } = await server.listen({ ws: {} });
  const client = createClient(ws!.url, { headers, logger: false, reconnect: { retries: 1000 } });
  ends.push(() => client.close());
  await expect(client.connect()).rejects.toMatchObject({ code: "origin-refused", message });
});

it("a page of another origin is told so by a close code, before the authenticate hook is asked (mosaic#1131, whatwg/websockets#21)", async () => {
  let asked = 0;
  const server = bench.server({ authenticate: () => ({ identity: asked++ }), allowedOrigins: LIST });
  const refused: unknown[] = [];
  server.on("refused", ({ closeCode, reason }) => refused.push([closeCode, reason]));
  const { ws } = await server.listen({ ws: {} });
  for (const protocols of [["framewire.v1"], ["framewire.v2"], []]) {
    const peer = await RawPeer.connect(ws!.url, { protocols, headers: { Origin: "https://evil.example" } });
    expect(await peer.ended).toEqual({
      code: 4404,
      reason: "the origin https://evil.example is not in the server's option allowedOrigins",
    });
  }
  expect(asked).toBe(0);
  expect(refused).toHaveLength(3);
  expect(server.stats.disconnects["origin-refused"]).toBe(3);
  await (await RawPeer.connect(ws!.url, { headers: { Origin: "https://app.example" } })).greet();
  expect(asked).toBe(1);
});
