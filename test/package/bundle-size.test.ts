import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What the page of an application should pay for framewire, gzipped, without its own generated code. Not reached yet. */
const TARGET = 16 * 1024;

/** What it may pay until then: a little above what it weighs now. */
const CEILING = 36 * 1024;

/** What a page should pay for the core with one ts-proto service. Not reached yet: docs/decisions/browser-size.md. */
const CORE_TARGET = 32_000;

/** What it may pay until then for the core alone, and with the service of the chat example and the reader and writer of its messages. */
const CORE_CEILING = 33_600;
const CORE_SERVICE_CEILING = 38_300;

const CHAT = `${ROOT}examples/chat/gen/chat/v1/chat.ts`;

/** Bundles `code` as an application's entry for browsers, from the built package. */
async function bundle(code: string): Promise<{ readonly code: string; readonly modules: readonly string[] }> {
  const entry = "\0entry";
  const result = await build({
    root: ROOT,
    configFile: false,
    logLevel: "error",
    plugins: [{ name: "entry", resolveId: (id) => (id === "entry" ? entry : undefined), load: (id) => (id === entry ? code : undefined) }],
    build: {
      write: false,
      minify: true,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: { input: "entry", preserveEntrySignatures: "strict", output: { format: "es" } },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  const chunks = output.filter((part) => part.type === "chunk");
  return { code: chunks.map((chunk) => chunk.code).join(""), modules: chunks.flatMap((chunk) => chunk.moduleIds) };
}

/** The files of src/ that went into built modules, as their maps tell. */
function sourcesOf(modules: readonly string[]): string[] {
  return modules
    .filter((id) => existsSync(`${id}.map`))
    .flatMap((id) => {
      const { sources } = JSON.parse(readFileSync(`${id}.map`, "utf8")) as { readonly sources: readonly string[] };
      return sources.map((source) => relative(`${ROOT}src`, resolve(dirname(id), source)));
    });
}

test("the browser's client with the codec stays under its ceiling, minified and gzipped, and holds no module of Node", async () => {
  const { code, modules } = await bundle('export * from "framewire/client"; export * from "framewire/codec";');
  const size = gzipSync(code, { level: 9 }).length;
  console.log(
    `framewire/client with framewire/codec for browsers: ${code.length} B minified, ${size} B gzipped; ceiling ${CEILING} B, target ${TARGET} B`,
  );
  expect(modules.some((id) => id.endsWith("/dist/client/browser.js"))).toBe(true);
  expect(modules.filter((id) => /node:|__vite-browser-external|\/node_modules\/ws\/|\/dist\/(server|client\/index)/.test(id))).toEqual([]);
  const sources = sourcesOf(modules);
  expect(sources).toContain("link/link.ts");
  expect(sources.filter((source) => /^server\/|^client\/index|^transport\/(tcp|websocket-node)/.test(source))).toEqual([]);
  expect(code).not.toContain("getBuiltinModule");
  expect(size).toBeLessThanOrEqual(CEILING);
});

test("the core of the client stays under its ceilings, with and without a service, and pays only for the parts that it uses", async () => {
  const page = (parts: string) =>
    `import { clientStreams, createClient, logging, serving, version1 } from "framewire/client/core";
     import { ChatServiceDefinition } from ${JSON.stringify(CHAT)};
     export const service = createClient("ws://localhost", { use: [${parts}] }).service(ChatServiceDefinition);`;
  const sizeOf = (code: string) => gzipSync(code, { level: 9 }).length;
  const alone = sizeOf((await bundle('export { createClient } from "framewire/client/core";')).code);
  const { code, modules } = await bundle(page(""));
  const all = await bundle(page("serving(), version1(), clientStreams(), logging()"));
  console.log(
    `framewire/client/core: ${alone} B gzipped; with a service ${sizeOf(code)} B, with every part ${sizeOf(all.code)} B; target ${CORE_TARGET} B`,
  );
  for (const part of ["serving", "version1", "clientStreams", "logging"]) {
    const added = sizeOf((await bundle(page(`${part}()`))).code) - sizeOf(code);
    console.log(`  ${part}: ${added} B`);
    expect(added).toBeGreaterThan(100);
  }
  const handlerFailed = "the handler failed (";
  expect(all.code).toContain(handlerFailed);
  expect(code).not.toContain(handlerFailed);
  expect(
    modules.filter((id) => /node:|__vite-browser-external|\/node_modules\/ws\/|\/dist\/(server|client\/(core\/)?index)/.test(id)),
  ).toEqual([]);
  expect(alone).toBeLessThanOrEqual(CORE_CEILING);
  expect(sizeOf(code)).toBeLessThanOrEqual(CORE_SERVICE_CEILING);
});

test("a page that only reads and writes frames pays for no client", async () => {
  const { code, modules } = await bundle('export { FrameDecoder, encodeFrame } from "framewire/codec";');
  console.log(`framewire/codec for browsers: ${gzipSync(code, { level: 9 }).length} B gzipped`);
  const sources = sourcesOf(modules);
  expect(sources).toContain("codec/decoder/frame-decoder.ts");
  expect(sources.filter((source) => /^(client|link|session|calls|transport|server)\//.test(source))).toEqual([]);
});
