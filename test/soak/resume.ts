/** A session over real sockets that are cut over and over. */
import { breaksEvery, runOverSockets, wrongIn } from "../helpers/socket-run.js";
import type { Soak } from "./index.js";

/** What a note and its share of everything else weigh on the wire. */
const BYTES_A_NOTE = 107;

export const soakResume: Soak = async (number) => {
  const frames = number("frames");
  const cuts = number("cuts");
  const heartbeat = { heartbeatIntervalMs: 300, heartbeatTimeoutMs: 300 };
  const wrong: string[] = [];
  for (const kind of ["tcp", "ws"] as const) {
    const report = await runOverSockets({
      kind,
      frames,
      seed: number("first"),
      faults: breaksEvery(Math.round((frames * BYTES_A_NOTE) / (1.3 * cuts))),
      server: heartbeat,
      client: heartbeat,
      onProgress: (handled) => console.log(`  ${kind}: ${handled} of ${frames * 2}`),
    });
    const { up, down, stats, endings, resumed, ms } = report;
    console.log(
      `${kind}: ${frames} notes each way in ${ms} ms, ${stats.cuts} cuts, resumed ${resumed} times; ends ${JSON.stringify(endings)}`,
    );
    console.log(`  up   ${JSON.stringify(up)}`);
    console.log(`  down ${JSON.stringify(down)}`);
    console.log(`  ${stats.bytesUp} bytes up, ${stats.bytesDown} down, ${stats.lost} lost`);
    wrong.push(...wrongIn(report, frames).map((each) => `${kind}: ${each}`));
    if (stats.cuts < cuts) wrong.push(`${kind}: only ${stats.cuts} cuts; more frames are needed`);
  }
  return wrong;
};
