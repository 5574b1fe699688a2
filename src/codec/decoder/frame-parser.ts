/**
 * The grammar of one frame (docs/wire.md section 2) over a chunk or a ring alike: byte `i` is `buffer[i & mask]`, with
 * mask -1 for a chunk. Decides one candidate, as early as its bytes allow, or says how many bytes it needs to go on.
 */
import type { DiscardReason } from "../frame.js";
import type { FrameCursor } from "./frame-view.js";
import { PREFIX_LENGTH } from "./sync-prefix.js";

/** The frame is whole; version 2 and above: its checksum is still to be compared. */
export const READY = 1;
/** `need` bytes from the candidate's start decide more. */
export const WAIT = -1;
/** Not a frame, for `reason`. */
export const FAILED = -2;

/** What the parser found; plain numbers, as the loop around it must not allocate. */
export type Outcome = typeof READY | typeof WAIT | typeof FAILED;

const TAG_VERSION = 0x18;
const TAG_CMD = 0x20;
const TAG_PAYLOAD = 0x2a;
const TAG_LAST_TRAILER_FIELD = 0x77;
const TAG_CHECKSUM = 0x7d;
const CHECKSUM_LENGTH = 5;

/** What a frame may be, beyond the grammar. */
export interface FrameLimits {
  readonly maxPayload: number;
  readonly maxTrailer: number;
  readonly minVersion: number;
}

/** Offsets in its fields, and in the frame it fills, count from the candidate's first byte, wherever its bytes are moved to. */
export class FrameParser implements FrameLimits {
  maxPayload = 0;
  maxTrailer = 0;
  minVersion = 1;

  /** After WAIT: bytes from the candidate's start to ask again with. */
  need = 0;
  /** After FAILED: the rule that was broken, and the position behind the byte that proves it. */
  reason: DiscardReason = "garbage";
  failedAt = 0;

  #headerDone = false;
  /** Position behind the last varint read, in the buffer's terms. */
  #after = 0;

  readonly #frame: FrameCursor;

  /** Fills `frame` with what it finds. */
  constructor(frame: FrameCursor) {
    this.#frame = frame;
  }

  /** Makes ready for another candidate. */
  begin(): void {
    this.#headerDone = false;
  }

  /** Decides the candidate at `start`, whose prefix has been seen, from the bytes before `end`. */
  parse(buffer: Uint8Array, mask: number, start: number, end: number): Outcome {
    if (!this.#headerDone) {
      const outcome = this.#header(buffer, mask, start, end);
      if (outcome !== READY) return outcome;
      this.#headerDone = true;
    }
    const frame = this.#frame;
    if (frame.version !== 1) return this.#trailer(buffer, mask, start, end);
    return start + frame.endOffset <= end ? READY : this.#wait(frame.endOffset);
  }

  #header(buffer: Uint8Array, mask: number, start: number, end: number): Outcome {
    let p = start + PREFIX_LENGTH;

    if (p >= end) return this.#wait(p + 1 - start);
    let length = buffer[p & mask]!;
    if (length < 0x80) {
      p++;
    } else {
      length = this.#varint(buffer, mask, start, p, end);
      if (length < 0) return length as Outcome;
      p = this.#after;
    }

    if (p >= end) return this.#wait(p + 1 - start);
    let tag = buffer[p++ & mask]!;
    let version = 1;
    if (tag === TAG_VERSION) {
      if (p >= end) return this.#wait(p + 1 - start);
      version = buffer[p & mask]!;
      if (version < 0x80) {
        p++;
      } else {
        version = this.#varint(buffer, mask, start, p, end);
        if (version < 0) return version as Outcome;
        p = this.#after;
      }
      if (version < this.minVersion) return this.#fail("version", p - start);
      if (p >= end) return this.#wait(p + 1 - start);
      tag = buffer[p++ & mask]!;
      if (tag !== TAG_CMD) return this.#fail("header", p - start);
    } else if (tag !== TAG_CMD) {
      return this.#fail("header", p - start);
    } else if (this.minVersion > 1) {
      return this.#fail("version", p - start);
    }
    const frame = this.#frame;
    frame.version = version;

    if (p >= end) return this.#wait(p + 1 - start);
    const cmd = buffer[p & mask]!;
    if (cmd < 0x80) {
      frame.cmd = cmd;
      p++;
    } else {
      const outcome = this.#command(buffer, mask, start, p, end);
      if (outcome !== READY) return outcome;
      p = this.#after;
    }

