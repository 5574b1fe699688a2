/** Environments that differ from a plain Node or a plain page, each a process of its own with the built package. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
// Inside the repository, so that the scripts find the package by its name.
mkdirSync(join(ROOT, ".cache"), { recursive: true });
const folder = mkdtempSync(join(ROOT, ".cache/environments-"));

afterAll(() => rmSync(folder, { recursive: true }));

const SERVER = `
import { createServer } from "framewire/server";
const bytes = { encode: (message) => ({ finish: () => message }), decode: (payload) => payload };
const server = createServer({ allowedOrigins: "any" });
server.handle(1, bytes, (message) => message);
const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
`;

const ECHO = `
for (const url of urls) {
  const client = createClient(url, { reconnect: false });
  await client.connect();
  for (const length of [10, 20_000]) console.log((await client.request(1, bytes, new Uint8Array(length).fill(7))).length);
  await client.close();
}
await server.close({ drainMs: 0 });
`;

const NODE = `import { createClient } from "framewire/client";${SERVER}const urls = [ws.url, tcp.url];${ECHO}`;

/** The entry of pages, with the globals that `globals` makes. */
const page = (globals: string) => `${SERVER}
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
${globals}
const { createClient } = await import(${JSON.stringify(`${ROOT}dist/client/browser.js`)});
const urls = [ws.url];${ECHO}`;

/** The folder that a package of npm is in, installed into .cache/ on first use. */
function installed(name: string, version: string): string {
  const at = join(ROOT, ".cache", `${name}-${version}`);
  const path = join(at, "node_modules", name);
  if (!existsSync(path)) {
    execFileSync("npm", ["install", "--prefix", at, "--no-save", "--no-package-lock", "--no-audit", "--no-fund", `${name}@${version}`], {
      stdio: "pipe",
    });
  }
  return path;
}

function run(script: string, ...flags: string[]): string[] {
  const path = join(folder, "script.mjs");
  writeFileSync(path, script);
  const printed = execFileSync(process.execPath, ["--no-warnings", ...flags, path], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  return printed.trim().split("\n");
}

const permission = Number(process.versions.node.split(".")[0]) >= 24 ? "--permission" : "--experimental-permission";
const network = Number(process.versions.node.split(".")[0]) >= 25 ? ["--allow-net"] : [];

test.each([
  ["without a compiler and WebAssembly", ["--jitless"]],
  ["with the permission to read files and no other", [permission, "--allow-fs-read=*", ...network]],
])("Node %s answers over WebSocket and TCP", (_name, flags) => {
  expect(run(NODE, ...flags).filter((line) => /^\d+$/.test(line))).toEqual(["10", "20000", "10", "20000"]);
});

test.each([
  [
    "a polyfill of process that has nextTick and little else",
    "globalThis.process = { nextTick: (f, ...rest) => queueMicrotask(() => f(...rest)), env: {} };",
  ],
  ["a stub of document without methods", "globalThis.document = {}; globalThis.window = globalThis;"],
])("a page with %s is answered", (_name, globals) => {
  expect(run(page(globals))).toEqual(["10", "20000"]);
});

test("a page inside jsdom is answered", () => {
  const globals = `
    import { createRequire } from "node:module";
    const { JSDOM } = createRequire(import.meta.url)(${JSON.stringify(installed("jsdom", "26"))});
    const { window } = new JSDOM("", { url: "http://localhost/" });
    for (const name of ["window", "document", "WebSocket", "Event", "EventTarget", "AbortController", "AbortSignal", "Blob"]) {
      globalThis[name] = window[name] ?? globalThis[name];
    }`;
  expect(run(page(globals))).toEqual(["10", "20000"]);
});

test("a server that esbuild bundles as the README says is answered", () => {
  const esbuild = join(installed("esbuild", "0.25"), "bin/esbuild");
  writeFileSync(join(folder, "entry.mjs"), NODE);
  const options = ["--bundle", "--platform=node", "--format=esm", "--packages=external", "--outfile=bundled.mjs"];
  execFileSync(esbuild, ["entry.mjs", ...options], { cwd: folder, stdio: "pipe" });
  expect(run('import "./bundled.mjs";')).toEqual(["10", "20000", "10", "20000"]);
});
