import { describe, expect, it } from "vitest";
import { breaksEvery, runOverSockets, wrongIn } from "../helpers/socket-run.js";

/** `npm run soak -- resume` does ten times as many. */
const FRAMES = 5_000;

const heartbeat = { heartbeatIntervalMs: 300, heartbeatTimeoutMs: 300 };

describe.each(["tcp", "ws"] as const)("over %s through a proxy", (kind) => {
  it("links that are cut at random bytes lose, double and reorder nothing", async () => {
    const report = await runOverSockets({
      kind,
      frames: FRAMES,
      seed: 1,
      faults: breaksEvery(20_000),
      server: heartbeat,
      client: heartbeat,
    });
    expect(wrongIn(report, FRAMES)).toEqual([]);
    expect(report.stats.cuts).toBeGreaterThanOrEqual(20);
  });
});

it("one damaged byte in 10,000 on TCP reaches no handler, and the breaker stays open below its threshold", async () => {
  const report = await runOverSockets({ kind: "tcp", frames: FRAMES, seed: 1, faults: "noisy" });
  expect(wrongIn(report, FRAMES)).toEqual([]);
  expect(report.stats.corrupted).toBeGreaterThan(50);
  expect(report.endings["error-rate"]).toBeUndefined();
});
