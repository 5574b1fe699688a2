/**
 * Builds dist/ from src/: tsc writes the declarations, file by file; rolldown the code, one file for each entry and one for
 * each set of modules that several entries share. Then removes what an earlier build left there. It does not empty
 * dist/ first, so that a program running from it keeps its files.
 */
import { chmodSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { rolldown } from "rolldown";
import { ROOT, run } from "./lib/run.mjs";

const DIST = `${ROOT}dist`;
const BINARY = "cli/index";

/** @type {{ exports: Record<string, unknown> }} */
const { exports } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
const named = Array.from(JSON.stringify(exports).matchAll(/\.\/dist\/([\w/-]+)\.js/g), (match) => `${match[1]}`);
const entries = new Set([BINARY, ...named]);

const declared = await run("tsc", ["-p", "tsconfig.build.json"], { show: true });
if (!declared.ok) process.exit(1);

/** @type {import("rolldown").InputOptions} */
const settings = {
  // Packages stay imports: an application has one copy of each, and its own generated code uses one of them.
  external: (id) => !id.startsWith(".") && !isAbsolute(id),
  platform: "neutral",
  transform: { target: "es2022" },
};
/** @param {string} entry */
const sourceOf = (entry) => join(ROOT, "src", `${entry}.ts`);

/**
 * The modules that some of src/ load at once.
 *
 * @param {string[]} sources
 */
async function modulesOf(...sources) {
  const modules = new Set();
  for (const source of sources) {
    const bundle = await rolldown({ ...settings, input: sourceOf(source) });
    const { output } = await bundle.generate();
    await bundle.close();
    // What it imports dynamically is in chunks of its own, and what those share with it may be in a third.
    const names = new Set([output[0].fileName]);
    for (const name of names) {
      const chunk = output.find(({ fileName }) => fileName === name);
      if (chunk?.type !== "chunk") continue;
      for (const id of chunk.moduleIds) modules.add(resolve(id));
      for (const other of chunk.imports) names.add(other);
    }
  }
  return modules;
}

// Left alone, rolldown makes a file for each set of entries that share a module: a dozen for a client, each half a millisecond.
const codec = await modulesOf("codec/react-native", "index");
for (const entry of entries) codec.delete(sourceOf(entry));
const server = await modulesOf("server/index", "transport/tcp", "transport/websocket-node-connect");
const connection = new Set([...(await modulesOf("client/browser"))].filter((id) => server.has(id) && !codec.has(id)));
const node = new Set([...(await modulesOf("client/index"))].filter((id) => server.has(id) && !codec.has(id) && !connection.has(id)));

// What all entries of the client share.
const client = new Set([...(await modulesOf("client/browser"))].filter((id) => !codec.has(id) && !connection.has(id) && !node.has(id)));
for (const entry of entries) client.delete(sourceOf(entry));
for (const page of ["client/page-connector", "transport/websocket"]) client.delete(sourceOf(page));

const bundle = await rolldown({ ...settings, input: Object.fromEntries([...entries].map((entry) => [entry, sourceOf(entry)])) });
const { output } = await bundle.write({
  dir: DIST,
  format: "es",
  sourcemap: true,
  // The package holds src/, where the maps point to.
  sourcemapExcludeSources: true,
  entryFileNames: "[name].js",
  chunkFileNames: "shared/[name].js",
  minifyInternalExports: false,
  codeSplitting: {
    groups: [
      { name: "codec", test: (id) => codec.has(resolve(id)) },
      { name: "connection", test: (id) => connection.has(resolve(id)) },
      { name: "node", test: (id) => node.has(resolve(id)) },
      { name: "client", test: (id) => client.has(resolve(id)) },
    ],
  },
});
await bundle.close();

const code = new Set(output.map(({ fileName }) => fileName));
const sources = new Set(readdirSync(`${ROOT}src`, { recursive: true, encoding: "utf8" }));
for (const file of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
  const declares = /\.d\.ts(\.map)?$/.test(file) && sources.has(file.replace(/\.d\.ts(\.map)?$/, ".ts"));
  if (!declares && !code.has(file.replaceAll(sep, "/")) && statSync(`${DIST}/${file}`).isFile()) rmSync(`${DIST}/${file}`);
}

chmodSync(`${DIST}/${BINARY}.js`, 0o755);
for (const chunk of output) {
  if (chunk.type !== "chunk" || !process.argv.includes("--list")) continue;
  console.log(`${chunk.fileName}: ${chunk.moduleIds.map((id) => relative(`${ROOT}src`, id)).join(", ")}`);
}
