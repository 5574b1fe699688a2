import { expect, it } from "vitest";
import { runSession } from "../helpers/session-run.js";

/** `npm run soak -- sessions` does a thousand. */
const RUNS = 100;

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
