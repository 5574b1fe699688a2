/** A fleet of clients whose server goes away. */
import { distance, type FleetReport, fullJitterModel, type Outage, peakOf, runFleet } from "./fleet-run.js";
import type { Soak } from "./index.js";

/** Samples of a model. */
const MODEL = 200_000;

export const soakFleet: Soak = async (number) => {
  const clients = number("clients");
  const seed = number("first");
  const wrong: string[] = [];
  const even = (ms: number) => Array.from({ length: MODEL }, (_, i) => (i / MODEL) * ms);
  const crash = (seconds: number, baseMs: number) => ({
    name: `crash of ${seconds} s, full jitter ${baseMs === 1_000 ? "from 1 s" : "over 60 s"}`,
    outage: { kind: "crash", ms: seconds * 1_000 } as Outage,
    reconnect: { jitter: "full", baseMs } as const,
    model: fullJitterModel(MODEL, seconds * 1_000, baseMs, 60_000, seed + 1),
    // From 1 s on the delays of a short crash are short; behind a long one, all are somewhere within their last.
    even: baseMs === 60_000 && seconds <= 20,
  });
  const runs = [
    ...[1, 20, 300].flatMap((seconds) => [crash(seconds, 1_000), crash(seconds, 60_000)]),
    { ...crash(20, 60_000), name: "network gone for 20 s, full jitter over 60 s", outage: { kind: "network", ms: 20_000 } as Outage },
    {
      name: "drain with a spread of 60 s",
      outage: { kind: "drain", spreadMs: 60_000 } as Outage,
      reconnect: {},
      model: even(60_000),
      even: true,
    },
  ];
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
