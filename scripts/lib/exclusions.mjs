/** What of the unit tests does not run on Bun and Deno, and why. */
import { readFileSync } from "node:fs";
import { sep } from "node:path";
import { ROOT } from "./run.mjs";

/** @typedef {{ file: string, tests: string[], why: string }} Exclusion */

/**
 * What is wrong with a report: a test that was skipped and is in no exclusion, an exclusion without a test.
 *
 * @param {"bun" | "deno"} runtime
 * @param {{ testResults: { name: string, assertionResults: { status: string, fullName: string }[] }[] }} report of vitest, as JSON
 * @returns {string[]}
 */
export function checkExclusions(runtime, report) {
  /** @type {Record<string, Exclusion[]>} */
  const all = JSON.parse(readFileSync(`${ROOT}test/runtimes/exclusions.json`, "utf8"));
  const open = new Set((all[runtime] ?? []).flatMap(({ file, tests }) => tests.map((start) => ({ file, start }))));
  const used = new Set();
  const problems = [];
  for (const { name, assertionResults } of report.testResults) {
    const file = name.slice(ROOT.length).replaceAll(sep, "/");
    for (const { status, fullName } of assertionResults) {
      if (status === "passed" || status === "failed") continue;
      const found = [...open].find((each) => each.file === file && fullName.startsWith(each.start));
      if (found === undefined) problems.push(`skipped without a reason: ${file}: ${fullName}`);
      else used.add(found);
    }
  }
  for (const each of open) if (!used.has(each)) problems.push(`an exclusion that no test needs: ${each.file}: ${each.start}`);
  return problems;
}
