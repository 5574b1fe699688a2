/** Seeded sessions in memory. */
import { runSession } from "../helpers/session-run.js";
import type { Soak } from "./index.js";

export const soakSessions: Soak = async (number) => {
  const first = number("first");
  const runs = number("runs");
  const wrong: string[] = [];
  const total = { links: 0, beforeWelcome: 0, inReplay: 0, notes: 0, calls: 0, virtualMs: 0 };
  for (let seed = first; seed < first + runs; seed++) {
    const run = await runSession(seed);
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += run[key];
    if (run.wrong.length > 0) wrong.push(`seed ${seed}: ${run.wrong.join("; ")}`);
  }
  const { links, beforeWelcome, inReplay, notes, calls, virtualMs } = total;
  console.log(`${runs} sessions from seed ${first} on, ${Math.round(virtualMs / 60_000)} minutes of their time`);
  console.log(`${links} links broke: ${beforeWelcome} before the welcome, ${inReplay} while kept frames went out again`);
  console.log(`${notes} notes and ${calls} calls and streams`);
  return wrong;
};
