/**
 * Writes protobuf messages into a buffer of the caller's, in place: what ts-proto's generated `encode` takes as its
 * writer. The same bytes as @bufbuild/protobuf's BinaryWriter, without a buffer for each message or a copy at its end.
 * https://protobuf.dev/programming-guides/encoding/
 */
import { highWord, lowWord, uint32Size, writeInt32, writeUint32, writeUint64 } from "./varint.js";

const INT32_MAX = 0x7fff_ffff;
const INT32_MIN = -0x8000_0000;
const UINT32_MAX = 0xffff_ffff;
const FLOAT32_MAX = 3.4028234663852886e38;

/** Strings up to this length are written by a loop; beyond it the platform's encoder wins. */
const SHORT_STRING = 48;

const utf8 = new TextEncoder();

/** Node's own UTF-8 writer takes a position and needs no view; elsewhere there is `TextEncoder.encodeInto`. */
const utf8Write = (
  globalThis as { Buffer?: { prototype: { utf8Write?: (this: Uint8Array, text: string, offset: number, length: number) => number } } }
).Buffer?.prototype.utf8Write;

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

export class MessageWriter {
  /** The buffer; replaced by a larger one when it is full, its bytes before `position` copied. */
  buffer: Uint8Array = new Uint8Array(0);
  /** Where the next byte goes. */
  position = 0;
  #limit = 0;
  /** Where the lengths of the messages that are open will stand. */
  readonly #forks: number[] = [];
  #depth = 0;

  /** Starts at `position` of `buffer`, which may be written up to `limit`. */
  begin(buffer: Uint8Array, position: number, limit = buffer.length): void {
    this.buffer = buffer;
    this.#limit = limit;
    this.position = position;
    this.#depth = 0;
  }

  uint32(value: number): this {
    checkInteger("uint32", value, 0, UINT32_MAX);
    this.reserve(5);
    if (value < 0x80) this.buffer[this.position++] = value;
    else this.position = writeUint32(this.buffer, this.position, value);
    return this;
  }

  int32(value: number): this {
    checkInteger("int32", value, INT32_MIN, INT32_MAX);
    this.reserve(10);
    this.position = writeInt32(this.buffer, this.position, value);
    return this;
  }

  sint32(value: number): this {
    checkInteger("int32", value, INT32_MIN, INT32_MAX);
    return this.uint32(((value << 1) ^ (value >> 31)) >>> 0);
  }

  bool(value: boolean): this {
    present("bool", value);
    this.reserve(1);
    this.buffer[this.position++] = value ? 1 : 0;
    return this;
  }

  fixed32(value: number): this {
    checkInteger("uint32", value, 0, UINT32_MAX);
    return this.#word(value);
  }

  sfixed32(value: number): this {
    checkInteger("int32", value, INT32_MIN, INT32_MAX);
    return this.#word(value);
  }

  float(value: number): this {
    if (typeof value !== "number" || (Number.isFinite(value) && Math.abs(value) > FLOAT32_MAX)) invalid("float32", value);
    scratch.setFloat32(0, value, true);
    return this.#scratch(4);
  }

  double(value: number): this {
    present("double", value);
    scratch.setFloat64(0, value, true);
    return this.#scratch(8);
  }

  int64(value: bigint | number | string): this {
    return this.#wide(signed64(value));
  }

  uint64(value: bigint | number | string): this {
    return this.#wide(unsigned64(value));
  }

  sint64(value: bigint | number | string): this {
    const wide = BigInt(signed64(value));
    const zigzag = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
    return this.#varint64(lowWord(zigzag), highWord(zigzag));
  }

  fixed64(value: bigint | number | string): this {
    const wide = unsigned64(value);
    return this.#word(lowWord(wide)).#word(highWord(wide));
  }

  sfixed64(value: bigint | number | string): this {
    const wide = signed64(value);
    return this.#word(lowWord(wide)).#word(highWord(wide));
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.length);
    return this.raw(value);
  }

  string(value: string): this {
    present("string", value);
    const text = typeof value === "string" ? value : String(value);
    const length = text.length;
    if (length <= SHORT_STRING) {
      this.reserve(length + 1);
      const buffer = this.buffer;
      let p = this.position;
      buffer[p++] = length;
      let i = 0;
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) break;
        buffer[p++] = unit;
      }
      if (i === length) {
        this.position = p;
        return this;
      }
    }
    // A UTF-16 unit takes at most three bytes. The length before them is guessed: right for all text that is mostly ASCII.
    this.reserve(5 + length * 3);
    const guess = uint32Size(length);
    const start = this.position + guess;
    const written =
      utf8Write === undefined
        ? utf8.encodeInto(text, this.buffer.subarray(start)).written
        : utf8Write.call(this.buffer, text, start, length * 3);
    this.position = start + written;
    this.#insertLength(start - guess, guess, written);
    return this;
  }

  raw(chunk: Uint8Array): this {
    const { length } = chunk;
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
    this.reserve(1);
    this.#forks[this.#depth++] = this.position++;
    return this;
  }

  /** Closes what the last `fork` opened. */
  join(): this {
    if (this.#depth === 0) throw new Error("join without fork");
    const at = this.#forks[--this.#depth]!;
    this.#insertLength(at, 1, this.position - at - 1);
    return this;
  }

  /** A copy of what was written since `begin(…, 0)`, as BinaryWriter gives it. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.position);
  }

  /** Writes `length` at `at`, where `room` bytes were left for it in front of the last `length` bytes. */
  #insertLength(at: number, room: number, length: number): void {
    const size = uint32Size(length);
    if (size !== room) {
      this.reserve(size - room);
      this.buffer.copyWithin(at + size, at + room, this.position);
      this.position += size - room;
    }
    writeUint32(this.buffer, at, length);
  }

  #wide(value: bigint | number): this {
    if (typeof value === "number") return this.#varint64(lowWord(value), highWord(value));
    // Through memory: shifting a bigint makes new ones. By a DataView: V8 calls its runtime to write to a BigInt64Array.
    scratch.setBigInt64(0, value, true);
    return this.#varint64(scratch.getInt32(0, true), scratch.getInt32(4, true));
  }

  #varint64(low: number, high: number): this {
    this.reserve(10);
    this.position = writeUint64(this.buffer, this.position, low, high);
    return this;
  }

  #word(value: number): this {
    this.reserve(4);
    const { buffer, position } = this;
    buffer[position] = value;
    buffer[position + 1] = value >>> 8;
    buffer[position + 2] = value >>> 16;
    buffer[position + 3] = value >>> 24;
    this.position = position + 4;
    return this;
  }

  #scratch(count: number): this {
    this.reserve(count);
    for (let i = 0; i < count; i++) this.buffer[this.position++] = scratchBytes[i]!;
    return this;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.position + count;
    if (needed <= this.#limit) return;
    const grown = new Uint8Array(Math.max(256, needed, this.#limit * 2));
    grown.set(this.buffer.subarray(0, this.position));
    this.buffer = grown;
    this.#limit = grown.length;
  }
}

/** A field that its message lacks. The other types fail of their own; these would write something that nobody gave. */
function present(type: string, value: unknown): void {
  if (value === undefined || value === null) invalid(type, value);
}

function checkInteger(type: string, value: number, min: number, max: number): void {
  if (!(Number.isInteger(value) && value >= min && value <= max)) invalid(type, value);
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
