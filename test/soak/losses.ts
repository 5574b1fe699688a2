/** Seeded sessions in memory that do lose. */
import { LOSSES, runLoss } from "../helpers/loss-run.js";
import type { Soak } from "./index.js";

export const soakLosses: Soak = async (number) => {
  const first = number("first");
  const runs = number("runs");
  const wrong: string[] = [];
  const figures = LOSSES.map((loss) => ({
    loss,
    runs: 0,
    links: 0,
    sessions: 0,
    gaps: 0,
    rejections: 0,
    notes: 0,
    lostNotes: 0,
    calls: 0,
    brokenCalls: 0,
  }));
  for (let seed = first; seed < first + runs; seed++) {
    const run = await runLoss(seed);
    const figure = figures.find(({ loss }) => loss === run.loss)!;
    figure.runs++;
    for (const key of ["links", "sessions", "gaps", "rejections", "notes", "lostNotes", "calls", "brokenCalls"] as const)
      figure[key] += run[key];
    if (run.wrong.length > 0) wrong.push(`seed ${seed} (${run.loss}): ${run.wrong.join("; ")}`);
  }
  for (const { loss, ...figure } of figures) console.log(`${loss}: ${JSON.stringify(figure)}`);
  return wrong;
};
