/**
 * The tests of codecs and messages on the oldest versions that package.json names in peerDependencies; the other tests run on the newest.
 *
 *   node scripts/oldest-peers.mjs
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { ROOT, run } from "./lib/run.mjs";

const SUITES = ["test/codec/", "test/connection/codecs.test.ts", "messages.property.test.ts", "message-values.test.ts"];

const { peerDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
const oldest = ["@bufbuild/protobuf", "protobufjs"].map((name) => ({
  name,
  version: /** @type {string} */ (peerDependencies[name]).replace(/^(\^|>=)/, ""),
}));

const folder = `${ROOT}.cache/peers-${oldest.map(({ version }) => version).join("-")}`;
if (!oldest.every(({ name }) => existsSync(`${folder}/node_modules/${name}/package.json`))) {
  mkdirSync(folder, { recursive: true });
  const packages = oldest.map(({ name, version }) => `${name}@${version}`);
  const installed = await run("npm", ["install", "--prefix", folder, "--no-save", "--no-package-lock", "--ignore-scripts", ...packages]);
  if (!installed.ok) throw new Error(`npm could not install ${packages.join(" ")}:\n${installed.output}`);
}

process.env.FRAMEWIRE_PEERS = folder;
const tests = ["node_modules/vitest/vitest.mjs", "run", "--allowOnly=false", "--project", "unit", ...SUITES];
const { ok } = await run(process.execPath, tests, { show: true });
process.exit(ok ? 0 : 1);
