/** The fuzz loop of a target that is given seeds, one after the other. Runs in a worker, as `worker.ts` does, and for the same reasons. */
import { parentPort, workerData } from "node:worker_threads";
import { SEED_TARGETS } from "./target.js";

export interface SeedWorkerData {
  readonly target: string;
  readonly seconds: number;
  /** The first seed, and how many there are at most. */
  readonly seed: number;
  readonly runs: number;
  /** Number of runs so far, and the seed at hand. */
  readonly shared: SharedArrayBuffer;
  /** Prints each step. */
  readonly verbose: boolean;
}

export type SeedWorkerMessage =
  | { readonly type: "progress" | "done"; readonly runs: number; readonly frames: number }
  | { readonly type: "finding"; readonly seed: number; readonly error: string; readonly steps: readonly string[] };

const REPORT_MS = 2000;

const { target: name, seconds, seed: first, runs, shared, verbose } = workerData as SeedWorkerData;
const counters = new Int32Array(shared, 0, 2);
const target = SEED_TARGETS.find((each) => each.name === name)!;
const send = (message: SeedWorkerMessage): void => parentPort!.postMessage(message);
const deadline = performance.now() + seconds * 1000;

let frames = 0;
let done = 0;
let nextReport = performance.now() + REPORT_MS;
let found = false;
for (; done < runs && performance.now() < deadline && !found; done++) {
  const seed = (first + done) % 2 ** 31;
  counters[1] = seed;
  Atomics.store(counters, 0, done + 1);
  const steps: string[] = [];
  try {
    frames += await target.run(seed, (line) => (verbose ? console.log(line) : steps.push(line)));
  } catch (thrown) {
    found = true;
    send({ type: "finding", seed, error: (thrown as Error).message, steps });
  }
  if (performance.now() < nextReport) continue;
  nextReport = performance.now() + REPORT_MS;
  send({ type: "progress", runs: done + 1, frames });
}
if (!found) send({ type: "done", runs: done, frames });
