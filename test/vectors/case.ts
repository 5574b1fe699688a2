/** How vectors are written down: a stream as a row of pieces, each with the verdict that a person gave it. */
import { type OracleDiscard, type OracleOptions, type OracleReason, oracle } from "../helpers/oracle.js";
import { type Bytes, cat, toHex } from "../helpers/wire-builder.js";

/** A delivered frame as it stands in the vector files. 64-bit fields are decimal strings, bytes are hex. */
export interface VectorFrame {
  readonly start: number;
  readonly end: number;
  readonly version: number;
  readonly cmd: number;
  readonly payload: string;
  readonly afterGap?: number;
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

export interface Vector {
  readonly name: string;
  readonly options?: OracleOptions;
  /** Hex strings to be put in a row. */
  readonly stream: readonly string[];
  readonly frames: readonly VectorFrame[];
  readonly discards: readonly OracleDiscard[];
  /** How many of the frames are delivered before the flush, if not all. */
  readonly beforeFlush?: number;
  /** `recovery: "close"`: the error that the damage ends the stream with. */
  readonly error?: string;
}

type Fields = Omit<VectorFrame, "start" | "end" | "version" | "cmd" | "payload" | "afterGap">;

export type Piece =
  | {
      readonly as: "frame";
      readonly bytes: Uint8Array;
      readonly version: number;
      readonly cmd: number;
      readonly payload: string;
      readonly fields: Fields;
    }
  | { readonly as: "discard"; readonly bytes: Uint8Array; readonly reason: OracleReason; readonly shownBy?: number }
  | { readonly as: "swallowed" | "unread"; readonly bytes: Uint8Array };

export interface Extra {
  readonly options?: OracleOptions;
  readonly beforeFlush?: number;
  readonly error?: "frame-malformed" | "frame-too-large";
}

/** These bytes are one frame, delivered with these values. */
export function good(bytes: Bytes, version: number, cmd: number, payload: Bytes = "", fields: Fields = {}): Piece {
  return { as: "frame", bytes: cat(bytes), version, cmd, payload: toHex(cat(payload)), fields };
}

/** These bytes are one discard. */
export function bad(reason: OracleReason, ...bytes: Bytes[]): Piece {
  return { as: "discard", bytes: cat(...bytes), reason };
}

/** The same; that they are one shows at the byte number `shownBy` of them, counted from 1 and on beyond them. */
export function badAt(shownBy: number, reason: OracleReason, ...bytes: Bytes[]): Piece {
  return { as: "discard", bytes: cat(...bytes), reason, shownBy };
}

/** A `2A 00` behind an empty version 1 frame. */
export const swallowed: Piece = { as: "swallowed", bytes: cat("2A 00") };

/** Bytes that come after the end of a closed stream. */
export function unread(bytes: Bytes): Piece {
  return { as: "unread", bytes: cat(bytes) };
}

/**
 * Puts the pieces in a row and counts the offsets. Where a damage shows is the oracle's word, unless the piece says it, and is
 * checked against the decoder as all is.
 */
export function vector(name: string, pieces: readonly Piece[], extra: Extra = {}): Vector {
  const frames: VectorFrame[] = [];
  const discards: OracleDiscard[] = [];
  const settled = oracle(cat(...pieces.map(({ bytes }) => bytes)), extra.options).damages;
  let start = 0;
  let afterGap = 0;
  for (const piece of pieces) {
    const end = start + piece.bytes.length;
    if (piece.as === "frame") {
      const { version, cmd, payload, fields } = piece;
      frames.push({ start, end, version, cmd, payload, ...(afterGap > 0 ? { afterGap } : {}), ...fields });
      afterGap = 0;
    } else if (piece.as === "discard") {
      const settledAt = piece.shownBy === undefined ? settled[discards.length]!.settledAt : start + piece.shownBy;
      discards.push({ start, end, reason: piece.reason, settledAt });
      afterGap += piece.bytes.length;
    }
    start = end;
  }
  const stream = pieces.map((piece) => toHex(piece.bytes));
  const { options, beforeFlush, error } = extra;
  return {
    name,
    ...(options === undefined ? {} : { options }),
    stream,
    frames,
    discards,
    ...(beforeFlush === undefined ? {} : { beforeFlush }),
    ...(error === undefined ? {} : { error }),
  };
}
