import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { describe, expect, test } from "vitest";

/** What each layer of src/ may import of the others, and of packages. ARCHITECTURE.md draws it. */
const LAYERS: Readonly<Record<string, { readonly layers: readonly string[]; readonly packages: readonly RegExp[] }>> = {
  errors: { layers: [], packages: [] },
  options: { layers: ["errors"], packages: [] },
  nearest: { layers: ["options"], packages: [] },
  printable: { layers: [], packages: [] },
  gen: { layers: [], packages: [/^@bufbuild\/protobuf\/wire$/] },
  codec: { layers: ["gen", "errors", "options", "nearest"], packages: [/^@bufbuild\/protobuf\/wire$/] },
  connection: { layers: ["gen", "errors", "options", "nearest", "printable", "codec"], packages: [/^@bufbuild\/protobuf\/wire$/] },
  transport: { layers: ["gen", "errors", "options", "codec", "connection"], packages: [/^node:/, /^ws$/] },
  server: { layers: ["gen", "errors", "options", "codec", "connection", "transport"], packages: [/^node:/, /^ws$/] },
  client: { layers: ["gen", "errors", "options", "codec", "connection", "transport"], packages: [/^node:/] },
  outbox: { layers: ["gen", "errors", "options", "codec", "connection", "client"], packages: [/^node:/, /^idb$/] },
  testing: { layers: ["gen", "errors", "options", "codec", "connection", "transport", "server", "client"], packages: [/^node:/] },
  cli: {
    layers: ["gen", "errors", "options", "printable", "codec", "connection", "transport", "server", "client", "testing"],
    packages: [/^node:/, /^commander$/, /^protobufjs$/, /^@bufbuild\/protobuf(\/wkt|\/wire)?$/],
  },
  index: { layers: ["gen", "errors", "options", "printable", "codec", "connection"], packages: [] },
};

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

interface Source {
  readonly file: string;
  readonly layer: string;
  readonly imports: readonly string[];
  /** Those of them that are still there at run time. */
  readonly loaded: readonly string[];
  readonly exportsAll: boolean;
}

function read(file: string): Source {
  const parsed = parseSync(file, readFileSync(join(SRC, file), "utf8"));
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const text = readFileSync(join(SRC, file), "utf8");
  const exported = staticExports.flatMap(({ entries }) => entries);
  const imports = [
    ...staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...exported.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
    ...dynamicImports.map(({ moduleRequest }) => text.slice(moduleRequest.start, moduleRequest.end).replaceAll(/["'`]/g, "")),
  ];
  const loaded = [
    ...staticImports
      .filter(({ entries }) => entries.length === 0 || entries.some(({ isType }) => !isType))
      .map(({ moduleRequest }) => moduleRequest.value),
    ...exported.filter(({ isType }) => !isType).flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
  ];
  const exportsAll = exported.some(({ importName }) => importName.kind === "All" || importName.kind === "AllButDefault");
  return { file, layer: layerOf(file), imports: [...new Set(imports)], loaded, exportsAll };
}

function layerOf(file: string): string {
  return (file.split("/")[0] ?? "").replace(/\.ts$/, "");
}

/** The imports of `source` that its layer does not allow. */
function breaches({ file, layer, imports }: Source): string[] {
  const allowed = LAYERS[layer];
  if (allowed === undefined) return [`${file}: ARCHITECTURE.md knows no layer ${layer}`];
  return imports.filter((name) => {
    if (!name.startsWith(".")) return !allowed.packages.some((pattern) => pattern.test(name));
    const target = layerOf(normalize(join(dirname(file), name)).replace(/\.js$/, ".ts"));
    return target !== layer && !allowed.layers.includes(target);
  });
}

const sources = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => read(relative(".", file)));

describe("imports point one way", () => {
  test.each(sources.map((source) => [source.file, source] as const))("%s", (_file, source) => {
    expect(breaches(source)).toEqual([]);
  });

  test("a breach is seen: the codec may not import a connection, a timer or a socket", () => {
    const imports = ["../connection/session.js", "node:net", "ws", "../errors.js", "./varint.js"];
    expect(breaches({ file: "codec/frame.ts", layer: "codec", imports, loaded: imports, exportsAll: false })).toEqual([
      "../connection/session.js",
      "node:net",
      "ws",
    ]);
  });
});

test("no module hands on all the names of another", () => {
  expect(sources.filter(({ exportsAll }) => exportsAll).map(({ file }) => file)).toEqual([]);
});

test("nothing the browser's entries reach is a module of Node", () => {
  const byFile = new Map(sources.map((source) => [source.file, source]));
  const reached = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    const source = byFile.get(file);
    if (source === undefined) throw new Error(`${file} is imported but not there`);
    for (const name of source.loaded) {
      if (name.startsWith(".")) visit(normalize(join(dirname(file), name)).replace(/\.js$/, ".ts"));
      else packages.add(name);
    }
  };
  visit("client/browser.ts");
  visit("codec/browser.ts");
  visit("codec/react-native.ts");
  visit("outbox/react-native.ts");
  visit("testing/browser.ts");
  expect([...packages]).toEqual([]);
  visit("outbox/browser.ts");
  expect([...packages]).toEqual(["idb"]);
});
