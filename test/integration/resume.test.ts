import { describe, expect, it } from "vitest";
import { runBreaker } from "../helpers/breaker-run.js";
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

  it("nor do they of large frames, which are kept as they were handed to the socket", async () => {
    const report = await runOverSockets({
      kind,
      frames: 400,
      below: 40_000,
      seed: 2,
      faults: breaksEvery(250_000),
      server: heartbeat,
      client: heartbeat,
    });
    expect(wrongIn(report, 400)).toEqual([]);
    expect(report.stats.cuts).toBeGreaterThanOrEqual(10);
  });
});

it("one damaged byte in 10,000 on TCP reaches no handler, and the breaker stays open below its threshold", async () => {
  const report = await runOverSockets({ kind: "tcp", frames: FRAMES, seed: 1, faults: "noisy" });
  expect(wrongIn(report, FRAMES)).toEqual([]);
  expect(report.stats.corrupted).toBeGreaterThan(50);
  expect(report.endings["error-rate"]).toBeUndefined();
});

describe("the breaker on TCP", () => {
  const LOAD = { notes: 1_000, bytes: 1_000, seed: 1 };

  it.each([10_000, 3_000])("stays open where one byte in %i is wrong, and all arrives, none of it damaged", async (oneIn) => {
    const { ended, handled, wrong, good, bad } = await runBreaker({ ...LOAD, oneIn });
    expect([ended, handled, wrong]).toEqual([undefined, LOAD.notes, 0]);
    expect(bad).toBeGreaterThan(20);
    // Damage to what is sent again must not make more be sent again.
    expect(good + bad).toBeLessThan(10 * LOAD.notes);
    expect(bad / (good + bad)).toBeLessThan(0.5);
  });

  it.each([1_000, 500])("closes where one byte in %i is wrong, when more than half of the frames are damaged", async (oneIn) => {
    const { ended, wrong, good, bad } = await runBreaker({ ...LOAD, oneIn });
    expect([ended, wrong]).toEqual(["error-rate", 0]);
    expect(bad / (good + bad)).toBeGreaterThan(0.5);
    expect(good + bad).toBeGreaterThanOrEqual(20);
  });
});
