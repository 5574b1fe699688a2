/**
 * Reads protobuf messages out of a frame: one reader for all messages, standing in for @bufbuild/protobuf's in
 * ts-proto's generated `decode`. Equal messages, but for one thing: `bytes` fields are copies. A view would change
 * under its owner when the decoder reuses its buffer, or pin a whole chunk of the socket for a few bytes.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";

const EMPTY = new Uint8Array(0);

/** Strings up to this length are put together by a loop; beyond it the platform's decoder wins. */
const SHORT_STRING = 24;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

const words = new Uint32Array(2);
const unsigned = new BigUint64Array(words.buffer);
const signed = new BigInt64Array(words.buffer);
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
const LOW = LITTLE_ENDIAN ? 0 : 1;
const HIGH = LITTLE_ENDIAN ? 1 : 0;

/** Node's own UTF-8 reader takes positions and needs no view. As the decoders above it keeps a byte order mark and replaces what is no UTF-8. */
const utf8Slice = (globalThis as { Buffer?: { prototype: { utf8Slice?: (this: Uint8Array, start: number, end: number) => string } } })
  .Buffer?.prototype.utf8Slice;

/** Text of ASCII bytes; `undefined` if there are others. Eight at a time: text put together byte by byte is a chain of as many strings. */
function asciiText(bytes: Uint8Array, from: number, end: number): string | undefined {
  let text = "";
  let p = from;
  for (; end - p >= 8; p += 8) {
    const a = bytes[p]!;
    const b = bytes[p + 1]!;
    const c = bytes[p + 2]!;
    const d = bytes[p + 3]!;
    const e = bytes[p + 4]!;
    const f = bytes[p + 5]!;
    const g = bytes[p + 6]!;
    const h = bytes[p + 7]!;
    if ((a | b | c | d | e | f | g | h) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; p < end; p++) {
    const unit = bytes[p]!;
    if (unit > 0x7f) return undefined;
    text += String.fromCharCode(unit);
  }
  return text;
}

class FrameMessageReader extends BinaryReader {
  #buffer: Uint8Array = EMPTY;
  #view: DataView = new DataView(EMPTY.buffer);
  #end = 0;
  #low = 0;
  #high = 0;

  constructor() {
    super(EMPTY);
    // The base class makes this one a property of the instance, which would hide a method of ours.
    this.uint32 = () => this.#uint32();
  }

  /** Reads on at `start` of `buffer`, up to `end`. */
  open(buffer: Uint8Array, start: number, end: number): void {
    this.#buffer = buffer;
    this.#end = end;
    this.pos = start;
    (this as { len: number }).len = end;
    // Buffers are read one after the other, often many messages from the same one.
    const view = this.#view;
    if (view.buffer !== buffer.buffer || view.byteOffset !== buffer.byteOffset || view.byteLength !== buffer.byteLength) {
      this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    }
  }

  #uint32(): number {
    const buffer = this.#buffer;
    let p = this.pos;
    let byte = buffer[p++]!;
    if (byte < 0x80) {
      this.pos = p;
      this.#check();
      return byte;
    }
    let value = byte & 0x7f;
    byte = buffer[p++]!;
    value |= (byte & 0x7f) << 7;
    if (byte > 0x7f) {
      byte = buffer[p++]!;
      value |= (byte & 0x7f) << 14;
      if (byte > 0x7f) {
        byte = buffer[p++]!;
        value |= (byte & 0x7f) << 21;
        if (byte > 0x7f) {
          byte = buffer[p++]!;
          value |= (byte & 0x0f) << 28;
          for (let more = 5; byte > 0x7f; more++) {
            if (more === 10) throw new Error("invalid varint");
            byte = buffer[p++]!;
          }
        }
      }
    }
    this.pos = p;
    this.#check();
    return value >>> 0;
  }

  #varint64(): void {
    const buffer = this.#buffer;
    let p = this.pos;
    let low = 0;
    let high = 0;
    let byte: number;
    let shift = 0;
    do {
      if (shift === 70) throw new Error("invalid varint");
      byte = buffer[p++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (shift - 32);
      shift += 7;
    } while (byte > 0x7f);
    this.pos = p;
    this.#check();
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }

  #check(): void {
    if (this.pos > this.#end) throw new RangeError("premature EOF");
  }

  /** Takes `count` bytes; gives where they begin. */
  #take(count: number): number {
    const start = this.pos;
    this.pos = start + count;
    this.#check();
    return start;
  }

  override skip(wireType: number, fieldNo?: number, recursionLimit = 100): Uint8Array<ArrayBuffer> {
    const start = this.pos;
    switch (wireType) {
      case 0:
        // However long it is: nobody wants its value.
        while (this.#buffer[this.pos++]! > 0x7f);
        this.#check();
        break;
      case 1:
        this.#take(8);
        break;
      case 2:
        this.#take(this.#uint32());
        break;
      case 3:
        this.#skipGroup(fieldNo, recursionLimit);
        break;
      case 5:
        this.#take(4);
        break;
      default:
        throw new Error(`cant skip wire type ${wireType}`);
    }
    return this.#copy(start, this.pos);
  }

  #skipGroup(fieldNo: number | undefined, recursionLimit: number): void {
    if (recursionLimit <= 0) throw new Error("maximum recursion depth reached");
    for (;;) {
      const [field, wireType] = this.tag();
      if (wireType === 4) {
        if (fieldNo !== undefined && field !== fieldNo) throw new Error("invalid end group tag");
        return;
      }
      this.skip(wireType, field, recursionLimit - 1);
    }
  }

  override tag(): [number, number] {
    const start = this.pos;
    const tag = this.#uint32();
    const length = this.pos - start;
    if (length > 5 || (length === 5 && this.#buffer[this.pos - 1]! > 0x0f)) throw new Error("illegal tag: it does not fit into 32 bits");
    const field = tag >>> 3;
    const wireType = tag & 7;
    if (field === 0 || wireType > 5) throw new Error(`illegal tag: field no ${field} wire type ${wireType}`);
    return [field, wireType];
  }

  override int32(): number {
    return this.#uint32() | 0;
  }

  override sint32(): number {
    const zigzag = this.#uint32();
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  override int64(): bigint {
    this.#varint64();
    // A positive number that fits in one word needs no scratch space.
    if (this.#high === 0) return BigInt(this.#low);
    words[LOW] = this.#low;
    words[HIGH] = this.#high;
    return signed[0]!;
  }

  override uint64(): bigint {
    this.#varint64();
    if (this.#high === 0) return BigInt(this.#low);
    words[LOW] = this.#low;
    words[HIGH] = this.#high;
    return unsigned[0]!;
  }

  override sint64(): bigint {
    this.#varint64();
    const sign = -(this.#low & 1);
    words[LOW] = ((this.#low >>> 1) | ((this.#high & 1) << 31)) ^ sign;
    words[HIGH] = (this.#high >>> 1) ^ sign;
    return signed[0]!;
  }

  override bool(): boolean {
    this.#varint64();
    return this.#low !== 0 || this.#high !== 0;
  }

  override fixed32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  override sfixed32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  override fixed64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  override sfixed64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  override float(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  override double(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  override bytes(): Uint8Array<ArrayBuffer> {
    const length = this.#uint32();
    const start = this.#take(length);
    return this.#copy(start, start + length);
  }

  #copy(start: number, end: number): Uint8Array<ArrayBuffer> {
    // Not the buffer's own `slice`: a Buffer's is a view.
    return Uint8Array.prototype.slice.call(this.#buffer, start, end) as Uint8Array<ArrayBuffer>;
  }

  override string(strict?: boolean): string {
    const length = this.#uint32();
    const buffer = this.#buffer;
    const p = this.#take(length);
    if (length <= SHORT_STRING) {
      const text = asciiText(buffer, p, p + length);
      if (text !== undefined) return text;
    }
    if (utf8Slice !== undefined && strict !== true) return utf8Slice.call(buffer, p, p + length);
    return (strict === true ? strictUtf8 : utf8).decode(new Uint8Array(buffer.buffer, buffer.byteOffset + p, length));
  }
}

const reader = new FrameMessageReader();

/** The reader, opened on part of a buffer. It serves one message at a time: use it at once, keep it never. */
export function readerOver(buffer: Uint8Array, start: number, end: number): BinaryReader {
  reader.open(buffer, start, end);
  return reader;
}
