/** The figures that the decoder must reach, beside what was measured. */
import type { Section } from "../report.js";
import { megabytes, times } from "../report.js";
import type { ClaimRow, HostileRow, ScanRow } from "./hostile.js";
import { v1Offsets, v1Views, v2Checked } from "./ours.js";
import { type Row, rowOf } from "./throughput.js";

/** What one target is made of. */
interface Target {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  readonly met: boolean;
}

/** All measurements of one run. */
export interface Measured {
  readonly throughput: readonly Row[];
  readonly hostile: readonly HostileRow[];
  readonly scanning: readonly ScanRow[];
  readonly byteByByteMs: number;
  readonly claimed: ClaimRow;
  readonly apart: ClaimRow;
}

/** The table of targets. */
export function targetSection(measured: Measured): Section {
  return {
    title: "Targets",
    note: "Frames per second against the fastest peer are for chunks of 64 KiB.",
    columns: [
      { key: "what", title: "what" },
      { key: "target", title: "target" },
      { key: "measured", title: "measured" },
      { key: "met", title: "met", format: (met) => (met === true ? "yes" : "NO") },
    ],
    rows: [...ratios(measured), ...hostileTargets(measured)].map((target) => ({ ...target })),
  };
}

function ratios({ throughput }: Measured): Target[] {
  const asked: readonly [number, string, number][] = [
    [64, v1Offsets.name, 4],
    [64, v2Checked.name, 1.5],
    [64, v1Views.name, 1.5],
    [1024, v1Offsets.name, 3],
    [1024, v2Checked.name, 0.5],
  ];
  return asked.map(([payload, subject, atLeast]) => {
    const { timesFastestPeer, bestTimesFastestPeer, fastestPeer } = rowOf(throughput, payload, "64 KiB", subject);
    const ratio = timesFastestPeer ?? 0;
    return {
      what: `${subject}, ${payload} B, frames per second`,
      target: `>= ${times(atLeast)} the fastest peer`,
      measured: `${times(ratio)} ${fastestPeer} (fastest samples ${times(bestTimesFastestPeer)})`,
      met: ratio >= atLeast,
    };
  });
}

function hostileTargets({ hostile, scanning, byteByByteMs, claimed, apart }: Measured): Target[] {
  const targets: Target[] = [];
  for (const { name, oneMibMs, growth } of hostile) {
    targets.push(
      { what: `hostile ${name}, 1 MiB`, target: "< 250 ms", measured: `${oneMibMs.toFixed(1)} ms`, met: oneMibMs < 250 },
      { what: `hostile ${name}, time per byte 4 MiB / 1 MiB`, target: "<= 1.50×", measured: times(growth), met: growth <= 1.5 },
    );
  }
  const slowest = scanning.reduce((worst, next) => (next.megabytesPerSecond < worst.megabytesPerSecond ? next : worst));
  targets.push(
    {
      what: `scanning junk, slowest filler (${slowest.name})`,
      target: ">= 500 MB/s",
      measured: megabytes(slowest.megabytesPerSecond),
      met: slowest.megabytesPerSecond >= 500,
    },
    { what: "one 40 kB frame in 1-byte chunks", target: "< 40 ms", measured: `${byteByByteMs.toFixed(1)} ms`, met: byteByByteMs < 40 },
    ...[
      { by: "one decoder", ...claimed },
      { by: "a decoder each", ...apart },
    ].map(({ by, bytesGrown }) => ({
      what: `10,000 headers claiming 1 MiB, 20 B each arrived, ${by}: heap growth`,
      target: "< 1 MiB",
      measured: `${(bytesGrown / 1024).toFixed(0)} KiB`,
      met: bytesGrown < 2 ** 20,
    })),
  );
  return targets;
}
