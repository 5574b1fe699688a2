import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { describe, expect, test } from "vitest";

const WIRE = /^@bufbuild\/protobuf\/wire$/;
const NODE = /^node:/;

/** The rooms of src/, in the order in which they may import each other: what stands before. And the packages that each may import. */
const ROOMS: readonly (readonly [room: string, ...packages: RegExp[]])[] = [
  ["errors"],
  ["options"],
  ["nearest"],
  ["printable"],
  ["gen", WIRE],
  ["protocol"],
  ["codec"],
  ["runtime"],
  ["protobuf", WIRE],
  ["link"],
  ["session"],
  ["calls"],
  ["accel"],
  ["index"],
  ["transport", NODE, /^ws$/],
  ["server", NODE, /^ws$/],
  ["client", NODE],
  ["outbox", NODE, /^idb$/],
  ["testing", NODE],
  ["cli", NODE, /^ws$/, /^commander$/, /^protobufjs$/, /^@bufbuild\/protobuf(\/wkt|\/wire)?$/],
];
const ORDER = ROOMS.map(([room]) => room);
/** Public entries that put in place what makes Node fast. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = { "codec/index.ts": ["accel"] };

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

interface Source {
  readonly file: string;
  readonly room: string;
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
  return { file, room: roomOf(file), imports: [...new Set(imports)], loaded, exportsAll };
}

function roomOf(file: string): string {
  return (file.split("/")[0] ?? "").replace(/\.ts$/, "");
}

/** The imports of `source` that its room does not allow. */
function breaches({ file, room, imports }: Source): string[] {
  const place = ORDER.indexOf(room);
  const [, ...packages] = ROOMS[place] ?? [];
  if (place < 0) return [`${file}: ARCHITECTURE.md knows no room ${room}`];
  return imports.filter((name) => {
    if (!name.startsWith(".")) return !packages.some((pattern) => pattern.test(name));
    const target = roomOf(within(file, name));
    return !ORDER.slice(0, place + 1).includes(target) && ENTRIES[file]?.includes(target) !== true;
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
    const imports = ["../link/link.js", "node:net", "ws", "../errors.js", "./varint.js"];
    expect(breaches({ file: "codec/frame.ts", room: "codec", imports, loaded: imports, exportsAll: false })).toEqual([
      "../link/link.js",
      "node:net",
      "ws",
    ]);
  });
});

/** The groups of files that can all reach each other by imports, those of types included. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map([...imports.keys()].map((file) => [file, reach(file)]));
  function reach(start: string): ReadonlySet<string> {
    const found = new Set<string>();
    const next = [...(imports.get(start) ?? [])];
    for (let file = next.pop(); file !== undefined; file = next.pop()) {
      if (found.has(file)) continue;
      found.add(file);
      next.push(...(imports.get(file) ?? []));
    }
    return found;
  }
  const groups = [...reached].map(([file, ahead]) => [...ahead].filter((other) => reached.get(other)?.has(file)).sort());
  return [...new Map(groups.filter(({ length }) => length > 0).map((group) => [group.join(), group])).values()];
}

function within(file: string, name: string): string {
  return normalize(join(dirname(file), name)).replace(/\.js$/, ".ts");
}

test("no files import each other in a circle, types included", () => {
  const graph = new Map(
    sources.map(({ file, imports }) => [file, imports.filter((name) => name.startsWith(".")).map((name) => within(file, name))]),
  );
  expect(circles(graph)).toEqual([]);
});

test("a circle is seen, however long it is, and what only leads to it is no part of it", () => {
  const graph = new Map([
    ["a", ["b"]],
    ["b", ["c", "d"]],
    ["c", ["a"]],
    ["d", []],
    ["e", ["a"]],
  ]);
  expect(circles(graph)).toEqual([["a", "b", "c"]]);
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
      if (name.startsWith(".")) visit(within(file, name));
      else packages.add(name);
    }
  };
  visit("client/browser.ts");
  visit("client/core/browser.ts");
  visit("codec/browser.ts");
  visit("codec/react-native.ts");
  visit("outbox/react-native.ts");
  visit("testing/browser.ts");
  expect([...packages]).toEqual([]);
  visit("outbox/browser.ts");
  expect([...packages]).toEqual(["idb"]);
});
