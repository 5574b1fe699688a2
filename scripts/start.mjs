/** Builds the package, generates and compiles the chat example, bundles its page and runs it. */
import { ROOT, run, secondsSince } from "./lib/run.mjs";

/** @type {readonly (readonly [what: string, command: string])[]} */
const STEPS = [
  ["building the package", "node scripts/build.mjs"],
  ["generating the chat's messages from its .proto", "buf generate --template examples/chat/buf.gen.yaml"],
  ["compiling the chat", "tsc -p examples/chat"],
  ["bundling its page", "vite build --config examples/chat/vite.config.ts"],
];

for (const [what, command] of STEPS) {
  const startedAt = performance.now();
  const [program = "", ...args] = command.split(" ");
  const { ok, output } = await run(program, args);
  if (!ok) {
    console.error(`${what} failed: ${command}\n${output}`);
    process.exit(1);
  }
  console.log(`${what}: ${secondsSince(startedAt)}`);
}

// In this process, so that a signal reaches it on every system: Windows passes none on to a child.
process.chdir(ROOT);
await import(new URL("../examples/chat/dist/main.js", import.meta.url).href);
