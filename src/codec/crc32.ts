/**
 * CRC-32 of IEEE 802.3 (zlib, gzip, PNG). Slicing-by-16 tables in JavaScript; on Node, long runs go to zlib's native
 * routine. Both give the same values, so nothing else in the codec knows which one ran.
 */

const POLYNOMIAL = 0xedb8_8320;
const SLICES = 16;

/** From this many bytes on, zlib's routine is faster in spite of the view it needs. docs/decisions/crc32.md */
const NATIVE_FROM = 512;

type NativeCrc = (bytes: Uint8Array, crc: number) => number;

let tables: Int32Array | undefined;

/** `tables[256 * k + b]`: the register after byte `b` and `k` zero bytes, from a zero register. Built at first use. */
function buildTables(): Int32Array {
  const built = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ POLYNOMIAL : register >>> 1;
    built[byte] = register;
  }
  for (let entry = 256; entry < built.length; entry++) {
    const previous = built[entry - 256]!;
    built[entry] = (previous >>> 8) ^ built[previous & 0xff]!;
  }
  tables = built;
  return built;
}

/**
 * zlib's `crc32` where the process has one. Asked of `process` rather than imported, so that no `node:` module reaches
 * a browser bundle. Node 20.16 and 22.3 brought `getBuiltinModule`; older ones use the tables.
 */
function findNative(): NativeCrc | undefined {
  const host = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process;
  if (typeof host?.getBuiltinModule !== "function") return undefined;
  const zlib = host.getBuiltinModule("zlib") as { crc32?: unknown } | undefined;
  return typeof zlib?.crc32 === "function" ? (zlib.crc32 as NativeCrc) : undefined;
}

const native = findNative();

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
  if (end - start >= NATIVE_FROM && native !== undefined) {
    return native(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), crc >>> 0) | 0;
  }
  return crcByTables(bytes, start, end, crc);
}

/** As {@link crcUpdate}, never native. */
export function crcByTables(bytes: Uint8Array, start: number, end: number, crc: number): number {
  const t = tables ?? buildTables();
  let c = ~crc;
  let p = start;
  for (const last = end - 16; p <= last; p += 16) {
    c ^= bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24);
    c =
      t[3840 + (c & 0xff)]! ^
      t[3584 + ((c >>> 8) & 0xff)]! ^
      t[3328 + ((c >>> 16) & 0xff)]! ^
      t[3072 + (c >>> 24)]! ^
      t[2816 + bytes[p + 4]!]! ^
      t[2560 + bytes[p + 5]!]! ^
      t[2304 + bytes[p + 6]!]! ^
      t[2048 + bytes[p + 7]!]! ^
      t[1792 + bytes[p + 8]!]! ^
      t[1536 + bytes[p + 9]!]! ^
      t[1280 + bytes[p + 10]!]! ^
      t[1024 + bytes[p + 11]!]! ^
      t[768 + bytes[p + 12]!]! ^
      t[512 + bytes[p + 13]!]! ^
      t[256 + bytes[p + 14]!]! ^
      t[bytes[p + 15]!]!;
  }
  for (; p < end; p++) c = (c >>> 8) ^ t[(c ^ bytes[p]!) & 0xff]!;
  return ~c;
}

/** CRC-32 of the four little-endian bytes of `seed`, signed: what a seeded checksum goes on from. No seed gives 0. */
export function crcOfSeed(seed: number | undefined): number {
  if (seed === undefined) return 0;
  return crcByTables(Uint8Array.of(seed, seed >>> 8, seed >>> 16, seed >>> 24), 0, 4, 0);
}
