/** Protobuf varints for the writers: sizes, and writing numbers without a bigint on the way. https://protobuf.dev/programming-guides/encoding/#varints */

const TWO_32 = 0x1_0000_0000;

/** Bytes that `value`, an integer from 0 to 2^32-1, takes as a varint: 1 to 5. */
export function uint32Size(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Bytes that `value`, an int32, takes as a varint: a negative one is sign-extended to 64 bits and takes 10. */
export function int32Size(value: number): number {
  return value < 0 ? 10 : uint32Size(value);
}

/** Bytes that the 64-bit integer `high` × 2^32 + `low` (both unsigned) takes as a varint: 1 to 10. */
export function uint64Size(low: number, high: number): number {
  if (high === 0) return uint32Size(low);
  return high < 0x8 ? 5 : high < 0x400 ? 6 : high < 0x2_0000 ? 7 : high < 0x100_0000 ? 8 : high < 0x8000_0000 ? 9 : 10;
}

/** Writes `value`, an integer from 0 to 2^32-1, at `position`; gives the position behind it. */
export function writeUint32(bytes: Uint8Array, position: number, value: number): number {
  while (value > 0x7f) {
    bytes[position++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[position++] = value;
  return position;
}

/** Writes `value`, an int32, at `position`; gives the position behind it. */
export function writeInt32(bytes: Uint8Array, position: number, value: number): number {
  return value < 0 ? writeUint64(bytes, position, value >>> 0, 0xffff_ffff) : writeUint32(bytes, position, value);
}

/** Writes the 64-bit integer `high` × 2^32 + `low` (both unsigned) at `position`; gives the position behind it. */
export function writeUint64(bytes: Uint8Array, position: number, low: number, high: number): number {
  // Signed from here on: 32-bit integers need no space of their own in compiled code, larger numbers do.
  let lower = low | 0;
  let upper = high | 0;
  while (upper !== 0 || lower >>> 7 !== 0) {
    bytes[position++] = (lower & 0x7f) | 0x80;
    lower = (lower >>> 7) | (upper << 25);
    upper >>>= 7;
  }
  bytes[position++] = lower;
  return position;
}

/** Low 32 bits of `value` in two's complement, unsigned. A number must be a safe integer. */
export function lowWord(value: bigint | number): number {
  return typeof value === "number" ? value >>> 0 : Number(BigInt.asUintN(32, value));
}

/** Bits 32 to 63 of `value` in two's complement, unsigned. A number must be a safe integer. */
export function highWord(value: bigint | number): number {
  return typeof value === "number" ? Math.floor(value / TWO_32) >>> 0 : Number(BigInt.asUintN(32, value >> 32n));
}
