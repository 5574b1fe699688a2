/**
 * CRC-32 of long runs on Node: zlib's native routine, or slicing-by-16 tables over words. Pages do without, as crc32.ts is
 * enough for what they receive. docs/decisions/crc32.md
 */
import type { ByteSource } from "../decoder/byte-source.js";
import { fillTables } from "./crc32.js";

/** From this many bytes on, zlib's routine beats words from a view that is there already. */
const NATIVE_FROM = 640;

type NativeCrc = (bytes: Uint8Array, crc: number) => number;

/** As in crc32.ts, whose constants V8 would look up at each use here. */
const store = /* @__PURE__ */ new ArrayBuffer(16 * 1024);
const T0 = /* @__PURE__ */ new Int32Array(store, 0, 256);
const T1 = /* @__PURE__ */ new Int32Array(store, 1024, 256);
const T2 = /* @__PURE__ */ new Int32Array(store, 2048, 256);
const T3 = /* @__PURE__ */ new Int32Array(store, 3072, 256);
const T4 = /* @__PURE__ */ new Int32Array(store, 4096, 256);
const T5 = /* @__PURE__ */ new Int32Array(store, 5120, 256);
const T6 = /* @__PURE__ */ new Int32Array(store, 6144, 256);
const T7 = /* @__PURE__ */ new Int32Array(store, 7168, 256);
const T8 = /* @__PURE__ */ new Int32Array(store, 8192, 256);
const T9 = /* @__PURE__ */ new Int32Array(store, 9216, 256);
const T10 = /* @__PURE__ */ new Int32Array(store, 10240, 256);
const T11 = /* @__PURE__ */ new Int32Array(store, 11264, 256);
const T12 = /* @__PURE__ */ new Int32Array(store, 12288, 256);
const T13 = /* @__PURE__ */ new Int32Array(store, 13312, 256);
const T14 = /* @__PURE__ */ new Int32Array(store, 14336, 256);
const T15 = /* @__PURE__ */ new Int32Array(store, 15360, 256);

/** zlib's `crc32` where the process of `host` has one: Node 20.16 and 22.3 brought `getBuiltinModule`; older ones use the tables. */
export function nativeCrcOf(host: object): NativeCrc | undefined {
  const { process } = host as { process?: { getBuiltinModule?: (id: string) => unknown } };
  if (typeof process?.getBuiltinModule !== "function") return undefined;
  const zlib = process.getBuiltinModule("zlib") as { crc32?: unknown } | undefined;
  return typeof zlib?.crc32 === "function" ? (zlib.crc32 as NativeCrc) : undefined;
}

const native = /* @__PURE__ */ nativeCrcOf(globalThis);

/** As `crcUpdate` of crc32.ts, of so many bytes that a view of them pays for itself. */
export function crcOfLong(bytes: Uint8Array, start: number, end: number, crc: number): number {
  if (native === undefined) return crcOfView(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), start, end, crc);
  return native(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), crc >>> 0) | 0;
}

/** The same of bytes that views are cheap of. */
export function crcOfSource(source: ByteSource, start: number, end: number, crc: number): number {
  if (end - start < NATIVE_FROM || native === undefined) return crcOfView(source.data, start, end, crc);
  return native(source.view(start, end - start), crc >>> 0) | 0;
}

/** By tables, sixteen bytes at a time, read as words. */
export function crcOfView(data: DataView, start: number, end: number, crc: number): number {
  if (T0[1] === 0) fillTables(store);
  let c = ~crc;
  let p = start;
  for (const last = end - 16; p <= last; p += 16) {
    const x = data.getInt32(p + 4, true);
    const y = data.getInt32(p + 8, true);
    const z = data.getInt32(p + 12, true);
    // Only the first four lookups wait for the register: the rest is done while those of the round before finish.
    const rest =
      T11[x & 0xff]! ^
      T10[(x >>> 8) & 0xff]! ^
      (T9[(x >>> 16) & 0xff]! ^ T8[x >>> 24]!) ^
      (T7[y & 0xff]! ^ T6[(y >>> 8) & 0xff]! ^ (T5[(y >>> 16) & 0xff]! ^ T4[y >>> 24]!)) ^
      (T3[z & 0xff]! ^ T2[(z >>> 8) & 0xff]! ^ (T1[(z >>> 16) & 0xff]! ^ T0[z >>> 24]!));
    c ^= data.getInt32(p, true);
    c = rest ^ (T15[c & 0xff]! ^ T14[(c >>> 8) & 0xff]! ^ (T13[(c >>> 16) & 0xff]! ^ T12[c >>> 24]!));
  }
  if (p <= end - 8) {
    const x = data.getInt32(p + 4, true);
    c ^= data.getInt32(p, true);
    c =
      T3[x & 0xff]! ^
      T2[(x >>> 8) & 0xff]! ^
      (T1[(x >>> 16) & 0xff]! ^ T0[x >>> 24]!) ^
      (T7[c & 0xff]! ^ T6[(c >>> 8) & 0xff]! ^ (T5[(c >>> 16) & 0xff]! ^ T4[c >>> 24]!));
    p += 8;
  }
  if (p <= end - 4) {
    c ^= data.getInt32(p, true);
    c = T3[c & 0xff]! ^ T2[(c >>> 8) & 0xff]! ^ (T1[(c >>> 16) & 0xff]! ^ T0[c >>> 24]!);
    p += 4;
  }
  for (; p < end; p++) c = (c >>> 8) ^ T0[(c ^ data.getUint8(p)) & 0xff]!;
  return ~c;
}
