/** One small session, with a fault at every byte of it in turn. */
import type { LinkFaults } from "../../src/testing/index.js";
import { runSession } from "../helpers/session-run.js";
import type { Soak } from "./index.js";

const LOAD = { notes: 3, echoes: 1, streams: 1, withinMs: 50 };

const FAULTS = {
  "cut behind": (at: number) => ({ cutAtByte: at }),
  "silent from": (at: number) => ({ silentAtByte: at }),
  "damaged at": (at: number) => ({ corruptAtBytes: [at] }),
};

/** Seeds of a session over a stream and of one over messages. */
const SEEDS = [1, 2];

export const soakBytes: Soak = async (number) => {
  const step = number("step");
  const wrong: string[] = [];
  for (const seed of SEEDS) {
    const { stats } = await runSession(seed, LOAD, 0, "clean");
    for (const [direction, bytes] of Object.entries({ up: stats.bytesUp, down: stats.bytesDown })) {
      for (const [what, faultAt] of Object.entries(FAULTS)) {
        let runs = 0;
        for (let at = 0; at < bytes; at += step) {
          const first: LinkFaults = { [direction]: faultAt(at) };
          const run = await runSession(seed, LOAD, 0, (link) => (link === 1 ? first : "clean"));
          runs++;
          if (run.wrong.length > 0) wrong.push(`seed ${seed}, ${direction} ${what} byte ${at}: ${run.wrong.join("; ")}`);
        }
        console.log(`seed ${seed}, ${direction} ${what} byte 0 to ${bytes - 1}: ${runs} runs`);
      }
    }
  }
  return wrong;
};