    if (length === 0) {
      if (version !== 1) {
        if (p >= end) return this.#wait(p + 1 - start);
        if (buffer[p & mask] === TAG_PAYLOAD) {
          const outcome = this.#repeatedLength(buffer, mask, start, p + 1, end, 0);
          if (outcome !== READY) return outcome;
          p = this.#after;
        }
      }
    } else {
      if (p >= end) return this.#wait(p + 1 - start);
      if (buffer[p++ & mask] !== TAG_PAYLOAD) return this.#fail("header", p - start);
      const outcome = this.#repeatedLength(buffer, mask, start, p, end, length);
      if (outcome !== READY) return outcome;
      p = this.#after;
      // Not at LEN: a length that was damaged shows here, at N, wherever the chunk ends.
      if (length > this.maxPayload) return this.#fail("oversize", p - start);
    }
    frame.payloadOffset = p - start;
    frame.payloadEndOffset = frame.endOffset = p - start + length;
    return READY;
  }

  /** Payload and trailer. At most nine fields: starting over after each WAIT costs a bounded number of steps. */
  #trailer(buffer: Uint8Array, mask: number, start: number, end: number): Outcome {
    const frame = this.#frame;
    let p = start + frame.payloadEndOffset;
    /** Where the checksum's tag may be at the latest. */
    const latest = p + this.maxTrailer - CHECKSUM_LENGTH;
    let previous = 5;
    for (;;) {
      if (p >= end) return this.#wait(p + 1 - start);
      const tag = buffer[p++ & mask]!;
      if (tag === TAG_CHECKSUM) {
        frame.checksumOffset = p - 1 - start;
        frame.endOffset = p + 4 - start;
        return p + 4 <= end ? READY : this.#wait(frame.endOffset);
      }
      const field = tag >> 3;
      if (field <= previous || tag > TAG_LAST_TRAILER_FIELD) return this.#fail("trailer", p - start);
      previous = field;
      switch (tag & 7) {
        case 0: {
          const outcome = this.#skipVarint(buffer, mask, start, p, end, latest);
          if (outcome !== READY) return outcome;
          p = this.#after;
          break;
        }
        case 1:
          if (p + 8 > latest) return this.#fail("trailer", p - start);
          p += 8;
          break;
        case 2: {
          const outcome = this.#skipLengthDelimited(buffer, mask, start, p, end, latest);
          if (outcome !== READY) return outcome;
          p = this.#after;
          break;
        }
        case 5:
          if (p + 4 > latest) return this.#fail("trailer", p - start);
          p += 4;
          break;
        default:
          return this.#fail("trailer", p - start);
      }
    }
  }

  /** Reads a minimal varint from 0 to 2^31-1. */
  #varint(buffer: Uint8Array, mask: number, start: number, from: number, end: number): number {
    let value = 0;
    let p = from;
    for (let shift = 0; ; shift += 7) {
      if (p >= end) return this.#wait(p + 1 - start);
      const byte = buffer[p++ & mask]!;
      // Five bytes hold 35 bits: the last may add three, and a sixth would be a wider or an overlong number.
      if ((shift === 28 && byte > 7) || (byte === 0 && shift > 0)) return this.#fail("varint", p - start);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#after = p;
        return value;
      }
    }
  }

  /** Reads CMD: a minimal varint from 0 to 2^31-1, or the ten bytes of a negative int32 (all upper bits set). */
  #command(buffer: Uint8Array, mask: number, start: number, from: number, end: number): Outcome {
    let value = 0;
    let p = from;
    for (let index = 0; ; index++) {
      if (p >= end) return this.#wait(p + 1 - start);
      const byte = buffer[p++ & mask]!;
      const bad =
        index < 4
          ? byte === 0 && index > 0
          : index === 4
            ? byte === 0 || (byte > 0x07 && byte < 0xf8)
            : byte !== (index === 9 ? 0x01 : 0xff);
      if (bad) return this.#fail("varint", p - start);
      if (index < 5) value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) {
        this.#frame.cmd = value;
        this.#after = p;
        return READY;
      }
    }
  }

  /** Reads N, which must equal LEN. */
  #repeatedLength(buffer: Uint8Array, mask: number, start: number, from: number, end: number, length: number): Outcome {
    const repeated = this.#varint(buffer, mask, start, from, end);
    if (repeated < 0) return repeated as Outcome;
    return repeated === length ? READY : this.#fail("redundancy", this.#after - start);
  }

  /** Any varint of at most ten bytes that leaves room for the checksum. */
  #skipVarint(buffer: Uint8Array, mask: number, start: number, from: number, end: number, latest: number): Outcome {
    let p = from;
    for (;;) {
      if (p >= latest || p - from === 10) return this.#fail("trailer", p - start);
      if (p >= end) return this.#wait(p + 1 - start);
      if (buffer[p++ & mask]! < 0x80) {
        this.#after = p;
        return READY;
      }
    }
  }

  #skipLengthDelimited(buffer: Uint8Array, mask: number, start: number, from: number, end: number, latest: number): Outcome {
    const outcome = this.#skipVarint(buffer, mask, start, from, end, latest);
    if (outcome !== READY) return outcome;
    const p = this.#after;
    // A double holds the whole value: no length wraps around to a small one.
    let length = 0;
    for (let i = p - 1; i >= from; i--) length = length * 128 + (buffer[i & mask]! & 0x7f);
    if (p + length > latest) return this.#fail("trailer", p - start);
    this.#after = p + length;
    return READY;
  }

  #wait(need: number): typeof WAIT {
    this.need = need;
    return WAIT;
  }

  #fail(reason: DiscardReason, failedAt: number): typeof FAILED {
    this.reason = reason;
    this.failedAt = failedAt;
    return FAILED;
  }
}
