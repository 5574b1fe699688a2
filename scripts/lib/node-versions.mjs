/** Other versions of Node, from npm's packages that ship the binary. */
import { existsSync } from "node:fs";
import { ROOT, run } from "./run.mjs";

/**
 * The path of a Node binary of `major`, installed into .cache/ on first use.
 *
 * @param {number} major
 * @returns {Promise<string>}
 */
export async function nodeBinary(major) {
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = `${ROOT}.cache/node-${major}`;
  const binary = `${folder}/node_modules/${name}/bin/node${system === "win" ? ".exe" : ""}`;
  if (existsSync(binary)) return binary;
  const installed = await run("npm", ["install", "--prefix", folder, "--no-save", "--no-package-lock", `${name}@${major}`]);
  if (!installed.ok || !existsSync(binary)) throw new Error(`npm could not install ${name}@${major}:\n${installed.output}`);
  return binary;
}
