/** Runs commands for the other scripts. */
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { toolCommand } from "./tools.mjs";

/** The repository's root folder, with a separator at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Runs `command` in the repository's root: a program of a package in package.json, `node`, `npm` or one of the system. Its own children find
 * node_modules/.bin first in their path.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ show?: boolean, env?: Record<string, string> }} [options] `show`: let its output through as it comes (default: collect it).
 * @returns {Promise<{ ok: boolean, output: string }>} `output` is empty when it was shown.
 */
export function run(command, args, { show = false, env = {} } = {}) {
  const path = [join(ROOT, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter);
  const [program, its] = toolCommand(command, args);
  return new Promise((resolve) => {
    const child = spawn(program, its, {
      cwd: ROOT,
      env: { ...process.env, PATH: path, ...env },
      stdio: ["ignore", show ? "inherit" : "pipe", show ? "inherit" : "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.once("error", (error) => resolve({ ok: false, output: `${output}${error.message}\n` }));
    child.once("close", (code) => resolve({ ok: code === 0, output }));
  });
}

/** @param {number} startedAt A value of `performance.now()`. */
export function secondsSince(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
