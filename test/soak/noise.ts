/** A session over TCP that damages bytes which TCP's own checksum did not see. */
import { runOverSockets, wrongIn } from "../helpers/socket-run.js";
import type { Soak } from "./index.js";

export const soakNoise: Soak = async (number) => {
  const frames = number("frames", 20_000);
  const seed = number("first", 1);
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
  return wrong;
};
