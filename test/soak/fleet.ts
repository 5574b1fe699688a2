/** A fleet of clients whose server goes away. */
import { distance, type FleetReport, fullJitterModel, type Outage, peakOf, runFleet } from "../helpers/fleet-run.js";
import type { Soak } from "./index.js";

/** Samples of a model. */
const MODEL = 200_000;

export const soakFleet: Soak = async (number) => {
  const clients = number("clients", 5_000);
  const seed = number("first", 1);
  const wrong: string[] = [];
  const crash: Outage = { kind: "crash", ms: 20_000 };
  const even = (ms: number) => Array.from({ length: MODEL }, (_, i) => (i / MODEL) * ms);
  const model = (baseMs: number) => fullJitterModel(MODEL, 20_000, baseMs, 60_000, seed + 1);
  const runs = [
    { name: "crash, full jitter from 1 s", outage: crash, reconnect: { jitter: "full" }, model: model(1_000), even: false },
    {
      name: "crash, full jitter over 60 s",
      outage: crash,
      reconnect: { jitter: "full", baseMs: 60_000 },
      model: model(60_000),
      even: true,
    },
    {
      name: "network gone, full jitter over 60 s",
      outage: { kind: "network", ms: 20_000 },
      reconnect: { jitter: "full", baseMs: 60_000 },
      model: model(60_000),
      even: true,
    },
    { name: "drain with a spread of 60 s", outage: { kind: "drain", spreadMs: 60_000 }, reconnect: {}, model: even(60_000), even: true },
  ] as const;
  // Below this two samples of one distribution differ in 999 of 1,000 cases.
  const limit = 1.95 / Math.sqrt(clients);
  for (const { name, outage, reconnect, model, even } of runs) {
    const report: FleetReport = await runFleet(clients, outage, reconnect, seed);
    const { peak, mean, windowMs } = peakOf(report.arrivals);
    const off = distance(report.arrivals, model);
    console.log(`${name}: ${report.resumed} clients back with their session, ${report.anew} with a new one, ${report.lost} lost`);
    console.log(`  the last after ${Math.round(windowMs)} ms, ${report.mostRetries} retries at most`);
    console.log(
      `  busiest second ${peak}, mean ${mean.toFixed(1)}: ${(peak / mean).toFixed(2)} times; ${off.toFixed(4)} off the distribution`,
    );
    const resumed = outage.kind === "network" ? clients : 0;
    if (report.resumed !== resumed || report.anew !== clients - resumed || report.lost > 0)
      wrong.push(`${name}: not all are back as they should be`);
    if (off > limit) wrong.push(`${name}: ${off} off the distribution, the limit is ${limit}`);
    if (even && peak >= 2 * mean) wrong.push(`${name}: the busiest second has ${peak}, twice the mean is ${2 * mean}`);
  }
  return wrong;
};
