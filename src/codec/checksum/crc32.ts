/**
 * CRC-32 of IEEE 802.3 (zlib, gzip, PNG), by slicing-by-8 tables. On Node long runs go the ways of crc32-long.ts. All give
 * the same values, so nothing else in the codec knows which one ran.
 */
const POLYNOMIAL = 0xedb8_8320;

/** From this many bytes on, the ways of crc32-long.ts are faster. docs/decisions/crc32.md */
const LONG_FROM = 448;

/** CRC-32 of `bytes` from `start` to `end`, going on from `crc`. Signed, or unsigned. */
type CrcUpdate = (bytes: Uint8Array, start: number, end: number, crc: number) => number;

/** For long runs. Absent on pages, which save its size. */
let crcOfLong: CrcUpdate | undefined;

/** Makes `provided` compute the CRC of long runs. */
export function provideLongCrc(provided: CrcUpdate): void {
  crcOfLong = provided;
}

/**
 * `Tk[b]`: the register after byte `b` and `k` zero bytes, from a zero register. Eight constants rather than one table
 * or an array of them, as V8 then has each address in the instruction. Filled at first use.
 */
const store = /* @__PURE__ */ new ArrayBuffer(8 * 1024);
const T0 = /* @__PURE__ */ new Int32Array(store, 0, 256);
const T1 = /* @__PURE__ */ new Int32Array(store, 1024, 256);
const T2 = /* @__PURE__ */ new Int32Array(store, 2048, 256);
const T3 = /* @__PURE__ */ new Int32Array(store, 3072, 256);
const T4 = /* @__PURE__ */ new Int32Array(store, 4096, 256);
const T5 = /* @__PURE__ */ new Int32Array(store, 5120, 256);
const T6 = /* @__PURE__ */ new Int32Array(store, 6144, 256);
const T7 = /* @__PURE__ */ new Int32Array(store, 7168, 256);

/** Fills the first `count` tables of `store`, 1 KiB each; all it has room for by default. */
export function fillTables(store: ArrayBuffer, count: number = store.byteLength / 1024): void {
  const all = new Int32Array(store, 0, count * 256);
  for (let byte = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ POLYNOMIAL : register >>> 1;
    all[byte] = register;
  }
  for (let entry = 256; entry < all.length; entry++) {
    const previous = all[entry - 256]!;
    all[entry] = (previous >>> 8) ^ all[previous & 0xff]!;
  }
}

/**
 * CRC-32 of `bytes` from `start` to `end`.
 * @param crc result for the bytes before these, to go on from; default 0, nothing before
 * @returns an unsigned 32-bit integer
 */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length, crc = 0): number {
  return crcUpdate(bytes, start, end, crc) >>> 0;
}

/** As {@link crc32}, as a signed 32-bit integer: V8 keeps those unboxed across calls. */
export function crcUpdate(bytes: Uint8Array, start: number, end: number, crc: number): number {
  if (end - start < LONG_FROM || crcOfLong === undefined) return crcOfBytes(bytes, start, end, crc);
  return crcOfLong(bytes, start, end, crc);
}

/** By tables, eight bytes at a time. */
export function crcOfBytes(bytes: Uint8Array, start: number, end: number, crc: number): number {
  if (T0[1] === 0) fillTables(store);
  let c = ~crc;
  let p = start;
  for (const last = end - 8; p <= last; p += 8) {
    const rest = T3[bytes[p + 4]!]! ^ T2[bytes[p + 5]!]! ^ (T1[bytes[p + 6]!]! ^ T0[bytes[p + 7]!]!);
    c ^= bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
    c = rest ^ (T7[c & 0xff]! ^ T6[(c >>> 8) & 0xff]! ^ (T5[(c >>> 16) & 0xff]! ^ T4[c >>> 24]!));
  }
  for (; p < end; p++) c = (c >>> 8) ^ T0[(c ^ bytes[p]!) & 0xff]!;
  return ~c;
}

/** CRC-32 of the four little-endian bytes of `seed`, signed: what a seeded checksum goes on from. No seed gives 0. */
export function crcOfSeed(seed: number | undefined): number {
  if (seed === undefined) return 0;
  if (T0[1] === 0) fillTables(store);
  return ~(T3[~seed & 0xff]! ^ T2[(~seed >>> 8) & 0xff]! ^ (T1[(~seed >>> 16) & 0xff]! ^ T0[~seed >>> 24]!));
}
