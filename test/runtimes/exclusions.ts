/** Unit tests that cannot run on another runtime than Node, each with its reason: `exclusions.json`, which docs/runtimes.md repeats. */
import { readFileSync } from "node:fs";

export interface Exclusion {
  readonly file: string;
  /** Beginnings of the full names of its tests. */
  readonly tests: readonly string[];
  readonly why: string;
}

export type Runtime = "bun" | "deno";

/** `undefined` on Node. */
export function currentRuntime(): Runtime | undefined {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return "bun";
  return deno === undefined ? undefined : "deno";
}

export function exclusionsOf(runtime: Runtime): readonly Exclusion[] {
  const all = JSON.parse(readFileSync(new URL("exclusions.json", import.meta.url), "utf8")) as Record<Runtime, Exclusion[]>;
  return all[runtime];
}
