/**
 * Compiles src/ into dist/ and removes what an earlier build left there of sources that are gone. It does not
 * empty dist/ first, so that a program running from it keeps its files.
 */
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { ROOT, run } from "./lib/run.mjs";

const compiled = await run("tsc", ["-p", "tsconfig.build.json"], { show: true });
if (!compiled.ok) process.exit(1);

for (const file of readdirSync(`${ROOT}dist`, { recursive: true, encoding: "utf8" })) {
  const source = file.replace(/(\.d\.ts|\.js)(\.map)?$/, ".ts");
  if (source !== file && !existsSync(`${ROOT}src/${source}`)) rmSync(`${ROOT}dist/${file}`);
}

const binary = `${ROOT}dist/cli/index.js`;
if (existsSync(binary)) chmodSync(binary, 0o755);
