/** Frames per second of framewire, its peers and the limits, for every payload size and chunking. */
import { type Case, type Measurement, type MeasureOptions, measure, type Subject } from "../harness.js";
import { randomBytes } from "../random.js";
import type { Cell, Section } from "../report.js";
import { megabytes, percent, short, times } from "../report.js";
import { LIMITS } from "./limits.js";
import { USES } from "./ours.js";
import { PEERS } from "./peers/all.js";
import { CHUNKINGS, type Chunking } from "./streams.js";

/** Payload sizes in bytes. */
export const PAYLOADS = [16, 64, 1024, 65536] as const;

/** One subject in one case. */
export interface Row {
  readonly chunking: string;
  readonly payload: number;
  readonly subject: string;
  readonly framesPerSecond: number | null;
  readonly megabytesPerSecond: number | null;
  readonly spread: number | null;
  readonly samples: number;
  /** Frames per second divided by those of the fastest peer of the case. */
  readonly timesFastestPeer: number | null;
  /** The same from the fastest sample of each; the fastest peer is then the one with the fastest sample. */
  readonly bestTimesFastestPeer: number | null;
  readonly fastestPeer: string;
}

/** Measures every case. */
export async function throughput(options: MeasureOptions, quick: boolean, progress: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  for (const chunking of CHUNKINGS) {
    for (const payload of PAYLOADS) {
      progress(`decode: ${payload} B payloads in chunks of ${chunking.name}`);
      const measured = caseOf(payload, chunking, quick);
      rows.push(...rowsOf(payload, chunking, await measure(measured, options)));
    }
  }
  return rows;
}

/** The row of one subject in one case. */
export function rowOf(rows: readonly Row[], payload: number, chunking: string, subject: string): Row {
  const row = rows.find((each) => each.payload === payload && each.chunking === chunking && each.subject === subject);
  if (row === undefined) throw new Error(`nothing was measured for ${subject}, ${payload} B in ${chunking}`);
  return row;
}

/** One table for each chunking, one row for each subject, one column for each payload size. */
export function throughputSections(rows: readonly Row[]): Section[] {
  return CHUNKINGS.map(({ name }) => {
    const here = rows.filter((row) => row.chunking === name);
    const subjects = [...new Set(here.map((row) => row.subject))];
    return {
      title: `Frames per second, chunks of ${name}`,
      note: "Median, payload MB/s, interquartile range, and times the fastest peer of the column. - = cannot carry it. One sample: too slow to repeat.",
      columns: [{ key: "subject", title: "decoder" }, ...PAYLOADS.map((payload) => ({ key: `${payload}`, title: `${payload} B` }))],
      rows: subjects.map((subject) => {
        const line: Record<string, Cell> = { subject };
        for (const payload of PAYLOADS) line[`${payload}`] = cellOf(rowOf(here, payload, name, subject));
        return line;
      }),
    };
  });
}

function cellOf(row: Row): string {
  if (row.framesPerSecond === null) return "-";
  const spread = row.samples === 1 ? "one sample" : `±${percent(row.spread)}`;
  return `${short(row.framesPerSecond)}/s  ${megabytes(row.megabytesPerSecond)}  ${spread.padStart(5)}  ${times(row.timesFastestPeer).padStart(6)}`;
}

function caseOf(payloadBytes: number, chunking: Chunking, quick: boolean): Case {
  const payload = randomBytes(payloadBytes, payloadBytes);
  const total = (chunking.name === "1 B" ? 2 ** 18 : 2 ** 22) / (quick ? 4 : 1);
  const frames = Math.min(65536, Math.max(1, Math.floor(total / payloadBytes)));
  const subjects: Subject[] = [];
  for (const use of USES) {
    const chunks = chunking.cut(use.stream(payload, frames));
    subjects.push({ name: use.name, pass: () => use.decode(chunks) });
  }
  for (const peer of PEERS) {
    const stream = peer.stream(payload, frames);
    if (stream === undefined) continue;
    const chunks = chunking.cut(stream);
    subjects.push({ name: peer.name, pass: () => peer.decode(chunks) });
  }
  const bare = chunking.cut(USES[0]!.stream(payload, frames));
  for (const limit of LIMITS) subjects.push({ name: limit.name, pass: () => limit.run(bare, frames) });
  return { name: `${payloadBytes} B in ${chunking.name}`, units: frames, subjects };
}

function rowsOf(payload: number, chunking: Chunking, measurements: readonly Measurement[]): Row[] {
  const byName = new Map(measurements.map((measurement) => [measurement.name, measurement]));
  const peers = PEERS.flatMap((peer) => byName.get(peer.name) ?? []);
  const fastest = peers.reduce((first, next) => (next.unitsPerSecond > first.unitsPerSecond ? next : first));
  const best = Math.min(...peers.map((peer) => peer.bestNsPerUnit));
  const names = [...USES.map((use) => use.name), ...PEERS.map((peer) => peer.name), ...LIMITS.map((limit) => limit.name)];
  return names.map((subject) => {
    const found = byName.get(subject);
    return {
      chunking: chunking.name,
      payload,
      subject,
      framesPerSecond: found?.unitsPerSecond ?? null,
      megabytesPerSecond: found === undefined ? null : (found.unitsPerSecond * payload) / 1e6,
      spread: found?.spread ?? null,
      samples: found?.samples ?? 0,
      timesFastestPeer: found === undefined ? null : found.unitsPerSecond / fastest.unitsPerSecond,
      bestTimesFastestPeer: found === undefined ? null : best / found.bestNsPerUnit,
      fastestPeer: fastest.name,
    };
  });
}
