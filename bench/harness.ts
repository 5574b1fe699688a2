/**
 * Measures contestants side by side. All subjects of a case take turns within every round, so that a slow
 * spell of the machine hits all of them; what is reported is the median of the rounds and their spread.
 */

/** One contestant of a case. */
export interface Subject {
  readonly name: string;
  /** Works through the case's input once and returns the units it did, so that a subject which loses some is caught. */
  readonly pass: () => number | Promise<number>;
  /** Units that a pass must give, when not those of the case. */
  readonly units?: number;
}

/** Subjects that do the same work. */
export interface Case {
  readonly name: string;
  /** Units of work (frames, calls, bytes …) in one pass. */
  readonly units: number;
  readonly subjects: readonly Subject[];
}

/** How long and how often to measure. */
export interface MeasureOptions {
  /** Rounds, each with one sample of every subject. */
  readonly rounds: number;
  /** A sample repeats passes for at least this long, in milliseconds. */
  readonly sampleMs: number;
  /** Every subject runs at least this long before the first round, in milliseconds. */
  readonly warmUpMs: number;
  /** A subject whose first pass takes longer than this is not run again: that pass is its only sample. In milliseconds. */
  readonly slowMs: number;
}

/** What one subject did. */
export interface Measurement {
  readonly name: string;
  /** Median time of one unit, in nanoseconds. */
  readonly nsPerUnit: number;
  /** Fastest sample's time of one unit, in nanoseconds: what other programs on the machine disturbed least. */
  readonly bestNsPerUnit: number;
  /** Units per second, from the median. */
  readonly unitsPerSecond: number;
  /** Interquartile range of the samples divided by their median; 0 when there is one sample. */
  readonly spread: number;
  /** Samples taken; 1 for a subject that was too slow to repeat. */
  readonly samples: number;
}

/** The options behind `--quick` and the full run. */
export function measureOptions(quick: boolean, rounds?: number): MeasureOptions {
  return quick
    ? { rounds: rounds ?? 3, sampleMs: 8, warmUpMs: 20, slowMs: 250 }
    : { rounds: rounds ?? 9, sampleMs: 40, warmUpMs: 150, slowMs: 3000 };
}

/**
 * Runs one case.
 * @throws Error when a subject does not do the units it was given: its time would mean nothing.
 */
export async function measure(measured: Case, options: MeasureOptions): Promise<Measurement[]> {
  const samples = new Map<Subject, number[]>();
  const repeated: Subject[] = [];
  for (const subject of measured.subjects) {
    const first = await sample(measured, subject, 0);
    samples.set(subject, [first.nsPerUnit]);
    if (first.elapsedMs > options.slowMs) continue;
    await sample(measured, subject, options.warmUpMs - first.elapsedMs);
    samples.set(subject, []);
    repeated.push(subject);
  }
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < repeated.length; turn++) {
      // Another subject opens each round, so that nobody always runs behind the same neighbour's garbage.
      const subject = repeated[(turn + round) % repeated.length]!;
      samples.get(subject)!.push((await sample(measured, subject, options.sampleMs)).nsPerUnit);
    }
  }
  return measured.subjects.map((subject) => summarise(subject.name, samples.get(subject)!));
}

/** Median of `values`, which must not be empty. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which the part `q` (0 to 1) of `values` lies, interpolated between neighbours. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}

/** Runs `work` `times` times and gives the median of its wall time, in milliseconds. For work that is too long to repeat within a sample. */
export async function medianMs(times: number, work: () => void | Promise<void>): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await work();
    taken.push(performance.now() - start);
  }
  return median(taken);
}

async function sample(measured: Case, subject: Subject, atLeastMs: number): Promise<{ elapsedMs: number; nsPerUnit: number }> {
  const expected = subject.units ?? measured.units;
  const start = performance.now();
  let passes = 0;
  let elapsedMs: number;
  do {
    const done = subject.pass();
    const units = typeof done === "number" ? done : await done;
    if (units !== expected) throw new Error(`${measured.name}: ${subject.name} did ${units} of ${expected} units`);
    passes++;
    elapsedMs = performance.now() - start;
  } while (elapsedMs < atLeastMs);
  return { elapsedMs, nsPerUnit: (elapsedMs * 1e6) / (passes * expected) };
}

function summarise(name: string, samples: readonly number[]): Measurement {
  const nsPerUnit = median(samples);
  const spread = (quantile(samples, 0.75) - quantile(samples, 0.25)) / nsPerUnit;
  return { name, nsPerUnit, bestNsPerUnit: Math.min(...samples), unitsPerSecond: 1e9 / nsPerUnit, spread, samples: samples.length };
}
