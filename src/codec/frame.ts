/** What a frame is to the code around the codec: the shapes, no behaviour. */

/** The trailer of a version 2 frame as read; every field is absent unless the sender set it. docs/wire.md section 1. */
export interface Trailer {
  /** Sender's clock, milliseconds since the Unix epoch. int64. */
  readonly timestamp?: bigint;
  /** Position in the sender's session, from 1. uint64. */
  readonly sequence?: bigint;
  /** Highest sequence received with none missing before it. uint64. */
  readonly ack?: bigint;
  /** Pairs a request with its response, items, credits and cancel. uint32. */
  readonly callId?: number;
  /** A FrameKind; absent = 0, a one-way message. */
  readonly kind?: number;
  /** google.rpc.Code of a response. int32. */
  readonly status?: number;
  /** Time the caller still gives this call, in milliseconds. uint32. */
  readonly timeoutMs?: number;
  /** W3C traceparent. */
  readonly trace?: string;
  /** A serialised FrameExt. */
  readonly ext?: Uint8Array;
}

/** One frame as plain data that owns its bytes. What `FrameView.copy` gives. */
export interface Frame extends Trailer {
  /** Wire version; absent or 1 = five fields, 2 and above = with trailer. */
  readonly version?: number;
  /** Command, int32. */
  readonly cmd: number;
  /** The serialised command message. Absent = the field is not written; empty = it is written with length 0. */
  readonly payload?: Uint8Array;
}

/** A frame as handed to the encoder: the 64-bit fields may also be safe integers; `undefined` is absent. */
export type FrameInit = {
  readonly [K in keyof Frame]: K extends "timestamp" | "sequence" | "ack" ? bigint | number | undefined : Frame[K] | undefined;
} & {
  readonly cmd: number;
};

/** Why bytes were not part of a frame. docs/wire.md section 4 says which rule gives which reason. */
export type DiscardReason = "garbage" | "truncated" | "header" | "varint" | "version" | "redundancy" | "oversize" | "trailer" | "checksum";

/** A run of bytes that no frame was made of, in stream offsets: `start` inclusive, `end` exclusive. */
export interface Discard {
  readonly start: number;
  readonly end: number;
  readonly reason: DiscardReason;
}

/**
 * The start of a {@link Discard}, known before its end: `start` is where it begins in the stream. Its reason is the discard's.
 */
export interface Damage {
  readonly start: number;
  readonly reason: DiscardReason;
}
