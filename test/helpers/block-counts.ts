/** Counts what code does, not how long it takes: how often each block of src/ runs, as V8's coverage has it. */
import { Session } from "node:inspector";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

const SOURCE = /\/src\/(?!gen\/)/;

/** For each run: how many blocks of src/ ran, those of loops as often as they did. */
export function blockCounts(runs: readonly (() => void)[]): number[] {
  const session = new Session();
  session.connect();
  /** A session with its own process answers at once. */
  const post = (method: string, params: object = {}): unknown => {
    let answer: unknown;
    session.post(method, params, (error, result) => {
      if (error !== null) throw new Error(method, { cause: error });
      answer = result;
    });
    return answer;
  };
  const taken = () => {
    const { result } = post("Profiler.takePreciseCoverage") as Coverage;
    let count = 0;
    for (const { url, functions } of result) {
      if (!SOURCE.test(url)) continue;
      for (const { ranges } of functions) for (const range of ranges) count += range.count;
    }
    return count;
  };
  try {
    post("Profiler.enable");
    post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    taken();
    return runs.map((run) => {
      run();
      return taken();
    });
  } finally {
    post("Profiler.stopPreciseCoverage");
    session.disconnect();
  }
}
