/**
 * Mutation tests: makes one-line mutations of sources, one at a time and in a copy of the tree, and runs the unit tests that import what was
 * changed. A mutation that no test fails for has survived. `npm run mutants -- --help`.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { parseArgs } from "node:util";
import { importsOf, mutated, mutationsOf } from "./lib/mutations.mjs";
import { ROOT, run, secondsSince } from "./lib/run.mjs";

const HELP = `Usage: npm run mutants -- [options]

Makes one-line mutations of sources and runs the unit tests that import them. Works in a copy of the tree; the tree itself stays as it is.

  --files PATH      a source or a folder of sources, may be given again; default: src/codec, src/link and src/session
  --count N         how many mutations, drawn by the seed; default 60
  --seed N          default 1
  --only ID         only the mutation with this id, as the report prints it
  --survivors N     how many may survive; default 0. More of them end the command with 1
  --minutes N       begins no mutation after so many minutes; default: no limit
  --tests N         runs no more than the N test files nearest to the mutated source; default: all that import it
  --workers N       of vitest; default 2
  --list            prints the mutations, and runs none
  --help            prints this
`;

const { values: options } = parseArgs({
  options: {
    files: { type: "string", multiple: true, default: ["src/codec", "src/link", "src/session"] },
    count: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    survivors: { type: "string", default: "0" },
    minutes: { type: "string", default: "Infinity" },
    tests: { type: "string", default: "Infinity" },
    workers: { type: "string", default: "2" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

/** The tests nearest to the file run first: they find most mutations, and the others are not run then. */
const NEAREST = 3;
/** A run may take so many times what it took without a mutation, and some seconds. */
const PATIENCE = 4;
const PATIENCE_MS = 30_000;

/** @typedef {import("./lib/mutations.mjs").Mutation & { readonly id: string, readonly file: string, readonly before: string }} Mutant */
/** @typedef {"killed" | "survived" | "timeout"} Verdict */

const startedAt = performance.now();
const files = await trackedFiles();
const sources = files.filter(
  (file) => file.endsWith(".ts") && options.files.some((path) => file === path || file.startsWith(`${path.replace(/\/$/, "")}/`)),
);

if (sources.length === 0) fail(`no source matches ${options.files.join(", ")}`);
const mutants = draw(sources.flatMap(mutantsOf), numberOf("count"), numberOf("seed"));
if (mutants.length === 0) fail("no mutation to make");

if (options.list) {
  for (const mutant of mutants) console.log(show(mutant));
  process.exit(0);
}

/** The run of vitest that is under way. @type {import("node:child_process").ChildProcess | undefined} */
let running;
const copy = copyOfTree();
process.once("exit", () => {
  running?.kill("SIGKILL");
  rmSync(copy, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.once(signal, () => process.exit(2));

const importers = importersByFile();
/** @type {Map<string, Record<Verdict, number>>} */
const scores = new Map();
/** @type {string[]} */
const survivors = [];
/** Milliseconds of each list of tests without a mutation. @type {Map<string, number>} */
const durations = new Map();
const until = startedAt + numberOf("minutes") * 60_000;
let ran = 0;
for (const mutant of mutants) {
  if (performance.now() > until) break;
  const { verdict, by } = await judge(mutant);
  ran++;
  const score = scores.get(mutant.file) ?? { killed: 0, survived: 0, timeout: 0 };
  scores.set(mutant.file, score);
  score[verdict]++;
  if (verdict === "survived") survivors.push(show(mutant));
  console.log(`${ran}/${mutants.length} ${secondsSince(startedAt)}  ${verdict.padEnd(8)} ${show(mutant)}${by === "" ? "" : `  [${by}]`}`);
}

report();
process.exit(survivors.length > numberOf("survivors") ? 1 : 0);

/**
 * @param {Mutant} mutant
 * @returns {Promise<{ verdict: Verdict, by: string }>} `by`: the first test that failed.
 */
async function judge(mutant) {
  const tests = testsOf(mutant.file);
  const stages = [tests.slice(0, NEAREST), tests.slice(NEAREST)].filter((stage) => stage.length > 0);
  const path = join(copy, mutant.file);
  const source = readFileSync(path, "utf8");
  for (const stage of stages) {
    const patience = PATIENCE * (await durationOf(stage)) + PATIENCE_MS;
    writeFileSync(path, mutated(source, mutant));
    const { outcome, failed } = await test(stage, patience);
    writeFileSync(path, source);
    if (outcome === "timeout") return { verdict: "timeout", by: "" };
    if (outcome === "failed") return { verdict: "killed", by: failed };
  }
  return { verdict: "survived", by: "" };
}

/**
 * What these tests take on the sources as they are. They must pass: otherwise nothing is proved by their failing.
 *
 * @param {readonly string[]} tests
 */
async function durationOf(tests) {
  const key = tests.join();
  const known = durations.get(key);
  if (known !== undefined) return known;
  const began = performance.now();
  const { outcome, output } = await test(tests, 1_200_000);
  if (outcome !== "passed") fail(`without a mutation the tests do not pass:\n${output}`);
  const took = performance.now() - began;
  durations.set(key, took);
  return took;
}

/**
 * Runs unit tests in the copy, up to the first that fails.
 *
 * @param {readonly string[]} tests
 * @param {number} timeoutMs
 * @returns {Promise<{ outcome: "passed" | "failed" | "timeout", failed: string, output: string }>}
 */
function test(tests, timeoutMs) {
  const vitest = join(copy, "node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", "--project", "unit*", "--bail", "1", "--maxWorkers", options.workers, "--reporter", "default", ...tests];
  const child = spawn(process.execPath, args, { cwd: copy, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  running = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      // A mutation may make a test print without end.
      output = (output + text).slice(-200_000);
    });
  }
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.once("close", (code) => {
      clearTimeout(timer);
      const failed = /FAIL\s+(.*)/.exec(output)?.[1]?.trim() ?? "an error outside of the tests";
      resolve({ outcome: late ? "timeout" : code === 0 ? "passed" : "failed", failed, output });
    });
  });
}

