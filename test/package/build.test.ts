import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { parseSync } from "vite";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DIST = join(ROOT, "dist");

/** What `file` of dist/ imports as soon as it is loaded, with all that its own imports load. */
function loadedBy(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  const { staticImports, staticExports } = parseSync(file, readFileSync(join(DIST, file), "utf8")).module;
  const requests = [
    ...staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...staticExports.flatMap(({ entries }) => entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])),
  ];
  for (const request of requests) {
    if (request.startsWith(".")) loadedBy(join(dirname(file), request), loaded);
    else loaded.add(request);
  }
  return loaded;
}

test("no module of src/ is in two files of dist/: its classes and its state are there once", () => {
  const maps = readdirSync(DIST, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js.map"));
  const sources = maps.flatMap((file) => {
    const map = JSON.parse(readFileSync(join(DIST, file), "utf8")) as { readonly sources: readonly string[] };
    return map.sources.map((source) => relative(ROOT, join(DIST, dirname(file), source)));
  });
  expect(sources).toContain("src/errors.ts");
  expect(sources.filter((source, index) => sources.indexOf(source) !== index)).toEqual([]);
});

test("what the entries throw is the FramewireError of framewire", async () => {
  const { FramewireError } = await import(join(DIST, "index.js"));
  const { encodeFrame } = await import(join(DIST, "codec/index.js"));
  const { createServer } = await import(join(DIST, "server/index.js"));
  const { createClient } = await import(join(DIST, "client/index.js"));
  expect(() => encodeFrame({ cmd: 1, payload: new Uint8Array(9) }, { maxPayload: 8 })).toThrow(FramewireError);
  expect(() => createServer({ maxPayload: -1 })).toThrow(FramewireError);
  expect(() => createClient("no address")).toThrow(FramewireError);
});

test("framewire/client loads neither packages nor modules of Node before a client connects, and few files", () => {
  const loaded = [...loadedBy("client/index.js")];
  expect(loaded).toContain("client/index.js");
  expect(loaded.filter((name) => !name.endsWith(".js"))).toEqual([]);
  expect(loaded.length).toBeLessThanOrEqual(5);
});

test("a bundled program of Node keeps what makes the codec fast", async () => {
  const program = { name: "program", resolveId: (id: string) => (id === "program" ? join(ROOT, id) : undefined) };
  const load = (id: string) => (id === join(ROOT, "program") ? 'export { FrameDecoder } from "framewire/codec";' : undefined);
  const bundle = await rolldown({ input: "program", platform: "node", plugins: [{ ...program, load }] });
  const { output } = await bundle.generate();
  await bundle.close();
  const code = output.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("");
  expect(code).toContain("useFastWays();");
});
