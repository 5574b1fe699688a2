/** Inputs on disk: `corpus/` is kept in the repository, one input in hex on each line; findings go to `.cache/`. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CORPUS = "test/fuzz/corpus";
const FINDINGS = ".cache/fuzz-findings";

/** The kept inputs of a target, shortest first. */
export function loadCorpus(target: string): Uint8Array[] {
  const path = join(CORPUS, `${target}.txt`);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => Uint8Array.from(Buffer.from(line, "hex")));
}

/** Replaces the kept inputs of a target. */
export function saveCorpus(target: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(CORPUS, { recursive: true });
  const lines = inputs.map((input) => `${Buffer.from(input).toString("hex")}\n`);
  writeFileSync(join(CORPUS, `${target}.txt`), lines.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).join(""));
}

/** Writes an input that broke a promise; its path. */
export function saveFinding(target: string, input: Uint8Array): string {
  mkdirSync(FINDINGS, { recursive: true });
  const name = createHash("sha256").update(input).digest("hex").slice(0, 16);
  const path = join(FINDINGS, `${target}-${name}.bin`);
  writeFileSync(path, input);
  return path;
}