/** The files of the tree as they are now, those that are not committed included. */
async function trackedFiles() {
  const listed = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"]);
  const deleted = await run("git", ["ls-files", "--deleted", "-z"]);
  if (!listed.ok || !deleted.ok) fail(listed.output + deleted.output);
  const gone = new Set(deleted.output.split("\0"));
  return listed.output.split("\0").filter((file) => file !== "" && !gone.has(file));
}

/** The path of a copy of the tree, which shares its packages. */
function copyOfTree() {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "framewire-mutants-"));
  for (const file of files) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file));
  }
  symlinkSync(realpathSync(join(ROOT, "node_modules")), join(folder, "node_modules"), "junction");
  return folder;
}

/**
 * @param {string} file
 * @returns {Mutant[]}
 */
function mutantsOf(file) {
  const source = readFileSync(join(ROOT, file), "utf8");
  return mutationsOf(file, source).map((mutation, index) => ({
    ...mutation,
    file,
    id: `${file}#${index}`,
    before: source.slice(mutation.start, mutation.end),
  }));
}

/**
 * The sample: with `--only` the one asked for.
 *
 * @param {Mutant[]} all
 * @param {number} count
 * @param {number} seed
 */
function draw(all, count, seed) {
  if (options.only !== undefined) return all.filter(({ id }) => id === options.only);
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const left = [...all];
  const drawn = [];
  while (drawn.length < count && left.length > 0) drawn.push(.../** @type {Mutant[]} */ (left.splice(Math.floor(next() * left.length), 1)));
  return drawn;
}

/** For each file of src and test, those that import it. */
function importersByFile() {
  const known = new Set(files);
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const file of files) {
    if (!/^(src|test|examples)\/.*\.ts$/.test(file)) continue;
    for (const name of importsOf(file, readFileSync(join(ROOT, file), "utf8"))) {
      const target = resolved(file, name);
      if (target === undefined || !known.has(target)) continue;
      const list = found.get(target);
      if (list === undefined) found.set(target, [file]);
      else list.push(file);
    }
  }
  return found;
}

/**
 * @param {string} file
 * @param {string} name As `file` imports it.
 */
function resolved(file, name) {
  const own = /^framewire(?:\/(\w+))?$/.exec(name);
  if (own !== null) return own[1] === undefined ? "src/index.ts" : `src/${own[1]}/index.ts`;
  return name.startsWith(".") ? posix.join(posix.dirname(file), name).replace(/\.js$/, ".ts") : undefined;
}

/**
 * The unit tests that import a source, the nearest first; of those equally near, those with its name or in its folder.
 *
 * @param {string} source
 */
function testsOf(source) {
  const name = posix.basename(source, ".ts");
  const folder = posix.dirname(source).replace(/^src/, "test");
  /** @param {string} file */
  const rank = (file) => (posix.basename(file).startsWith(name) ? 0 : posix.dirname(file) === folder ? 1 : 2);
  const seen = new Set([source]);
  /** @type {string[]} */
  const tests = [];
  for (let ring = [source]; ring.length > 0; ) {
    ring = ring.flatMap((file) => importers.get(file) ?? []).filter((file) => !seen.has(file) && seen.add(file));
    const here = ring.filter((file) => file.endsWith(".test.ts") && isUnitTest(file));
    tests.push(...here.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)));
  }
  if (tests.length === 0) fail(`no unit test imports ${source}`);
  return tests.slice(0, numberOf("tests"));
}

/** @param {string} file */
function isUnitTest(file) {
  return !/^test\/(package|browser|react-native|interop|integration|bench|compatibility)\//.test(file);
}

/** @param {Mutant} mutant */
function show({ id, line, kind, before, text }) {
  /** @param {string} code */
  const short = (code) => (code.length > 60 ? `${code.slice(0, 57)}...` : code).replaceAll(/\s+/g, " ");
  return `${id} line ${line}, ${kind}: ${short(before)} → ${short(text)}`;
}

function report() {
  console.log(`\n${"file".padEnd(40)} killed timeouts survived`);
  const total = { killed: 0, survived: 0, timeout: 0 };
  for (const [file, score] of [...scores].sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(row(file, score));
    for (const verdict of /** @type {Verdict[]} */ (["killed", "survived", "timeout"])) total[verdict] += score[verdict];
  }
  console.log(row("all", total));
  const caught = total.killed + total.timeout;
  console.log(`\nscore: ${((100 * caught) / ran).toFixed(0)} % (${caught} of ${ran}), seed ${options.seed}, ${secondsSince(startedAt)}`);
  if (ran < mutants.length) console.log(`${mutants.length - ran} were not begun: --minutes ${options.minutes}`);
  for (const each of survivors) console.log(`survived: ${each}`);
}

/**
 * @param {string} name
 * @param {Record<Verdict, number>} score
 */
function row(name, { killed, survived, timeout }) {
  return `${name.padEnd(40)} ${String(killed).padStart(6)} ${String(timeout).padStart(8)} ${String(survived).padStart(8)}`;
}

/** @param {"count" | "seed" | "survivors" | "minutes" | "tests"} name */
function numberOf(name) {
  const value = Number(options[name]);
  if (!(value >= 0)) fail(`--${name} takes a number, not ${options[name]}`);
  return value;
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(2);
}
