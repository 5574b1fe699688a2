/** Results for people, and for programs. */
import { printable } from "../../printable.js";
import { GROUPS } from "./case.js";
import type { Result } from "./run.js";

/** One JSON object. */
export function resultToJson(result: Result): string {
  return printable(JSON.stringify({ type: "case", ...result }));
}

const WORDS: Readonly<Record<Result["outcome"], string>> = { passed: "ok", failed: "FAILED", advice: "advice", skipped: "-" };

/** The lines of the table, as the results come. */
export class Rows {
  #group = 0;

  of({ number, name, section, outcome, ms, expected, came, why }: Result): string[] {
    const lines: string[] = [];
    const group = Math.floor(number / 100);
    if (group !== this.#group) {
      lines.push(`${this.#group === 0 ? "" : "\n"}${GROUPS[group]}`);
      this.#group = group;
    }
    const time = outcome === "skipped" ? "" : `  ${ms} ms`;
    lines.push(`  ${number}  ${WORDS[outcome].padEnd(6)}  ${section.padEnd(4)} ${name}${why === undefined ? time : `: ${printable(why)}`}`);
    if (expected !== undefined) lines.push(`       expected ${printable(expected)}`, `       came     ${printable(came ?? "")}`);
    return lines;
  }
}

/** The failures, those of one cause together, most first; nothing if there is only one. */
export function causesOf(results: readonly Result[]): string[] {
  const causes = new Map<string, number[]>();
  for (const { number, outcome, cause } of results) {
    if (outcome === "failed" && cause !== undefined) causes.set(cause, [...(causes.get(cause) ?? []), number]);
  }
  const groups = [...causes].sort(([, a], [, b]) => b.length - a.length);
  if (groups.length === 0 || (groups.length === 1 && groups[0]?.[1].length === 1)) return [];
  const lines = groups.flatMap(([cause, numbers]) => [
    `  ${numbers.length} ${numbers.length === 1 ? "case" : "cases"}: ${printable(cause)}`,
    `       ${numbers.join(", ")}`,
  ]);
  return ["", "failures by cause", ...lines];
}

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly advice: number;
  readonly skipped: number;
}

export function summaryOf(results: readonly Result[]): Summary {
  const count = (outcome: Result["outcome"]) => results.filter((each) => each.outcome === outcome).length;
  return { passed: count("passed"), failed: count("failed"), advice: count("advice"), skipped: count("skipped") };
}

export function tellSummary({ passed, failed, advice, skipped }: Summary): string {
  const advised = advice === 0 ? "" : `, ${advice} otherwise than advised`;
  return `${passed} passed, ${failed} failed${advised}, ${skipped} do not apply`;
}
