/** `npm run fuzz`: starts a worker for each target, watches it, and says what came of it. README.md beside this file. */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { InvalidArgumentError, Option } from "commander";
import { commandLine, positive, whole } from "../helpers/command-line.js";
import { loadCorpus, saveCorpus, saveFinding } from "./corpus.js";
import { MAX_INPUT } from "./mutate.js";
import type { SeedWorkerData, SeedWorkerMessage } from "./seed-worker.js";
import { SEED_TARGETS, TARGETS } from "./target.js";
import type { WorkerData, WorkerMessage } from "./worker.js";

/** A run that takes longer than this hangs. */
const HANG_MS = 10_000;
/** More heap than this is a leak, or a length that was believed. */
const HEAP_MB = 512;
/** So many of the last steps are printed with a finding. */
const STEPS = 30;
/** Long runs report this rarely, in milliseconds. */
const REPORT_MS = 60_000;

const NAMES = [...TARGETS, ...SEED_TARGETS].map(({ name }) => name);

interface Flags {
  readonly seconds: number;
  readonly target?: string;
  readonly seed: number;
  readonly runs: number;
  readonly save?: true;
  readonly replay?: Uint8Array;
}

const program = commandLine("npm run fuzz --", "Fuzzes the decoder, the messages of strangers, and whole peers. test/fuzz/README.md")
  .option("--seconds <n>", "for all targets together", positive, 60)
  .addOption(new Option("--target <name>", "only this one").choices(NAMES))
  .addOption(new Option("--seed <n>", "the same random choices again").argParser(whole(0)).default(Date.now() % 2 ** 31, "from the time"))
  .addOption(
    new Option("--runs <n>", "of targets that run seeds: so many")
      .argParser(whole(1))
      .default(Number.POSITIVE_INFINITY, "until the time is over"),
  )
  .option("--save", "keep inputs that reached something new: rewrites corpus/")
  .addOption(new Option("--replay <file>", "only runs the input in the file, on the target").argParser(inputIn))
  .parse();

function inputIn(path: string): Uint8Array {
  try {
    return Uint8Array.from(readFileSync(path));
  } catch (error) {
    throw new InvalidArgumentError(String(error));
  }
}

const values = program.opts<Flags>();
const { seed, runs } = values;
const wanted = <T extends { readonly name: string }>(all: readonly T[]) =>
  all.filter(({ name }) => values.target === undefined || name === values.target);
const targets = wanted(TARGETS);
const seedTargets = wanted(SEED_TARGETS);
const seconds = values.seconds / (targets.length + seedTargets.length);
if (values.replay !== undefined && targets.length === 0) program.error(`error: a run of ${values.target} is repeated with --seed`);

if (values.replay !== undefined) {
  for (const target of targets) console.log(`${target.name}: ${[...target.run(values.replay)].join(", ")}`);
} else {
  const each = [
    ...targets.map(
      ({ name }) =>
        () =>
          fuzz(name),
    ),
    ...seedTargets.map(
      ({ name }) =>
        () =>
          fuzzSeeds(name),
    ),
  ];
  for (const run of each) {
    if (!(await run())) {
      process.exitCode = 1;
      break;
    }
  }
}

/** A worker that is watched. */
interface Watched<M> {
  readonly module: string;
  readonly workerData: WorkerData | SeedWorkerData;
  /** Number of runs so far first. */
  readonly counters: Int32Array;
  onMessage(message: M, end: (fine: boolean) => void): void;
  /** The worker hangs or died. */
  onBreak(what: string): void;
}

/** True if nothing was found. */
function watch<M>({ module, workerData, counters, onMessage, onBreak }: Watched<M>): Promise<boolean> {
  const worker = new Worker(new URL(module, import.meta.url), { workerData, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
  return new Promise((resolve) => {
    let settled = false;
    const end = (fine: boolean): void => {
      settled = true;
      clearInterval(watchdog);
      void worker.terminate();
      resolve(fine);
    };
    const broke = (what: string): void => {
      if (settled) return;
      onBreak(what);
      end(false);
    };
    let seen = 0;
    let lastRun = performance.now();
    const watchdog = setInterval(() => {
      const now = Atomics.load(counters, 0);
      if (now !== seen) lastRun = performance.now();
      seen = now;
      if (seen > 0 && performance.now() - lastRun > HANG_MS) broke(`hangs for more than ${HANG_MS} ms`);
    }, 500);
    worker.on("message", (message: M) => !settled && onMessage(message, end));
    worker.on("error", (error) => broke(`the worker died: ${error.stack ?? error.message}`));
    worker.on("exit", (code) => broke(`the worker ended with code ${code}`));
  });
}

/** Mutates inputs. True if nothing was found. */
function fuzz(target: string): Promise<boolean> {
  const corpus = loadCorpus(target);
  console.log(`${target}: ${seconds} s, seed ${seed}, ${corpus.length} inputs in the corpus`);
  const shared = new SharedArrayBuffer(8 + MAX_INPUT);
  const counters = new Int32Array(shared, 0, 2);
  const found = (what: string, input: Uint8Array): void => {
    const path = saveFinding(target, input);
    console.error(
      `${target}: ${what}\n${input.length} bytes: ${Buffer.from(input).toString("hex")}\nseed ${seed}; again with: npm run fuzz -- --target ${target} --replay ${path}`,
    );
  };
  return watch<WorkerMessage>({
    module: "./worker.js",
    workerData: { target, seconds, seed, corpus, shared },
    counters,
    onMessage(message, end) {
      if (message.type === "finding") {
        found(message.error, message.input);
        end(false);
      } else if (message.type === "progress") {
        console.log(
          `${target}: ${message.runs} runs, ${message.kept} inputs kept, coverage ${message.covered}, ${message.features} features`,
        );
      } else {
        if (values.save === true) saveCorpus(target, message.corpus);
        console.log(`${target}: nothing found; ${message.corpus.length} inputs reach all that was reached`);
        end(true);
      }
    },
    onBreak: (what) => found(what, Uint8Array.from(new Uint8Array(shared, 8, counters[1]))),
  });
}

/** Runs seed after seed. True if nothing was found. */
function fuzzSeeds(target: string): Promise<boolean> {
  console.log(`${target}: ${seconds} s, from seed ${seed} on`);
  const shared = new SharedArrayBuffer(8);
  const counters = new Int32Array(shared);
  const again = (at: number) => `seed ${at}; again with: npm run fuzz -- --target ${target} --seed ${at} --runs 1`;
  let nextReport = performance.now() + Math.min(REPORT_MS, (seconds * 1000) / 3);
  return watch<SeedWorkerMessage>({
    module: "./seed-worker.js",
    workerData: { target, seconds, seed, runs, shared, verbose: runs === 1 },
    counters,
    onMessage(message, end) {
      if (message.type === "finding") {
        console.error(`${target}: ${message.error}\nlast steps:\n  ${message.steps.slice(-STEPS).join("\n  ")}\n${again(message.seed)}`);
        end(false);
      } else if (message.type === "done") {
        console.log(`${target}: nothing found; ${message.runs} runs, ${message.frames} hostile frames`);
        end(true);
      } else if (performance.now() >= nextReport) {
        nextReport += REPORT_MS;
        console.log(`${target}: ${message.runs} runs, ${message.frames} hostile frames`);
      }
    },
    onBreak: (what) => console.error(`${target}: ${what}\n${again(counters[1] as number)}`),
  });
}
