/** A session over TCP that damages bytes which TCP's own checksum did not see. */
import { runBreaker } from "../helpers/breaker-run.js";
import { runFlipSeeds } from "../helpers/flip-run.js";
import { runOverSockets, wrongIn } from "../helpers/socket-run.js";
import type { Soak } from "./index.js";

export const soakNoise: Soak = async (number) => {
  const frames = number("frames");
  const seed = number("first");
  const wrong: string[] = [];
  const runs = [
    { name: "1 in 10,000, default budget", rate: 1 / 10_000, options: {} },
    { name: "1 in 10,000, no budget", rate: 1 / 10_000, options: { resyncBudget: 1_000_000 } },
  ];
  for (const { name, rate, options } of runs) {
    const faults = { up: { corruptionRate: rate }, down: { corruptionRate: rate } };
    const report = await runOverSockets({ kind: "tcp", frames, seed, faults, server: options, client: options });
    const { stats, endings, resumed, ms } = report;
    console.log(`${name}: ${frames} notes each way in ${ms} ms, ${stats.corrupted} bytes of ${stats.bytesUp + stats.bytesDown} damaged`);
    console.log(`  resumed ${resumed} times; ends ${JSON.stringify(endings)}`);
    wrong.push(...wrongIn(report, frames).map((each) => `${name}: ${each}`));
    if (endings["error-rate"] !== undefined) wrong.push(`${name}: the breaker closed below its threshold`);
  }
  for (const oneIn of [10_000, 5_000, 3_000, 2_000, 1_000, 500]) {
    const { ended, good, bad, handled, corrupted, wrong: damaged } = await runBreaker({ oneIn, notes: 1_000, bytes: 1_000, seed });
    const share = bad / (good + bad);
    console.log(
      `breaker, 1 in ${oneIn}, notes of 1,000 bytes: ${corrupted} bytes damaged, ${bad} of ${good + bad} frames bad (${(share * 100).toFixed(0)} %)`,
    );
    console.log(`  ${handled} notes handled, ${damaged} of them damaged; ${ended === undefined ? "stayed open" : `closed with ${ended}`}`);
    if (ended === undefined && good + bad > 10_000) wrong.push(`breaker, 1 in ${oneIn}: ${good + bad} frames for 1,000 notes`);
    if (damaged > 0) wrong.push(`breaker, 1 in ${oneIn}: ${damaged} damaged notes were handled`);
    if ((ended === "error-rate") !== share > 0.5) wrong.push(`breaker, 1 in ${oneIn}: ${ended ?? "stayed open"} at ${share}`);
  }
  for (const kind of ["tcp", "ws"] as const) {
    const { medianMs, longestMs, slowestMs, flips, wrong: flipped } = await runFlipSeeds(kind, seed);
    console.log(`200 calls one at a time over ${kind}, a bit flipped in 2 % of the chunks, 20 seeds (${flips} flips):`);
    console.log(
      `  ${medianMs.toFixed(0)} ms in the median, ${longestMs.toFixed(0)} at most; the slowest call took ${slowestMs.toFixed(0)} ms`,
    );
    wrong.push(...flipped.map((each) => `flips over ${kind}: ${each}`));
    if (medianMs >= 2_000) wrong.push(`flips over ${kind}: ${medianMs.toFixed(0)} ms in the median`);
    if (slowestMs >= 1_000) wrong.push(`flips over ${kind}: a call took ${slowestMs.toFixed(0)} ms`);
  }
  return wrong;
};
