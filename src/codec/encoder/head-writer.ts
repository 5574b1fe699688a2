/** A frame up to its payload: its fields checked, measured and written. docs/wire.md section 2. */
import { int32Size, uint32Size, writeInt32, writeUint32 } from "../../protocol/varint.js";
import { PREFIX_LENGTH } from "../decoder/sync-prefix.js";
import { checkRange, INT32_MAX, INT32_MIN } from "./trailer-writer.js";

const TAG_VERSION = 0x18;
const TAG_CMD = 0x20;
const TAG_PAYLOAD = 0x2a;

/** Longest head: prefix, LEN, VER, CMD, the payload's tag and N. */
export const MAX_HEAD = 7 + 5 + 6 + 11 + 6;

/** @throws FramewireError `invalid-option` */
export function checkHead(version: number | undefined, cmd: number): void {
  if (version !== undefined) checkRange("version", version, 1, INT32_MAX);
  checkRange("cmd", cmd, INT32_MIN, INT32_MAX);
}

/** Bytes of the head of a frame with a payload, without LEN and N. */
export function fixedSize(version: number | undefined, cmd: number): number {
  return PREFIX_LENGTH + (version === undefined ? 0 : 1 + uint32Size(version)) + 1 + int32Size(cmd) + 1;
}

/** Writes prefix, LEN, VER and CMD; gives the position after them. */
export function writeFixed(
  bytes: Uint8Array,
  position: number,
  prefix: Uint8Array,
  version: number | undefined,
  cmd: number,
  length: number,
): number {
  let p = position;
  for (let i = 0; i < 7; i++) bytes[p++] = prefix[i]!;
  p = writeUint32(bytes, p, length);
  if (version !== undefined) {
    bytes[p++] = TAG_VERSION;
    p = writeUint32(bytes, p, version);
  }
  bytes[p++] = TAG_CMD;
  return writeInt32(bytes, p, cmd);
}

/** Writes the payload's tag and N; gives the position of its first byte. */
export function writePayloadLength(bytes: Uint8Array, position: number, length: number): number {
  bytes[position] = TAG_PAYLOAD;
  return writeUint32(bytes, position + 1, length);
}
