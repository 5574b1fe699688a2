/** The networks of the table in docs/networks.md. */
import type { NetworkReport, NetworkRunOptions } from "./network-run.js";

const MINUTE = 60_000;
/** An application that wants to get over ten minutes without a network says so. */
const PATIENT = { resumeWindowMs: 20 * MINUTE, maxQueuedMs: 20 * MINUTE, replayBytes: 4 * 1024 * 1024 };

export const NETWORKS: readonly Omit<NetworkRunOptions, "seed">[] = [
  { name: "3G", faults: "3g", forMs: 3 * MINUTE },
  { name: "lossy Wi-Fi", faults: "lossy-wifi", forMs: 3 * MINUTE },
  { name: "tunnels of 3 to 15 s", faults: "tunnel", forMs: 3 * MINUTE },
  { name: "a new address, no network event", faults: "3g", forMs: 3 * MINUTE, breakAtMs: 20_000 },
  {
    name: "the same, heartbeat of 5 s and 5 s",
    faults: "3g",
    forMs: 3 * MINUTE,
    breakAtMs: 20_000,
    server: { heartbeatIntervalMs: 5000, heartbeatTimeoutMs: 5000 },
  },
  { name: "a tunnel of 60 s", faults: "3g", forMs: 4 * MINUTE, breakAtMs: 20_000, unreachableMs: MINUTE },
  { name: "a tunnel of 10 min", faults: "3g", forMs: 14 * MINUTE, breakAtMs: 20_000, unreachableMs: 10 * MINUTE },
  {
    name: "the same, sessions and queues of 20 min",
    faults: "3g",
    forMs: 14 * MINUTE,
    breakAtMs: 20_000,
    unreachableMs: 10 * MINUTE,
    server: PATIENT,
    client: PATIENT,
  },
];

const seconds = (ms: number | undefined) => (ms === undefined ? "–" : `${(ms / 1000).toFixed(1)} s`);

/** A row of the table. */
export function networkRow({ name, detectMs, resumeMs, resumed, anew, sent, told, lost, doubled }: NetworkReport): string {
  return `| ${[name, seconds(detectMs), seconds(resumeMs), resumed, anew, sent, told, lost, doubled].join(" | ")} |`;
}
