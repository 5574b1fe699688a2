/**
 * Everything that must hold before a change lands, one step after the other.
 *
 *   npm run verify                    all steps
 *   npm run verify -- --list          their names
 *   npm run verify -- lint types      only these
 *
 * A failed step does not stop the ones behind it, except the build, which they need. The last line adds up the
 * tests of the test runs and the other steps.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { sep } from "node:path";
import { checkExclusions } from "./lib/exclusions.mjs";
import { nodeBinary } from "./lib/node-versions.mjs";
import { ROOT, run, secondsSince } from "./lib/run.mjs";
import { runtimeCommand } from "./lib/runtimes.mjs";

/**
 * @typedef {{ ok: boolean, output: string, passed?: number, failed?: number }} Result
 * @typedef {{ name: string, what: string, run: () => Promise<Result>, essential?: boolean }} Step
 */

/**
 * One command, shown as it runs if `show`, else only when it fails.
 *
 * @param {string} name
 * @param {string} what
 * @param {string} command
 * @param {{ essential?: boolean, show?: boolean }} [options]
 * @returns {Step}
 */
function command(name, what, command, { essential = false, show = false } = {}) {
  const [program = "", ...args] = command.split(" ");
  return { name, what, essential, run: () => run(program, args, { show }) };
}

/**
 * One vitest project, on this Node or another.
 *
 * @param {string} name
 * @param {string} what
 * @param {string} project
 * @param {{ major?: number, runtime?: "bun" | "deno", files?: () => string[], env?: Record<string, string> }} [options] `files`: only these of its files.
 * @returns {Step}
 */
function tests(name, what, project, { major, runtime, files = () => [], env = {} } = {}) {
  return {
    name,
    what,
    run: async () => {
      const node = major === undefined ? process.execPath : await nodeBinary(major);
      const { program, args } = runtime === undefined ? { program: node, args: [] } : await runtimeCommand(runtime);
      const report = `${ROOT}.cache/verify/${name}.json`;
      rmSync(report, { force: true });
      const vitest = ["node_modules/vitest/vitest.mjs", "run", "--allowOnly=false", "--project", project, ...files()];
      const result = await run(program, [...args, ...vitest, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`], {
        show: true,
        env,
      });
      const counts = countsOf(report, result.ok, runtime);
      return { ok: counts.failed === 0, output: result.output, ...counts };
    },
  };
}

/** Test files that run less often in the unit suite than they can: test/helpers/runs.ts. */
function repeating() {
  const files = readdirSync(`${ROOT}test`, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  return files
    .map((name) => `test/${name.replaceAll(sep, "/")}`)
    .filter((name) => readFileSync(ROOT + name, "utf8").includes("/helpers/runs.js"));
}

/**
 * What a test run counted. A skipped test is a failure, unless test/runtimes/exclusions.json has a reason why it cannot run on this runtime.
 * So is a run that failed without a failing test (no report, an error outside the tests).
 *
 * @param {string} report
 * @param {boolean} ok
 * @param {"bun" | "deno"} [runtime]
 */
function countsOf(report, ok, runtime) {
  let passed = 0;
  let failed = 0;
  try {
    const results = JSON.parse(readFileSync(report, "utf8"));
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = results;
    let skipped = numPendingTests + numTodoTests;
    if (skipped > 0) console.log(`${skipped} tests were skipped`);
    if (runtime !== undefined) {
      const problems = checkExclusions(runtime, results);
      for (const problem of problems) console.log(problem);
      skipped = problems.length;
    }
    passed = numPassedTests;
    failed = numFailedTests + skipped;
  } catch {
    return { passed: 0, failed: 1 };
  }
  return { passed, failed: ok ? failed : Math.max(failed, 1) };
}

/** @type {readonly Step[]} */
const STEPS = [
  command("system", "Debian packages that the tests need", "node scripts/system-packages.mjs", { show: true }),
  command("lint", "Biome: format and lint", "biome ci --colors=off"),
  command("types", "tsc: sources, tests, examples", "tsc -p tsconfig.json"),
  command("script-types", "tsc: scripts", "tsc -p scripts"),
  command("protos", "buf lint", "buf lint"),
  command("breaking", "buf breaking", "node scripts/breaking.mjs"),
  command("generated", "regenerating leaves no diff", "node scripts/generated.mjs"),
  command("build", "tsc and rolldown: dist/", "node scripts/build.mjs", { essential: true }),
  tests("unit", "unit tests", "unit*"),
  tests("properties", "unit tests that repeat themselves, with all their runs", "unit*", {
    files: repeating,
    env: { FRAMEWIRE_RUNS: "all" },
  }),
  command("fuzz", "ten seconds of fuzzing: decoder, session messages, hostile peers", "npm run --silent fuzz -- --seconds 10", {
    show: true,
  }),
  command("publint", "publint: package.json", "publint --strict"),
  command("attw", "are the types wrong: the packed package", "attw --pack . --profile esm-only"),
  command("peers", "codecs, messages and calls on the oldest peer dependencies", "node scripts/oldest-peers.mjs"),
  tests("integration", "integration, package and browser tests", "integration"),
  tests("browsers", "three browser engines do what docs/compatibility.md says", "compatibility"),
  command("bun", "transports and the chat exchange on Bun", "node scripts/runtime.mjs bun", { show: true }),
  command("deno", "transports and the chat exchange on Deno", "node scripts/runtime.mjs deno", { show: true }),
  tests("unit-bun", "unit tests that share their modules, on Bun", "unit", { runtime: "bun" }),
  tests("unit-deno", "unit tests that share their modules, on Deno", "unit", { runtime: "deno" }),
  tests("unit-22", "unit tests on Node 22", "unit*", { major: 22 }),
  tests("unit-24", "unit tests on Node 24", "unit*", { major: 24 }),
];

const chosen = process.argv.slice(2);
if (chosen.includes("--help")) {
  console.log("npm run verify -- [NAME ...]   these steps, by default all\nnpm run verify -- --list      their names");
  process.exit(0);
}
if (chosen.includes("--list")) {
  for (const { name, what } of STEPS) console.log(`${name.padEnd(14)}${what}`);
  process.exit(0);
}
const unknown = chosen.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no step is called ${unknown.join(", ")}; npm run verify -- --list shows them`);
  process.exit(2);
}

mkdirSync(`${ROOT}.cache/verify`, { recursive: true });
const startedAt = performance.now();
const steps = STEPS.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
const lines = [];
let passed = 0;
let failed = 0;

for (const [index, step] of steps.entries()) {
  console.log(`\n[${index + 1}/${steps.length}] ${step.name}: ${step.what}`);
  const stepStartedAt = performance.now();
  /** @type {Result} */
  const result = await step.run().catch((error) => ({ ok: false, output: `${error.stack}\n` }));
  if (!result.ok && result.output !== "") console.log(result.output.trimEnd());
  const line = `${result.ok ? "ok    " : "FAILED"} ${step.name.padEnd(14)}${secondsSince(stepStartedAt).padStart(8)}`;
  console.log(line);
  lines.push(line);
  passed += result.passed ?? (result.ok ? 1 : 0);
  failed += result.failed ?? (result.ok ? 0 : 1);
  if (!result.ok && step.essential) {
    const left = steps.length - index - 1;
    lines.push(`FAILED ${left} steps behind ${step.name} did not run`);
    failed += left;
    break;
  }
}

console.log(`\n${lines.join("\n")}\n       in all        ${secondsSince(startedAt).padStart(8)}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
