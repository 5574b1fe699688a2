/** Runtimes other than Node, from npm's packages that ship the binary. */
import { existsSync } from "node:fs";
import { ROOT, run } from "./run.mjs";

/** On Windows a program has this at the end of its name. */
const EXE = process.platform === "win32" ? ".exe" : "";

const BUN_SYSTEM = process.platform === "win32" ? "windows" : process.platform;
const BUN_CPU = process.arch === "arm64" ? "aarch64" : process.arch;
const DENO_LIBC = process.platform === "linux" ? "-glibc" : "";

/** What `docs/runtimes.md` names, for this system and processor. */
export const RUNTIMES = {
  bun: { package: `@oven/bun-${BUN_SYSTEM}-${BUN_CPU}`, version: "1.4", binary: `bin/bun${EXE}`, args: [] },
  deno: { package: `@deno/${process.platform}-${process.arch}${DENO_LIBC}`, version: "2.9", binary: `deno${EXE}`, args: ["run", "-A"] },
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
