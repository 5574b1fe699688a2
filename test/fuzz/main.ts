/** `npm run fuzz`: starts a worker for each target, watches it, and says what came of it. README.md beside this file. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { loadCorpus, saveCorpus, saveFinding } from "./corpus.js";
import { MAX_INPUT } from "./mutate.js";
import { TARGETS } from "./target.js";
import type { WorkerData, WorkerMessage } from "./worker.js";

/** An input that takes longer than this hangs. */
const HANG_MS = 10_000;
/** More heap than this is a leak, or a length that was believed. */
const HEAP_MB = 512;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    target: { type: "string" },
    seed: { type: "string" },
    save: { type: "boolean", default: false },
    replay: { type: "string" },
  },
});

const targets = TARGETS.filter(({ name }) => values.target === undefined || name === values.target);
const seconds = Number(values.seconds) / targets.length;
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
if (targets.length === 0 || !(seconds > 0) || !Number.isInteger(seed)) {
  console.error(
    `usage: npm run fuzz -- [--seconds N] [--target ${TARGETS.map(({ name }) => name).join("|")}] [--seed N] [--save] [--replay FILE --target T]`,
  );
  process.exit(2);
}

if (values.replay !== undefined) {
  for (const target of targets) console.log(`${target.name}: ${[...target.run(Uint8Array.from(readFileSync(values.replay)))].join(", ")}`);
} else {
  for (const target of targets) {
    if (!(await fuzz(target.name))) {
      process.exitCode = 1;
      break;
    }
  }
}

/** True if nothing was found. */
function fuzz(target: string): Promise<boolean> {
  const corpus = loadCorpus(target);
  console.log(`${target}: ${seconds} s, seed ${seed}, ${corpus.length} inputs in the corpus`);
  const shared = new SharedArrayBuffer(8 + MAX_INPUT);
  const counters = new Int32Array(shared, 0, 2);
  const workerData: WorkerData = { target, seconds, seed, corpus, shared };
  const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });

  return new Promise((resolve) => {
    let settled = false;
    const end = (fine: boolean): void => {
      settled = true;
      clearInterval(watchdog);
      void worker.terminate();
      resolve(fine);
    };
    const found = (what: string, input: Uint8Array): void => {
      if (settled) return;
      const path = saveFinding(target, input);
      console.error(
        `${target}: ${what}\n${input.length} bytes: ${Buffer.from(input).toString("hex")}\nseed ${seed}; again with: npm run fuzz -- --target ${target} --replay ${path}`,
      );
      end(false);
    };
    const atHand = (): Uint8Array => Uint8Array.from(new Uint8Array(shared, 8, counters[1]));

    let runs = 0;
    let lastRun = performance.now();
    const watchdog = setInterval(() => {
      const now = Atomics.load(counters, 0);
      if (now !== runs) lastRun = performance.now();
      runs = now;
      if (runs > 0 && performance.now() - lastRun > HANG_MS) found(`hangs for more than ${HANG_MS} ms`, atHand());
    }, 500);

    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "finding") found(message.error, message.input);
      else if (message.type === "progress") {
        console.log(
          `${target}: ${message.runs} runs, ${message.kept} inputs kept, coverage ${message.covered}, ${message.features} features`,
        );
      } else {
        if (values.save) saveCorpus(target, message.corpus);
        console.log(`${target}: nothing found; ${message.corpus.length} inputs reach all that was reached`);
        end(true);
      }
    });
    worker.on("error", (error) => found(`the worker died: ${error.stack ?? error.message}`, atHand()));
    worker.on("exit", (code) => {
      if (!settled) found(`the worker ended with code ${code}`, atHand());
    });
  });
}
