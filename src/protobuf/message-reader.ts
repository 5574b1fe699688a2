/**
 * Reads protobuf messages out of a frame: one reader for all messages, standing in for @bufbuild/protobuf's in
 * ts-proto's generated `decode`. Equal messages, but for one thing: `bytes` fields are copies. A view would change
 * under its owner when the decoder reuses its buffer, or pin a whole chunk of the socket for a few bytes.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { SHORT_TEXT, shortText } from "../protocol/short-text.js";
import { noteOutside } from "../runtime/outside-heap.js";

const EMPTY = new Uint8Array(0);

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

const words = new Int32Array(2);
const unsigned = new BigUint64Array(words.buffer);
const signed = new BigInt64Array(words.buffer);
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
const LOW = LITTLE_ENDIAN ? 0 : 1;
const HIGH = LITTLE_ENDIAN ? 1 : 0;

/** Node's own UTF-8 reader takes positions and needs no view. As the decoders above it keeps a byte order mark and replaces what is no UTF-8. */
const utf8Slice = (globalThis as { Buffer?: { prototype: { utf8Slice?: (this: Uint8Array, start: number, end: number) => string } } })
  .Buffer?.prototype.utf8Slice;

class FrameMessageReader {
  /** What generated code reads of a reader; `__tsProtoDecodeDepth` it adds itself, which would change the object's shape under its way. */
  pos = 0;
  len = 0;
  __tsProtoDecodeDepth = 0;
  /** A message is being read. A codec of the application may have others read meanwhile: those need a reader of their own. */
  busy = false;
  private buf: Uint8Array = EMPTY;
  private view: DataView = new DataView(EMPTY.buffer);
  private viewOf: Uint8Array = EMPTY;
  private low = 0;
  private high = 0;

  /** Reads on at `start` of `buffer`, up to `end`. */
  open(buffer: Uint8Array, start: number, end: number): void {
    this.pos = start;
    this.len = end;
    this.__tsProtoDecodeDepth = 0;
    this.buf = buffer;
  }

  /** A view of the buffer, made by the first who needs it: many messages have no use for one. */
  private data(): DataView {
    const { buf } = this;
    if (this.viewOf !== buf) {
      this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
      this.viewOf = buf;
    }
    return this.view;
  }

  uint32(): number {
    const p = this.pos;
    // Small, so that it is inlined where it is called: tags and most lengths are one byte.
    if (p < this.len) {
      const byte = this.buf[p]!;
      if (byte < 0x80) {
        this.pos = p + 1;
        return byte;
      }
    }
    return this.longUint32();
  }

  private longUint32(): number {
    const buffer = this.buf;
    let p = this.pos;
    let byte = buffer[p++]!;
    let value = byte & 0x7f;
    if (byte > 0x7f) {
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
    }
    this.pos = p;
    this.check();
    return value >>> 0;
  }

