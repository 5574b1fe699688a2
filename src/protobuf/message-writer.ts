/**
 * Writes protobuf messages into a buffer of the caller's, in place: what ts-proto's generated `encode` takes as its
 * writer. The same bytes as @bufbuild/protobuf's BinaryWriter, without a buffer for each message or a copy at its end.
 * https://protobuf.dev/programming-guides/encoding/
 */
import { highWord, lowWord, uint32Size, writeInt32, writeUint32, writeUint64 } from "../protocol/varint.js";

const FLOAT32_MAX = 3.4028234663852886e38;

/** Strings up to this length are written by a loop; beyond it the platform's encoder wins. Three bytes for each unit take a length of one byte. */
const SHORT_STRING = 32;

const utf8 = new TextEncoder();

/** Node's own UTF-8 writer takes a position and needs no view; elsewhere there is `TextEncoder.encodeInto`. */
const utf8Write = (
  globalThis as { Buffer?: { prototype: { utf8Write?: (this: Uint8Array, text: string, offset: number, length: number) => number } } }
).Buffer?.prototype.utf8Write;

/** Where 64-bit integers are taken apart. */
const scratch = new DataView(new ArrayBuffer(8));

/**
 * Throws for values that only the stock writer takes, an absent field among them: whoever encodes a message tries that one then.
 *
 * The methods that generated code calls most are small, so that they are inlined there: the common case of each, and a
 * call for the others. Its fields are not private to the language, which takes room in every method that uses one.
 */
export class MessageWriter {
  /** The buffer; replaced by a larger one when it is full, its bytes before `position` copied. */
  buffer: Uint8Array = new Uint8Array(0);
  /** Where the next byte goes. */
  position = 0;
  private limit = 0;
  /** A view of `viewOf`, which is `buffer` once a number of fixed length was written there. */
  private view: DataView = scratch;
  private viewOf: Uint8Array | undefined;
  /** Where the lengths of the messages that are open will stand: the first `depth` of them. */
  private readonly forks: number[] = [];
  private depth = 0;
  /** A message is being written. Its getters may encode other messages meanwhile: those need a writer of their own. */
  busy = false;

  /** This writer, or a new one while this one is busy. The caller sets `busy` to false once its message is written. */
  acquire(): MessageWriter {
    const writer = this.busy ? new MessageWriter() : this;
    writer.busy = true;
    return writer;
  }

  /** Starts at `position` of `buffer`, which may be written up to `limit`. */
  begin(buffer: Uint8Array, position: number, limit = buffer.length): void {
    this.buffer = buffer;
    this.limit = limit;
    this.position = position;
    this.depth = 0;
  }

  uint32(value: number): this {
    const p = this.position;
    if ((value & 0x7f) === value && p < this.limit) {
      this.buffer[p] = value;
      this.position = p + 1;
      return this;
    }
    return this.longUint32(value);
  }

  private longUint32(given: number): this {
    const value = uint32Of(given);
    this.reserve(5);
    const { buffer, position } = this;
    if (value > 0x7f && value < 0x4000) {
      buffer[position] = value | 0x80;
      buffer[position + 1] = value >>> 7;
      this.position = position + 2;
    } else this.position = writeUint32(buffer, position, value);
    return this;
  }

  int32(value: number): this {
    this.reserve(10);
    this.position = writeInt32(this.buffer, this.position, int32Of(value));
    return this;
  }

  sint32(given: number): this {
    const value = int32Of(given);
    return this.uint32(((value << 1) ^ (value >> 31)) >>> 0);
  }

  bool(value: boolean): this {
    if (value === undefined || value === null) invalid("bool", value);
    return this.uint32(value ? 1 : 0);
  }

  fixed32(value: number): this {
    this.room(4).setUint32(this.position, uint32Of(value), true);
    this.position += 4;
    return this;
  }

  sfixed32(value: number): this {
    this.room(4).setInt32(this.position, int32Of(value), true);
    this.position += 4;
    return this;
  }

  float(value: number): this {
    if (typeof value !== "number" || (Number.isFinite(value) && Math.abs(value) > FLOAT32_MAX)) invalid("float32", value);
    this.room(4).setFloat32(this.position, value, true);
    this.position += 4;
    return this;
  }

  double(value: number): this {
    if (value === undefined || value === null) invalid("double", value);
    this.room(8).setFloat64(this.position, value, true);
    this.position += 8;
    return this;
  }

  int64(value: bigint | number | string): this {
    return this.wide(signed64(value));
  }

  uint64(value: bigint | number | string): this {
    return this.wide(unsigned64(value));
  }

  sint64(value: bigint | number | string): this {
    const wide = BigInt(signed64(value));
    const zigzag = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
    return this.varint64(lowWord(zigzag), highWord(zigzag));
  }

  fixed64(value: bigint | number | string): this {
    const wide = unsigned64(value);
    return this.words(lowWord(wide), highWord(wide));
  }

