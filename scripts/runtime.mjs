/**
 * The transports and the chat exchange on a runtime other than Node. The package must be built.
 *
 *   node scripts/runtime.mjs bun
 *   node scripts/runtime.mjs deno
 */
import { run } from "./lib/run.mjs";
import { RUNTIMES, runtimeCommand } from "./lib/runtimes.mjs";

const name = /** @type {keyof typeof RUNTIMES} */ (process.argv[2]);
if (!Object.hasOwn(RUNTIMES, name)) throw new Error(`the runtimes are ${Object.keys(RUNTIMES).join(" and ")}`);

const { program, args } = await runtimeCommand(name);

/** @type {readonly (readonly [program: string, args: readonly string[]])[]} */
const steps = [
  ["tsc", ["-p", "test/runtimes"]],
  [program, [...args, ".cache/runtimes/test/runtimes/main.js"]],
  ["tsc", ["-p", "examples/chat"]],
  ["vite", ["build", "--config", "examples/chat/vite.config.ts", "--logLevel", "warn"]],
  [program, [...args, "examples/chat/dist/main.js", "--once", "--port", "0", "--tcp-port", "0"]],
];
for (const [command, its] of steps) {
  const { ok } = await run(command, its, { show: true });
  if (!ok) process.exit(1);
}
