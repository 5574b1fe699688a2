/** The fuzz loop of one target. Runs in a worker, so that the main thread can see it hang and its memory can be bounded. */
import { parentPort, workerData } from "node:worker_threads";
import { Random } from "../helpers/random.js";
import { Coverage } from "./coverage.js";
import { MAX_INPUT, mutate } from "./mutate.js";
import type { Target } from "./target.js";

export interface WorkerData {
  readonly target: string;
  readonly seconds: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** Number of runs so far, length of the input at hand, and that input. */
  readonly shared: SharedArrayBuffer;
}

export type WorkerMessage =
  | { readonly type: "progress"; readonly runs: number; readonly kept: number; readonly covered: number; readonly features: number }
  | { readonly type: "finding"; readonly input: Uint8Array; readonly error: string }
  | { readonly type: "done"; readonly corpus: readonly Uint8Array[] };

/** Inputs between two looks at the coverage, which costs about as much as a few runs. */
const BATCH = 32;

const { target: name, seconds, seed, corpus, shared } = workerData as WorkerData;
const counters = new Int32Array(shared, 0, 2);
const current = new Uint8Array(shared, 8, MAX_INPUT);
const deadline = performance.now() + seconds * 1000;
const send = (message: WorkerMessage): void => parentPort!.postMessage(message);

class Loop {
  readonly #target: Target;
  readonly #coverage: Coverage;
  readonly #random = new Random(seed);
  readonly #features = new Set<string>();
  #kept: Uint8Array[] = [];
  #runs = 0;
  #nextReport = performance.now() + 2000;

  constructor(target: Target, coverage: Coverage) {
    this.#target = target;
    this.#coverage = coverage;
  }

  /** Fuzzes until the deadline; the smallest corpus that reaches all that was reached, or `undefined` after a finding. */
  run(): Uint8Array[] | undefined {
    for (const input of [...corpus, ...this.#target.seeds()]) if (!this.#keepIfNew(input.slice(0, MAX_INPUT))) return undefined;
    while (performance.now() < deadline) {
      if (performance.now() > this.#nextReport) this.report();
      const batch = Array.from({ length: BATCH }, () => this.#child());
      for (const input of batch) if (!this.#run(input)) return undefined;
      if (this.#coverage.take(false) === 0) continue;
      for (const input of batch) if (!this.#keepIfNew(input)) return undefined;
    }
    this.report();
    return this.#smallest();
  }

  report(): void {
    this.#nextReport = performance.now() + 2000;
    send({ type: "progress", runs: this.#runs, kept: this.#kept.length, covered: this.#coverage.covered, features: this.#features.size });
  }

  /** Young inputs are chosen more often: they have been tried less. */
  #child(): Uint8Array {
    const { length } = this.#kept;
    const chosen = this.#random.oneIn(2) ? this.#random.from(Math.floor(length * 0.8), length - 1) : this.#random.from(0, length - 1);
    return mutate(this.#kept[chosen]!, this.#random.pick(this.#kept), this.#target, this.#random);
  }

  /** Runs `input` and keeps it if it has a new feature. False for a finding. */
  #run(input: Uint8Array): boolean {
    current.set(input);
    counters[1] = input.length;
    Atomics.store(counters, 0, ++this.#runs);
    try {
      const before = this.#features.size;
      for (const feature of this.#target.run(input)) this.#features.add(feature);
      if (this.#features.size > before) this.#kept.push(input);
      return true;
    } catch (thrown) {
      send({ type: "finding", input: shrink(this.#target, input), error: describe(thrown) });
      return false;
    }
  }

  /** As `#run`, and keeps an input that reaches code that none has reached. */
  #keepIfNew(input: Uint8Array): boolean {
    if (!this.#run(input)) return false;
    if (this.#coverage.take(true) > 0 && !this.#kept.includes(input)) this.#kept.push(input);
    return true;
  }

  #smallest(): Uint8Array[] {
    const candidates = this.#kept.sort((a, b) => a.length - b.length);
    this.#kept = [];
    this.#features.clear();
    this.#coverage.reset();
    for (const input of candidates) this.#keepIfNew(input);
    return this.#kept;
  }
}

/** Takes pieces out for as long as the rest still breaks a promise. */
function shrink(target: Target, input: Uint8Array): Uint8Array {
  let smallest = input;
  for (let size = Math.ceil(input.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < smallest.length; ) {
      const less = Uint8Array.from([...smallest.subarray(0, at), ...smallest.subarray(at + size)]);
      if (breaks(target, less)) smallest = less;
      else at += size;
    }
  }
  return smallest;
}

function breaks(target: Target, input: Uint8Array): boolean {
  try {
    target.run(input);
    return false;
  } catch {
    return true;
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

// The code under test is loaded after coverage has begun, so that its blocks are counted.
const coverage = new Coverage();
const { TARGETS } = await import("./target.js");
const target = TARGETS.find((each) => each.name === name)!;
coverage.covers = target.covers;
const loop = new Loop(target, coverage);
const smallest = loop.run();
if (smallest !== undefined) send({ type: "done", corpus: smallest });
