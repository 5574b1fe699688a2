/**
 * The short way for what nearly all frames are: whole in one chunk, with LEN, CMD and N of at most two bytes, VER of one,
 * and a trailer of varints and short fields. Four times as fast as the parser, as it is small enough for the optimizer to keep
 * in one piece with the loop around it. Pages do without. docs/decisions/plain-frames.md
 */

import { crcOfFrame, forgetWindow } from "../checksum/window-crc.js";
import type { ByteSource } from "./byte-source.js";
import type { FrameLimits } from "./frame-parser.js";
import type { FrameCursor } from "./frame-view.js";
import { PREFIX_LENGTH } from "./sync-prefix.js";

/** What a decoder's state machine needs of it. */
export interface PlainWay {
  parse(frame: FrameCursor, limits: FrameLimits, data: DataView, start: number, end: number): boolean;
  crcOfFrame(chunk: ByteSource, data: DataView, start: number, end: number, last: number, crc: number): number;
  forgetWindow(): void;
}

/** An imported constant is looked up at each use; one of the module itself is part of the code. */
const HEADER = PREFIX_LENGTH;

const TAG_VERSION = 0x18;
const TAG_CMD = 0x20;
const TAG_PAYLOAD = 0x2a;
const TAG_LAST_TRAILER_FIELD = 0x77;
const TAG_CHECKSUM = 0x7d;
const CHECKSUM_LENGTH = 5;

/**
 * Fills `frame` with the one at `start`, whose prefix has been seen, and gives true where {@link FrameParser} would give
 * READY. False says nothing: the parser decides. PLAIN_HEADER of frame-machine.ts is how many bytes must be there.
 */
function parsePlain(frame: FrameCursor, limits: FrameLimits, data: DataView, start: number, end: number): boolean {
  let p = start + HEADER;
  let read = shortVarint(data, p);
  const length = read >> 2;
  p += read & 3;
  let tag = data.getUint8(p++);
  let version = 1;
  if (tag === TAG_VERSION) {
    version = data.getUint8(p++);
    tag = data.getUint8(p++);
  }
  read = shortVarint(data, p);
  p += read & 3;
  if (tag !== TAG_CMD || version < limits.minVersion || version > 0x7f || length > limits.maxPayload || length < 0 || read < 0)
    return false;
  frame.cmd = read >> 2;
  frame.version = version;
  if (length > 0) {
    if (data.getUint8(p++) !== TAG_PAYLOAD) return false;
    read = shortVarint(data, p);
    p += read & 3;
    if (read >> 2 !== length) return false;
  } else if (version !== 1 && data.getUint8(p) === TAG_PAYLOAD) {
    return false;
  }
  frame.payloadOffset = p - start;
  p += length;
  frame.payloadEndOffset = frame.endOffset = p - start;
  return version === 1 ? p <= end : parsePlainTrailer(frame, data, start, p, Math.min(end, p + limits.maxTrailer));
}

function parsePlainTrailer(frame: FrameCursor, data: DataView, start: number, payloadEnd: number, end: number): boolean {
  /** Where the checksum's tag may be at the latest. */
  const latest = end - CHECKSUM_LENGTH;
  let last = TAG_PAYLOAD | 7;
  for (let p = payloadEnd; p <= latest; p++) {
    const tag = data.getUint8(p);
    if (tag === TAG_CHECKSUM) {
      frame.checksumOffset = p - start;
      frame.endOffset = p - start + CHECKSUM_LENGTH;
      return true;
    }
    if ((tag & 5) !== 0 || tag <= last || tag > TAG_LAST_TRAILER_FIELD) return false;
    last = tag | 7;
    const value = ++p;
    while (p < latest && data.getUint8(p) > 0x7f) p++;
    if ((tag & 7) === 0 ? p - value > 9 : p !== value) return false;
    if ((tag & 7) === 2) p += data.getUint8(p);
  }
  return false;
}

/** A minimal varint of one or two bytes: its value × 4 + its length; below 0 if it is none. */
function shortVarint(data: DataView, position: number): number {
  const low = data.getUint8(position);
  if (low < 0x80) return (low << 2) | 1;
  const high = data.getUint8(position + 1);
  return (high - 1) >>> 0 < 0x7f ? ((low & 0x7f) << 2) | (high << 9) | 2 : -4;
}

/** To be handed to the machine. */
export const PLAIN_WAY: PlainWay = { parse: parsePlain, crcOfFrame, forgetWindow };
