import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";

/**
 * `expect(actual, what()).toEqual(expected)` for loops with many thousands of comparisons. An assertion of vitest costs more than the
 * decoding that it checks, so it is made only where plain equality, which is stricter, does not hold.
 */
export function expectEqual(actual: unknown, expected: unknown, what: () => string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, what()).toEqual(expected);
}
