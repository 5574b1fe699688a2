/** One spelling for what a decoder made of a stream, so that oracle, codec and vector files can be compared with toEqual. */
import type { OracleResult } from "./oracle.js";
import { toHex } from "./wire-builder.js";

export interface OutcomeFrame {
  readonly start: number;
  readonly end: number;
  readonly version: number;
  readonly cmd: number;
  readonly payload: string;
  readonly afterGap: number;
  readonly timestamp?: string;
  readonly sequence?: string;
  readonly ack?: string;
  readonly callId?: number;
  readonly kind?: number;
  readonly status?: number;
  readonly timeoutMs?: number;
  readonly trace?: string;
  readonly ext?: string;
}

export interface Outcome {
  readonly frames: readonly OutcomeFrame[];
  readonly discards: readonly { readonly start: number; readonly end: number; readonly reason: string }[];
  /** What was known of the discards before their ends. */
  readonly damages: readonly { readonly start: number; readonly reason: string }[];
  readonly error?: string;
}

interface AnyFrame {
  readonly start: number;
  readonly end: number;
  readonly version: number;
  readonly cmd: number;
  readonly payload: Uint8Array;
  readonly afterGap: number;
  readonly timestamp?: bigint | undefined;
  readonly sequence?: bigint | undefined;
  readonly ack?: bigint | undefined;
  readonly callId?: number | undefined;
  readonly kind?: number | undefined;
  readonly status?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly trace?: string | undefined;
  readonly ext?: Uint8Array | undefined;
}

/** Copies `frame` out: byte fields as hex, 64-bit fields as decimal strings, absent fields left out. */
export function outcomeFrame(frame: AnyFrame): OutcomeFrame {
  const { start, end, version, cmd, afterGap } = frame;
  const fields: Record<string, string | number> = {};
  for (const name of ["timestamp", "sequence", "ack"] as const) {
    if (frame[name] !== undefined) fields[name] = String(frame[name]);
  }
  for (const name of ["callId", "kind", "status", "timeoutMs", "trace"] as const) {
    if (frame[name] !== undefined) fields[name] = frame[name];
  }
  if (frame.ext !== undefined) fields.ext = toHex(frame.ext);
  return { start, end, version, cmd, payload: toHex(frame.payload), afterGap, ...fields };
}

/** The oracle's answer as an outcome. */
export function outcomeOf(result: OracleResult): Outcome {
  const { frames, discards, damages, error } = result;
  return {
    frames: frames.map(outcomeFrame),
    discards: discards.map(({ start, end, reason }) => ({ start, end, reason })),
    damages: damages.map(({ start, reason }) => ({ start, reason })),
    ...(error === undefined ? {} : { error }),
  };
}
