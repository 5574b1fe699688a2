/** Runs before each test file. */
import { expect } from "vitest";

/** Equal bytes are found equal in one comparison: vitest's own takes seconds for a megabyte. Other bytes are left to vitest, which shows where they differ. */
function sameBytes(a: unknown, b: unknown): true | undefined {
  const comparable = a instanceof Uint8Array && b instanceof Uint8Array && a.constructor === b.constructor;
  return comparable && Buffer.compare(a, b) === 0 ? true : undefined;
}

expect.addEqualityTesters([sameBytes]);
