/** Counts what code does, not how long it takes: how often each block of src/ runs, as V8's coverage has it. */
import { Session } from "node:inspector";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

const SOURCE = /\/src\/(?!gen\/)/;

/** Steps of each run: blocks of src/ that ran, those of loops as often as they did. */
export async function blockCounts(runs: readonly (() => unknown)[]): Promise<number[]> {
  const session = new Session();
  session.connect();
  const post = <T>(method: string, params?: object): Promise<T> =>
    new Promise((resolve, reject) =>
      session.post(method, params, (error, result) =>
        error === null ? resolve(result as T) : reject(new Error(method, { cause: error })),
      ),
    );
  const taken = async () => {
    const { result } = await post<Coverage>("Profiler.takePreciseCoverage");
    let count = 0;
    for (const { url, functions } of result) {
      if (!SOURCE.test(url)) continue;
      for (const { ranges } of functions) for (const range of ranges) count += range.count;
    }
    return count;
  };
  try {
    await post("Profiler.enable");
    await post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    const counts: number[] = [];
    for (const run of runs) {
      await taken();
      await run();
      counts.push(await taken());
    }
    return counts;
  } finally {
    await post("Profiler.stopPreciseCoverage");
    session.disconnect();
  }
}
