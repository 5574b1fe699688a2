/** Runs before each test file. */
import { parentPort } from "node:worker_threads";
import { beforeEach, expect } from "vitest";
import { currentRuntime, exclusionsOf } from "./runtimes/exclusions.js";

/** Equal bytes are found equal in one comparison: vitest's own takes seconds for a megabyte. Other bytes are left to vitest, which shows where they differ. */
function sameBytes(a: unknown, b: unknown): true | undefined {
  const comparable = a instanceof Uint8Array && b instanceof Uint8Array && a.constructor === b.constructor;
  return comparable && Buffer.compare(a, b) === 0 ? true : undefined;
}

expect.addEqualityTesters([sameBytes]);

const runtime = currentRuntime();
if (runtime !== undefined) {
  const exclusions = exclusionsOf(runtime);
  // `npm run verify` checks that nothing else is skipped, and that each exclusion has a test.
  beforeEach(({ task, skip }) => {
    const file = task.file.filepath.replaceAll("\\", "/");
    const names: string[] = [task.name];
    for (let { suite } = task; suite !== undefined; { suite } = suite) names.unshift(suite.name);
    const name = names.join(" ");
    const found = exclusions.find((each) => file.endsWith(`/${each.file}`) && each.tests.some((start) => name.startsWith(start)));
    if (found !== undefined) skip(found.why);
  });
}
// Vitest calls it when a worker ends, and Deno throws that it lacks it.
if (runtime === "deno" && parentPort !== null) parentPort.removeAllListeners = () => parentPort as NonNullable<typeof parentPort>;
