/**
 * Counts what code does, not how long it takes: how often each block of src/ runs, as V8's coverage has it. Import it before what
 * is to be counted: blocks are counted in code that is compiled from then on.
 */
import { Session } from "node:inspector";
import { afterAll } from "vitest";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

const SOURCE = /\/src\/(?!gen\/)/;

const session = new Session();

/** A session with its own process answers at once. */
function post(method: string, params: object = {}): unknown {
  let answer: unknown;
  session.post(method, params, (error, result) => {
    if (error !== null) throw new Error(method, { cause: error });
    answer = result;
  });
  return answer;
}

session.connect();
post("Profiler.enable");
post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
afterAll(() => {
  post("Profiler.stopPreciseCoverage");
  session.disconnect();
});

/** What has run since the last time. */
function taken(): number {
  const { result } = post("Profiler.takePreciseCoverage") as Coverage;
  let count = 0;
  for (const { url, functions } of result) {
    if (!SOURCE.test(url)) continue;
    for (const { ranges } of functions) for (const range of ranges) count += range.count;
  }
  return count;
}

/** For each run: how many blocks of src/ ran, those of loops as often as they did. */
export function blockCounts(runs: readonly (() => void)[]): number[] {
  taken();
  return runs.map((run) => {
    run();
    return taken();
  });
}
