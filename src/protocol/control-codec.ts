/**
 * Protobuf for the protocol's own messages: a table of fields for each, and one small encoder and decoder that walk it.
 * Pages do without the generated code and its runtime, which are larger. docs/decisions/browser-size.md
 */
import { highWord, lowWord } from "./varint.js";

// Kinds of fields. Those below FIXED32 are varints, those above have a length.
export const UINT32 = 0;
export const INT32 = 1;
export const BOOL = 2;
export const UINT64 = 3;
export const FIXED32 = 4;
export const STRING = 5;
export const BYTES = 6;
/** `map<string, string>`. Read into an object without a prototype: a peer chooses the names. */
export const STRING_MAP = 7;

/** A field that holds another message. */
interface Nested {
  put(out: number[], message: never): void;
  decode(bytes: Uint8Array): object;
}

type Kind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | Nested;

/** What a field holds when it is absent; messages are undefined then, and maps empty. */
const ABSENT = [0, 0, false, 0n, 0, "", new Uint8Array(0)];

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FOUR_BYTES = 5;

/** Bytes of a field's value by wire type; 0 where a varint tells. Groups are not part of proto3. */
const SIZES = [0, 8, 0, undefined, undefined, 4];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Encodes and decodes messages `T` of proto3; not recursive ones. The bytes and messages given belong to the caller. */
export class ControlCodec<T extends object> {
  readonly #fields: readonly (readonly [string, Kind])[];

  /** `fields`: all of them in the order of their numbers, which are 1, 2, 3 and so on. */
  constructor(fields: { readonly [K in keyof T]-?: Kind }) {
    this.#fields = Object.entries<Kind>(fields);
  }

  /** The bytes of `message`, fields in ascending order, those with their default value left out. */
  encode(message: T): Uint8Array {
    const out: number[] = [];
    this.put(out, message);
    return new Uint8Array(out);
  }

  /** @internal Adds the bytes of `message` to `out`. */
  put(out: number[], message: T): void {
    let number = 0;
    for (const [name, kind] of this.#fields) {
      number++;
      const value = (message as Record<string, unknown>)[name];
      if (kind === STRING_MAP) {
        for (const key of Object.keys(value as object))
          putField(out, number, ENTRY, { key, value: (value as Record<string, string>)[key] });
      } else if (typeof kind === "object" ? value !== undefined : value && (value as Uint8Array).length !== 0) {
        putField(out, number, kind, value);
      }
    }
  }

  /** Reads `bytes`; unknown fields are skipped. @throws Error if they are no message. */
  decode(bytes: Uint8Array): T {
    const message: Record<string, unknown> = {};
    for (const [name, kind] of this.#fields) message[name] = kind === STRING_MAP ? Object.create(null) : ABSENT[kind as number];
    let low = 0;
    let high = 0;
    let p = 0;
    const varint = (): number => {
      low = high = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[p++];
        if (byte === undefined || shift > 63) throw new Error("a varint does not end");
        if (shift < 32) low |= (byte & 0x7f) << shift;
        if (shift > 27) high |= shift < 32 ? (byte & 0x7f) >> 4 : (byte & 0x7f) << (shift - 32);
        if (byte < 0x80) return (low >>>= 0);
      }
    };
    while (p < bytes.length) {
      const tag = varint();
      const wireType = tag & 7;
      let length = SIZES[wireType];
      if (length === undefined || tag < 8) throw new Error(`no field has the tag ${tag}`);
      if (length === 0) {
        varint();
        if (wireType === LENGTH_DELIMITED) length = low;
      }
      const value = bytes.subarray(p, (p += length));
      if (value.length < length) throw new Error("a field is cut short");
      const [name, kind] = this.#fields[(tag >>> 3) - 1] ?? [];
      if (name === undefined || kind === undefined || wireType !== wireTypeOf(kind)) continue;
      if (kind === STRING_MAP) {
        const entry = ENTRY.decode(value);
        (message[name] as Record<string, string>)[entry.key] = entry.value;
      } else if (typeof kind === "object") message[name] = kind.decode(value);
      else if (kind === STRING) message[name] = decoder.decode(value);
      else if (kind === BYTES) message[name] = new Uint8Array(value);
      else if (kind === FIXED32) message[name] = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
      else if (kind === UINT64) message[name] = (BigInt(high >>> 0) << 32n) | BigInt(low);
      else message[name] = kind === BOOL ? low !== 0 || high !== 0 : kind === INT32 ? low | 0 : low;
    }
    return message as T;
  }
}

const ENTRY = new ControlCodec<{ key: string; value: string }>({ key: STRING, value: STRING });

function wireTypeOf(kind: Kind): number {
  return kind === FIXED32 ? FOUR_BYTES : typeof kind === "object" || kind > FIXED32 ? LENGTH_DELIMITED : VARINT;
}

/** Not by the writers of frames: a function that has once written to an array writes bytes slowly ever after. */
function putVarint(out: number[], value: bigint | number): void {
  let low = lowWord(value);
  let high = highWord(value);
  while (high !== 0 || low > 0x7f) {
    out.push((low & 0x7f) | 0x80);
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  out.push(low);
}

function putField(out: number[], number: number, kind: Kind, value: unknown): void {
  const wireType = wireTypeOf(kind);
  putVarint(out, number * 8 + wireType);
  if (wireType === FOUR_BYTES) {
    for (let shift = 0; shift < 32; shift += 8) out.push(((value as number) >>> shift) & 0xff);
  } else if (wireType === VARINT) {
    putVarint(out, kind === BOOL ? 1 : (value as number));
  } else {
    // One byte is left for the length, more if it turns out to need more.
    const start = out.push(0);
    if (typeof kind === "object") kind.put(out, value as never);
    else if (kind === STRING) putText(out, value as string);
    else for (const byte of value as Uint8Array) out.push(byte);
    const length: number[] = [];
    putVarint(length, out.length - start);
    if (length.length === 1) out[start - 1] = length[0]!;
    else out.splice(start - 1, 1, ...length);
  }
}

/** Most text is short and plain: it needs no view of its own. */
function putText(out: number[], text: string): void {
  const start = out.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) {
      out.length = start;
      for (const byte of encoder.encode(text)) out.push(byte);
      return;
    }
    out.push(unit);
  }
}
