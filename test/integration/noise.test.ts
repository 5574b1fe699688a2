/** Sessions over real sockets on lines that damage bytes. `npm run soak -- noise` has more of it. */
import { expect, it } from "vitest";
import { runFlipSeeds } from "../helpers/flip-run.js";

it.each(["tcp", "ws"] as const)(
  "200 calls one at a time over %s with a bit flipped in each fiftieth chunk take less than 2 s, and none more than 1 s",
  async (kind) => {
    const { medianMs, slowestMs, flips, wrong } = await runFlipSeeds(kind);
    expect(wrong).toEqual([]);
    expect(flips).toBeGreaterThan(100);
    expect(medianMs).toBeLessThan(2_000);
    expect(slowestMs).toBeLessThan(1_000);
  },
);
