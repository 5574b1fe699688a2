/** Charts of the decoder's benchmark, which reports each sample in a table without columns. */
import { short } from "../report.js";
import type { Result } from "../result.js";
import type { Plot } from "./svg.js";

const PAYLOADS = [64, 1024];
const CHUNKS = "64 KiB";

/** Frames per second of every decoder that could carry the payload. */
export function decodePlots({ tables }: Result): Plot[] {
  const samples = tables.flatMap(({ rows }) => rows).filter((row) => row.chunking === CHUNKS && typeof row.framesPerSecond === "number");
  return PAYLOADS.map((payload) => ({
    title: `Frames decoded per second, payloads of ${payload} B in chunks of ${CHUNKS}`,
    bars: samples
      .filter((row) => row.payload === payload)
      .map((row) => ({ label: String(row.subject), value: row.framesPerSecond as number, text: `${short(row.framesPerSecond!)}/s` })),
  }));
}
