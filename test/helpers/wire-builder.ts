/**
 * Builds streams byte by byte for vectors and tests, well-formed or not. Like the oracle it shares nothing with
 * src/, so that tests do not ask the codec what the codec should do.
 */
import { littleEndian, oracleCrc32, prefixOf } from "./oracle.js";

export const MAGIC = 2128477429;

/** `"08 F5"` as bytes; remarks from `#` to the end of a line are left out. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/#.*/g, "").replace(/\s+/g, "");
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new Error(`not hex: ${text}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, "0"));

/** Bytes as `"08 F5"`. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => DIGITS[byte]).join(" ");
}

export type Bytes = Uint8Array | string;

/** Bytes of texts in hex that were joined before: most are the same few. */
const known = new Map<string, Uint8Array>();

function knownHex(text: string): Uint8Array {
  let bytes = known.get(text);
  if (bytes === undefined) known.set(text, (bytes = hex(text)));
  return bytes;
}

/** All parts in a row; strings are hex. */
export function cat(...parts: readonly Bytes[]): Uint8Array {
  const arrays = parts.map((part) => (typeof part === "string" ? knownHex(part) : part));
  let length = 0;
  for (const part of arrays) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of arrays) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A minimal varint; negative values in their ten bytes. */
export function varint(value: number | bigint): Uint8Array {
  if (value >= 0 && value < 128) return Uint8Array.of(Number(value));
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest % 128n) + 128);
    rest /= 128n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** `count` bytes of `byte`. */
export function fill(count: number, byte: number): Uint8Array {
  return new Uint8Array(count).fill(byte);
}

export interface Parts {
  readonly magic?: number;
  /** Bytes in place of a minimal LEN. */
  readonly len?: Bytes;
  /** VER as a number, or bytes in its place. Absent: the field is left out. */
  readonly ver?: number | Bytes;
  /** CMD as a number, or bytes in its place. Default 1. */
  readonly cmd?: number | Bytes;
  /** Absent: field 5 is left out. */
  readonly payload?: Bytes;
  /** Bytes in place of a minimal N. */
  readonly n?: Bytes;
  /** Trailer fields in front of the checksum. */
  readonly trailer?: Bytes;
  readonly seed?: number;
}

/** A frame up to, not including, the checksum. */
export function open(parts: Parts): Uint8Array {
  const payload = parts.payload === undefined ? undefined : cat(parts.payload);
  const number = (value: number | Bytes): Bytes => (typeof value === "number" ? varint(value) : value);
  return cat(
    prefixOf(parts.magic ?? MAGIC),
    parts.len ?? varint(payload?.length ?? 0),
    ...(parts.ver === undefined ? [] : ["18", number(parts.ver)]),
    "20",
    number(parts.cmd ?? 1),
    ...(payload === undefined ? [] : ["2A", parts.n ?? varint(payload.length), payload]),
    parts.trailer ?? "",
  );
}

/** `body` and its checksum. */
export function seal(body: Bytes, seed?: number): Uint8Array {
  const bytes = cat(body);
  const crc = seed === undefined ? oracleCrc32(bytes) : oracleCrc32(littleEndian(seed), bytes);
  return cat(bytes, "7D", littleEndian(crc));
}

/** A version 1 frame. */
export function v1(cmd: number | Bytes, payload?: Bytes, parts: Parts = {}): Uint8Array {
  return open({ ...parts, cmd, ...(payload === undefined ? {} : { payload }) });
}

/** A version 2 frame with its checksum. */
export function v2(cmd: number | Bytes, payload?: Bytes, parts: Parts = {}): Uint8Array {
  return seal(open({ ver: 2, ...parts, cmd, ...(payload === undefined ? {} : { payload }) }), parts.seed);
}