  /** Reads 64 bits into two words, as signed integers: those need no memory of their own. */
  private varint64(): void {
    const buffer = this.buf;
    let p = this.pos;
    let byte = buffer[p++]!;
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte > 0x7f && shift < 28; shift += 7) {
      byte = buffer[p++]!;
      low |= (byte & 0x7f) << shift;
    }
    if (byte > 0x7f) {
      byte = buffer[p++]!;
      low |= (byte & 0x7f) << 28;
      high = (byte & 0x7f) >> 4;
      for (let shift = 3; byte > 0x7f; shift += 7) {
        if (shift > 31) throw new Error("invalid varint");
        byte = buffer[p++]!;
        high |= (byte & 0x7f) << shift;
      }
    }
    this.pos = p;
    this.check();
    this.low = low;
    this.high = high;
  }

  private check(): void {
    if (this.pos > this.len) throw new RangeError("premature EOF");
  }

  /** Takes `count` bytes; gives where they begin. */
  private take(count: number): number {
    const start = this.pos;
    this.pos = start + count;
    this.check();
    return start;
  }

  skip(wireType: number, fieldNo?: number, recursionLimit = 100): Uint8Array<ArrayBuffer> {
    const start = this.pos;
    switch (wireType) {
      case 0:
        // However long it is: nobody wants its value.
        while (this.buf[this.pos++]! > 0x7f);
        this.check();
        break;
      case 1:
        this.take(8);
        break;
      case 2:
        this.take(this.uint32());
        break;
      case 3:
        this.skipGroup(fieldNo, recursionLimit);
        break;
      case 5:
        this.take(4);
        break;
      default:
        throw new Error(`cant skip wire type ${wireType}`);
    }
    return this.copy(start, this.pos);
  }

  private skipGroup(fieldNo: number | undefined, recursionLimit: number): void {
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

  tag(): [number, number] {
    const start = this.pos;
    const tag = this.uint32();
    const length = this.pos - start;
    if (length > 5 || (length === 5 && this.buf[this.pos - 1]! > 0x0f)) throw new Error("illegal tag: it does not fit into 32 bits");
    const field = tag >>> 3;
    const wireType = tag & 7;
    if (field === 0 || wireType > 5) throw new Error(`illegal tag: field no ${field} wire type ${wireType}`);
    return [field, wireType];
  }

  int32(): number {
    return this.uint32() | 0;
  }

  sint32(): number {
    const zigzag = this.uint32();
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  int64(): bigint {
    this.varint64();
    // A positive number that fits in one word needs no scratch space.
    if (this.high === 0) return BigInt(this.low >>> 0);
    words[LOW] = this.low;
    words[HIGH] = this.high;
    return signed[0]!;
  }

  uint64(): bigint {
    this.varint64();
    if (this.high === 0) return BigInt(this.low >>> 0);
    words[LOW] = this.low;
    words[HIGH] = this.high;
    return unsigned[0]!;
  }

  sint64(): bigint {
    this.varint64();
    const sign = -(this.low & 1);
    words[LOW] = ((this.low >>> 1) | ((this.high & 1) << 31)) ^ sign;
    words[HIGH] = (this.high >>> 1) ^ sign;
    return signed[0]!;
  }

  bool(): boolean {
    const p = this.pos;
    if (p < this.len) {
      const byte = this.buf[p]!;
      if (byte < 0x80) {
        this.pos = p + 1;
        return byte !== 0;
      }
    }
    this.varint64();
    return this.low !== 0 || this.high !== 0;
  }

  fixed32(): number {
    return this.data().getUint32(this.take(4), true);
  }

  sfixed32(): number {
    return this.data().getInt32(this.take(4), true);
  }

  fixed64(): bigint {
    return this.data().getBigUint64(this.take(8), true);
  }

  sfixed64(): bigint {
    return this.data().getBigInt64(this.take(8), true);
  }

  float(): number {
    return this.data().getFloat32(this.take(4), true);
  }

  double(): number {
    return this.data().getFloat64(this.take(8), true);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.uint32();
    const start = this.take(length);
    return this.copy(start, start + length);
  }

  private copy(start: number, end: number): Uint8Array<ArrayBuffer> {
    // Not by `slice`, whose result is a Buffer where the chunk is one: messages are alike over all transports.
    const { buffer, byteOffset } = this.buf;
    noteOutside(end - start);
    return new Uint8Array(new Uint8Array(buffer, byteOffset + start, end - start));
  }

  string(strict?: boolean): string {
    const length = this.uint32();
    const start = this.take(length);
    if (length <= SHORT_TEXT) {
      const text = shortText(this.buf, start, length);
      if (text !== undefined) return text;
    }
    return this.longText(start, length, strict);
  }

  private longText(start: number, length: number, strict: boolean | undefined): string {
    const buffer = this.buf;
    if (utf8Slice !== undefined && strict !== true) return utf8Slice.call(buffer, start, start + length);
    return (strict === true ? strictUtf8 : utf8).decode(new Uint8Array(buffer.buffer, buffer.byteOffset + start, length));
  }
}

// Not by `extends`: the base class's constructor would make `uint32` a property of the instance, which hides the method.
Object.setPrototypeOf(FrameMessageReader.prototype, BinaryReader.prototype);

/** What generated code takes for a reader of @bufbuild/protobuf. */
export type MessageReader = BinaryReader & { busy: boolean };

const shared = new FrameMessageReader();

/** A reader, opened on part of a buffer: the shared one, or a new one while that is busy. The caller sets `busy` to false once its message is read. */
export function acquireReader(buffer: Uint8Array, start: number, end: number): MessageReader {
  const reader = readerOver(buffer, start, end);
  reader.busy = true;
  return reader;
}

/** The same for a message that no code of an application reads: it is not marked as busy. */
export function readerOver(buffer: Uint8Array, start: number, end: number): MessageReader {
  const reader = shared.busy ? new FrameMessageReader() : shared;
  reader.open(buffer, start, end);
  return reader as unknown as MessageReader;
}
