/**
 * Where the programs that the scripts run are. Without node_modules/.bin and without a shell: on Windows that folder
 * holds batch files, which only a shell can start, and a shell reads arguments in its own way.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../../package.json", import.meta.url));
const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

/**
 * A command as `spawn` takes it: the script of a package in package.json, or npm's, as an argument of this Node;
 * anything else as it is.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {[program: string, args: string[]]}
 */
export function toolCommand(command, args) {
  if (command === "node") return [process.execPath, [...args]];
  const script = command === "npm" ? npmScript() : scriptOf(command);
  return script === undefined ? [command, [...args]] : [process.execPath, [script, ...args]];
}

/** @type {Map<string, string> | undefined} */
let scripts;

/**
 * The script of the package that has a program of this name.
 *
 * @param {string} command
 */
function scriptOf(command) {
  scripts ??= readScripts();
  return scripts.get(command);
}

function readScripts() {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(PACKAGE, "utf8"));
  const found = new Map();
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    const folder = join(MODULES, name);
    if (!existsSync(join(folder, "package.json"))) continue;
    const { bin = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const programs = typeof bin === "string" ? { [name.replace(/^@[^/]+\//, "")]: bin } : bin;
    for (const [program, path] of Object.entries(programs)) found.set(program, join(folder, path));
  }
  return found;
}

/** npm's script: that of the npm that started this process, otherwise the one that came with this Node. */
function npmScript() {
  const own = process.env.npm_execpath;
  if (own !== undefined && /npm-cli\.c?js$/.test(own)) return own;
  const folder = dirname(process.execPath);
  // The archive of Windows has its modules beside node.exe, the others in lib/.
  for (const modules of [join(folder, "node_modules"), join(folder, "..", "lib", "node_modules")]) {
    const path = join(modules, "npm", "bin", "npm-cli.js");
    if (existsSync(path)) return path;
  }
  return undefined;
}
