/** Runtimes other than Node, from npm's packages that ship the binary. */
import { existsSync } from "node:fs";
import { ROOT, run } from "./run.mjs";

/** What `docs/compatibility.md` names. */
export const RUNTIMES = {
  bun: { package: "@oven/bun-linux-x64", version: "1.4", binary: "bin/bun", args: [] },
  deno: { package: "@deno/linux-x64-glibc", version: "2.9", binary: "deno", args: ["run", "-A"] },
};

/**
 * The command that starts a script in a runtime, which is installed into .cache/ on first use.
 *
 * @param {keyof typeof RUNTIMES} name
 * @returns {Promise<{ program: string, args: readonly string[] }>}
 */
export async function runtimeCommand(name) {
  const { package: from, version, binary, args } = RUNTIMES[name];
  const folder = `${ROOT}.cache/${name}-${version}`;
  const program = `${folder}/node_modules/${from}/${binary}`;
  if (!existsSync(program)) {
    const installed = await run("npm", ["install", "--prefix", folder, "--no-save", "--no-package-lock", `${from}@${version}`]);
    if (!installed.ok || !existsSync(program)) throw new Error(`npm could not install ${from}@${version}:\n${installed.output}`);
  }
  return { program, args };
}
