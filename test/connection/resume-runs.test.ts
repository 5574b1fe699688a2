import { expect, it } from "vitest";
import { LOSSES, runLoss } from "../helpers/loss-run.js";
import { runs } from "../helpers/runs.js";
import { runSession } from "../helpers/session-run.js";

/** `npm run soak -- sessions` and `losses` do a thousand. */
const RUNS = runs(100);

it(`in ${RUNS} runs with links that break at random bytes every reliable frame is handled once and in order`, {
  timeout: 60_000,
}, async () => {
  const wrong: unknown[] = [];
  const total = { links: 0, beforeWelcome: 0, inReplay: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const run = await runSession(seed);
    total.links += run.links;
    total.beforeWelcome += run.beforeWelcome;
    total.inReplay += run.inReplay;
    if (run.wrong.length > 0) wrong.push({ seed, wrong: run.wrong });
  }
  expect(wrong).toEqual([]);
  // The runs are about something only if links did break, and at the places that matter.
  expect(total.links).toBeGreaterThan(5 * RUNS);
  expect(total.beforeWelcome).toBeGreaterThan(RUNS / 2);
  expect(total.inReplay).toBeGreaterThan(RUNS / 2);
});

it(`in ${RUNS} runs where little is kept, or not for long, or servers forget, what is lost is told at both ends as it was`, {
  timeout: 60_000,
}, async () => {
  const wrong: unknown[] = [];
  const told = new Map(LOSSES.map((loss) => [loss, 0]));
  for (let seed = 1; seed <= RUNS; seed++) {
    const run = await runLoss(seed);
    told.set(run.loss, told.get(run.loss)! + run.gaps + run.rejections);
    if (run.wrong.length > 0) wrong.push({ seed, loss: run.loss, wrong: run.wrong });
  }
  expect(wrong).toEqual([]);
  // Something was lost in every way but one: with small buffers sends wait.
  expect([...told].filter(([, losses]) => losses < RUNS / 20)).toEqual([["small buffers", 0]]);
});
