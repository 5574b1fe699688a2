import { afterEach, describe, expect, it } from "vitest";
import { createServer } from "../../src/server/index.js";
import { originAllowed } from "../../src/server/origin.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

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

it("a page of another origin is told so by a close code, before the authenticate hook is asked (mosaic#1131, whatwg/websockets#21)", async () => {
  let asked = 0;
  const server = bench.server({ authenticate: () => ({ identity: asked++ }), allowedOrigins: LIST });
  const refused: unknown[] = [];
  server.on("refused", ({ closeCode, reason }) => refused.push([closeCode, reason]));
  const { ws } = await server.listen({ ws: {} });
  for (const protocols of [["framewire.v1"], ["framewire.v2"], []]) {
    const peer = await RawPeer.connect(ws!.url, { protocols, headers: { Origin: "https://evil.example" } });
    expect(await peer.ended).toEqual({ code: 4404, reason: "this origin may not connect" });
  }
  expect(asked).toBe(0);
  expect(refused).toHaveLength(3);
  expect(server.stats.refusals["origin-refused"]).toBe(3);
  await (await RawPeer.connect(ws!.url, { headers: { Origin: "https://app.example" } })).greet();
  expect(asked).toBe(1);
});
