/** The trailer of a version 2 frame: its fields checked, measured and written. docs/wire.md section 3. */
import { FramewireError, inFull } from "../../errors.js";
import { highWord, int32Size, lowWord, uint32Size, uint64Size, writeInt32, writeUint32, writeUint64 } from "../../protocol/varint.js";
import type { FrameInit } from "../frame.js";

const TAG_TIMESTAMP = 0x30;
const TAG_SEQUENCE = 0x38;
const TAG_ACK = 0x40;
const TAG_CALL_ID = 0x48;
const TAG_KIND = 0x50;
const TAG_STATUS = 0x58;
const TAG_TIMEOUT_MS = 0x60;
const TAG_TRACE = 0x6a;
const TAG_EXT = 0x72;
const TAG_CHECKSUM = 0x7d;

/** Bytes of the checksum with its tag. */
export const CHECKSUM_LENGTH = 5;

export const INT32_MIN = -0x8000_0000;
export const INT32_MAX = 0x7fff_ffff;
const UINT32_MAX = 0xffff_ffff;
const utf8 = new TextEncoder();

/** Bytes of the fields, without the checksum. Checks every one of them. @throws FramewireError `invalid-option` */
export function trailerSize(frame: FrameInit): number {
  const { timestamp, sequence, ack, callId, kind, status, timeoutMs, trace, ext } = frame;
  let size = 0;
  if (timestamp !== undefined) size += 1 + wideSize("timestamp", timestamp, true);
  if (sequence !== undefined) size += 1 + wideSize("sequence", sequence, false);
  if (ack !== undefined) size += 1 + wideSize("ack", ack, false);
  if (callId !== undefined) size += 1 + uint32Size(checkRange("callId", callId, 0, UINT32_MAX));
  if (kind !== undefined) size += 1 + int32Size(checkRange("kind", kind, INT32_MIN, INT32_MAX));
  if (status !== undefined) size += 1 + int32Size(checkRange("status", status, INT32_MIN, INT32_MAX));
  if (timeoutMs !== undefined) size += 1 + uint32Size(checkRange("timeoutMs", timeoutMs, 0, UINT32_MAX));
  if (trace !== undefined) {
    const length = utf8Size(trace);
    size += 1 + uint32Size(length) + length;
  }
  if (ext !== undefined) size += 1 + uint32Size(ext.length) + ext.length;
  return size;
}

/** Writes the fields of the trailer, whose values have been checked; gives the position after them. */
export function writeTrailer(bytes: Uint8Array, position: number, frame: FrameInit): number {
  const { timestamp, sequence, ack, callId, kind, status, timeoutMs, trace, ext } = frame;
  let p = position;
  if (timestamp !== undefined) {
    bytes[p++] = TAG_TIMESTAMP;
    p = writeUint64(bytes, p, lowWord(timestamp), highWord(timestamp));
  }
  if (sequence !== undefined) {
    bytes[p++] = TAG_SEQUENCE;
    p = writeUint64(bytes, p, lowWord(sequence), highWord(sequence));
  }
  if (ack !== undefined) {
    bytes[p++] = TAG_ACK;
    p = writeUint64(bytes, p, lowWord(ack), highWord(ack));
  }
  if (callId !== undefined) {
    bytes[p++] = TAG_CALL_ID;
    p = writeUint32(bytes, p, callId);
  }
  if (kind !== undefined) {
    bytes[p++] = TAG_KIND;
    p = writeInt32(bytes, p, kind);
  }
  if (status !== undefined) {
    bytes[p++] = TAG_STATUS;
    p = writeInt32(bytes, p, status);
  }
  if (timeoutMs !== undefined) {
    bytes[p++] = TAG_TIMEOUT_MS;
    p = writeUint32(bytes, p, timeoutMs);
  }
  if (trace !== undefined) {
    const encoded = utf8.encode(trace);
    bytes[p++] = TAG_TRACE;
    p = writeUint32(bytes, p, encoded.length);
    bytes.set(encoded, p);
    p += encoded.length;
  }
  if (ext !== undefined) {
    bytes[p++] = TAG_EXT;
    p = writeUint32(bytes, p, ext.length);
    bytes.set(ext, p);
    p += ext.length;
  }
  return p;
}

/** Writes the checksum; gives the end of the frame. */
export function writeChecksum(bytes: Uint8Array, position: number, crc: number): number {
  bytes[position] = TAG_CHECKSUM;
  bytes[position + 1] = crc;
  bytes[position + 2] = crc >>> 8;
  bytes[position + 3] = crc >>> 16;
  bytes[position + 4] = crc >>> 24;
  return position + CHECKSUM_LENGTH;
}

/** A version 1 frame has no trailer: giving it one is a mistake that would otherwise go unseen. */
export function refuseTrailer(frame: FrameInit): 0 {
  const field =
    frame.timestamp !== undefined
      ? "timestamp"
      : frame.sequence !== undefined
        ? "sequence"
        : frame.ack !== undefined
          ? "ack"
          : frame.callId !== undefined
            ? "callId"
            : frame.kind !== undefined
              ? "kind"
              : frame.status !== undefined
                ? "status"
                : frame.timeoutMs !== undefined
                  ? "timeoutMs"
                  : frame.trace !== undefined
                    ? "trace"
                    : frame.ext !== undefined
                      ? "ext"
                      : undefined;
  if (field !== undefined) throw new FramewireError("invalid-option", `${field} needs version 2 or above`);
  return 0;
}

export function checkRange(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new FramewireError("invalid-option", `${name} is ${String(value)}; it must be an integer from ${min} to ${max}`);
}

/** Varint size of a 64-bit field, checked. */
function wideSize(name: string, value: bigint | number, signed: boolean): number {
  const fits =
    typeof value === "number"
      ? Number.isSafeInteger(value) && (signed || value >= 0)
      : typeof value === "bigint" && (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value;
  if (!fits) {
    const type = signed ? "int64" : "uint64";
    throw new FramewireError(
      "invalid-option",
      `${name} is ${String(value)}; it must be ${inFull ? `a bigint in the range of ${type} or a safe integer` : type}`,
    );
  }
  return uint64Size(lowWord(value), highWord(value));
}

/** Bytes of `text` in UTF-8; a lone surrogate counts as the three bytes of its replacement character. */
function utf8Size(text: string): number {
  let size = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) size += 1;
    else if (unit < 0x800) size += 2;
    else {
      size += 3;
      // A pair takes four bytes.
      if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
        size += 1;
        i++;
      }
    }
  }
  return size;
}
