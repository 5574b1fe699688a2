import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The entry behind each subpath; bundlers take `client (browser)` for `framewire/client`. */
const ENTRIES: Readonly<Record<string, string>> = {
  framewire: "index",
  "framewire/codec": "codec/index",
  "framewire/codec (browser)": "codec/browser",
  "framewire/codec (react-native)": "codec/react-native",
  "framewire/client": "client/index",
  "framewire/client (browser)": "client/browser",
  "framewire/client/core": "client/core/index",
  "framewire/client/core (browser)": "client/core/browser",
  "framewire/server": "server/index",
  "framewire/outbox": "outbox/index",
  "framewire/outbox (browser)": "outbox/browser",
  "framewire/outbox (react-native)": "outbox/react-native",
  "framewire/testing": "testing/index",
};

/** The names that an entry exports, told apart by what they leave at run time. */
async function namesOf(entry: string): Promise<{ values: string[]; types: string[] }> {
  const values = Object.keys(await import(`${ROOT}dist/${entry}.js`)).sort();
  const file = `${ROOT}src/${entry}.ts`;
  const { staticExports } = parseSync(file, readFileSync(file, "utf8")).module;
  const all = staticExports.flatMap(({ entries }) => entries.map(({ exportName }) => exportName.name ?? "*"));
  return { values, types: all.filter((name) => !values.includes(name)).sort() };
}

test("the public names are the ones in public-names.txt, a promise to users", async () => {
  const lines: string[] = [];
  for (const [subpath, entry] of Object.entries(ENTRIES)) {
    const { values, types } = await namesOf(entry);
    lines.push(subpath, ...values.map((name) => `  ${name}`), ...types.map((name) => `  type ${name}`), "");
  }
  // To change the list is a decision: npx vitest run --project integration -u exports, and a line in the changelog.
  await expect(lines.join("\n")).toMatchFileSnapshot("public-names.txt");
});

test.each(["client", "client/core", "codec", "outbox"])("the browser's %s has the names of Node's", async (name) => {
  expect(await namesOf(`${name}/browser`)).toEqual(await namesOf(`${name}/index`));
});

test("every subpath of package.json has its names pinned", () => {
  const { exports } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { exports: Record<string, unknown> };
  const subpaths = Object.keys(exports).filter((path) => !path.includes("*") && !path.endsWith(".json"));
  const pinned = Object.keys(ENTRIES).filter((name) => !name.includes(" "));
  expect(subpaths.map((path) => path.replace(".", "framewire"))).toEqual(pinned);
});

test("a subpath of the package resolves to what was built, by the package's own name", () => {
  expect(fileURLToPath(import.meta.resolve("framewire/package.json"))).toBe(`${ROOT}package.json`);
});