  sfixed64(value: bigint | number | string): this {
    const wide = signed64(value);
    return this.words(lowWord(wide), highWord(wide));
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.byteLength);
    return this.raw(value);
  }

  string(value: string): this {
    if (typeof value === "string" && value.length <= SHORT_STRING) {
      const { length } = value;
      let p = this.position;
      if (p + length >= this.limit) this.reserve(length + 1);
      const buffer = this.buffer;
      buffer[p++] = length;
      let i = 0;
      for (; i < length; i++) {
        const unit = value.charCodeAt(i);
        if (unit > 0x7f) break;
        buffer[p++] = unit;
      }
      if (i === length) {
        this.position = p;
        return this;
      }
    }
    return this.otherText(value);
  }

  private otherText(value: unknown): this {
    if (value === undefined || value === null) invalid("string", value);
    const text = typeof value === "string" ? value : String(value);
    const { length } = text;
    // A UTF-16 unit takes at most three bytes. The length before them is guessed: right for all text that is mostly ASCII.
    this.reserve(5 + length * 3);
    const guess = uint32Size(length);
    const start = this.position + guess;
    const written =
      length <= SHORT_STRING
        ? writeUtf8(this.buffer, start, text)
        : utf8Write === undefined
          ? utf8.encodeInto(text, this.buffer.subarray(start)).written
          : utf8Write.call(this.buffer, text, start, length * 3);
    this.position = start + written;
    this.insertLength(start - guess, guess, written);
    return this;
  }

  raw(chunk: Uint8Array): this {
    const { length } = chunk;
    // Elements of more than one byte, no elements at all, or text.
    if (length !== chunk.byteLength) invalid("bytes", chunk);
    this.reserve(length);
    if (length > 24) this.buffer.set(chunk, this.position);
    else for (let i = 0; i < length; i++) this.buffer[this.position + i] = chunk[i]!;
    this.position += length;
    return this;
  }

  tag(field: number, wireType: number): this {
    return this.uint32(((field << 3) | wireType) >>> 0);
  }

  /** Opens a message or packed field. One byte is left for its length, more if it turns out to need more. */
  fork(): this {
    const p = this.position;
    if (p >= this.limit) this.reserve(1);
    this.forks[this.depth++] = p;
    this.position = p + 1;
    return this;
  }

  /** Closes what the last `fork` opened. */
  join(): this {
    if (this.depth === 0) throw new Error("join without fork");
    const at = this.forks[--this.depth]!;
    const length = this.position - at - 1;
    if (length < 0x80) this.buffer[at] = length;
    else this.insertLength(at, 1, length);
    return this;
  }

  /** A copy of what was written since `begin(…, 0)`, as BinaryWriter gives it. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.position);
  }

  /** Writes `length` at `at`, where `room` bytes were left for it in front of the last `length` bytes. */
  private insertLength(at: number, room: number, length: number): void {
    const size = uint32Size(length);
    if (size !== room) {
      this.reserve(size - room);
      this.buffer.copyWithin(at + size, at + room, this.position);
      this.position += size - room;
    }
    writeUint32(this.buffer, at, length);
  }

  private wide(value: bigint | number): this {
    if (typeof value === "number") return this.varint64(lowWord(value), highWord(value));
    // Through memory: shifting a bigint makes new ones. By a DataView: V8 calls its runtime to write to a BigInt64Array.
    scratch.setBigInt64(0, value, true);
    return this.varint64(scratch.getInt32(0, true), scratch.getInt32(4, true));
  }

  private varint64(low: number, high: number): this {
    this.reserve(10);
    this.position = writeUint64(this.buffer, this.position, low, high);
    return this;
  }

  private words(low: number, high: number): this {
    const view = this.room(8);
    view.setUint32(this.position, low, true);
    view.setUint32(this.position + 4, high, true);
    this.position += 8;
    return this;
  }

  /** A view of the buffer, in which there is room for `count` more bytes. The buffer stays the same over many frames, and so the view. */
  private room(count: number): DataView {
    if (this.position + count > this.limit) this.reserve(count);
    const { buffer } = this;
    if (this.viewOf !== buffer) {
      this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      this.viewOf = buffer;
    }
    return this.view;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.position + count;
    if (needed <= this.limit) return;
    const grown = new Uint8Array(Math.max(256, needed, this.limit * 2));
    grown.set(this.buffer.subarray(0, this.position));
    this.buffer = grown;
    this.limit = grown.length;
  }
}

/** Writes `text`, of which half a surrogate pair becomes U+FFFD, at `at`; gives how many bytes it takes. */
function writeUtf8(buffer: Uint8Array, at: number, text: string): number {
  let p = at;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      buffer[p++] = code;
      continue;
    }
    if (code < 0x800) {
      buffer[p++] = 0xc0 | (code >> 6);
    } else {
      if ((code & 0xf800) === 0xd800) code = text.codePointAt(i)!;
      if (code > 0xffff) {
        i++;
        buffer[p++] = 0xf0 | (code >> 18);
        buffer[p++] = 0x80 | ((code >> 12) & 0x3f);
      } else {
        if ((code & 0xf800) === 0xd800) code = 0xfffd;
        buffer[p++] = 0xe0 | (code >> 12);
      }
      buffer[p++] = 0x80 | ((code >> 6) & 0x3f);
    }
    buffer[p++] = 0x80 | (code & 0x3f);
  }
  return p - at;
}

/** Keys of maps are strings in JavaScript, whatever their type is. */
function int32Of(value: number): number {
  if ((value | 0) === value) return value;
  const number = typeof value === "string" ? Number(value) : Number.NaN;
  return (number | 0) === number ? number : invalid("int32", value);
}

function uint32Of(value: number): number {
  if (value >>> 0 === value) return value;
  const number = typeof value === "string" ? Number(value) : Number.NaN;
  return number >>> 0 === number ? number : invalid("uint32", value);
}

/** A number that is safe, or a bigint: in the range of int64. */
function signed64(value: bigint | number | string): bigint | number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  const wide = typeof value === "bigint" ? value : BigInt(value);
  return BigInt.asIntN(64, wide) === wide ? wide : invalid("int64", value);
}

function unsigned64(value: bigint | number | string): bigint | number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  const wide = typeof value === "bigint" ? value : BigInt(value);
  return BigInt.asUintN(64, wide) === wide ? wide : invalid("uint64", value);
}

function invalid(type: string, value: unknown): never {
  throw new Error(`invalid ${type}: ${String(value)}`);
}
