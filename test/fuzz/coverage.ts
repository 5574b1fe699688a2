/** Which code has run, from V8's own block coverage: nothing is instrumented, nothing is built in another way. */
import { type Profiler, Session } from "node:inspector";

export class Coverage {
  /** Scripts whose URL contains one of these count. */
  covers: readonly string[] = [];
  readonly #session = new Session();
  /** For each function one flag for each character of its source. */
  readonly #functions = new Map<string, Uint8Array>();
  #covered = 0;

  /** Must be made before the code under test is loaded: what is loaded already is seen by the function only, not by the block. */
  constructor() {
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: false, detailed: true });
  }

  /** Characters of source that have run; one in a function inside a function counts in both. */
  get covered(): number {
    return this.#covered;
  }

  /** Forgets all that has run. */
  reset(): void {
    this.#post("Profiler.takePreciseCoverage");
    for (const flags of this.#functions.values()) flags.fill(0);
    this.#covered = 0;
  }

  /** Characters that ran since the last call and never before. With `remember` false, they count as new the next time too. */
  take(remember: boolean): number {
    const { result } = this.#post("Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    let fresh = 0;
    for (const script of result) {
      if (!this.covers.some((part) => script.url.includes(part))) continue;
      for (const { ranges } of script.functions) {
        const [whole, ...blocks] = ranges;
        if (whole !== undefined && whole.count > 0) fresh += this.#mark(`${script.scriptId}:${whole.startOffset}`, whole, blocks, remember);
      }
    }
    if (remember) this.#covered += fresh;
    return fresh;
  }

  /** Blocks follow the block they lie in, and each says whether it ran. */
  #mark(name: string, whole: Profiler.CoverageRange, blocks: readonly Profiler.CoverageRange[], remember: boolean): number {
    const start = whole.startOffset;
    const ran = new Uint8Array(whole.endOffset - start).fill(1);
    for (const { startOffset, endOffset, count } of blocks) ran.fill(Math.min(count, 1), startOffset - start, endOffset - start);
    const known = this.#functions.get(name) ?? new Uint8Array(ran.length);
    let fresh = 0;
    ran.forEach((flag, i) => {
      if (flag === 0 || known[i] === 1) return;
      fresh++;
      if (remember) known[i] = 1;
    });
    this.#functions.set(name, known);
    return fresh;
  }

  /** The profiler answers before `post` returns. */
  #post(method: string, params?: object): unknown {
    let answer: unknown;
    this.#session.post(method, params, (error: Error | null, result?: object) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}
