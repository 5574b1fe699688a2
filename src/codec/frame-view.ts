/** A frame in the decoder's buffer: what a frame handler gets, without a copy or an allocation. */
import type { Frame } from "./frame.js";

/**
 * One decoded frame. The object and all bytes it shows belong to the decoder and are valid only until the handler
 * returns; {@link FrameView.copy} gives what may be kept.
 */
export interface FrameView {
  /** Wire version; 1 when the frame has none. */
  readonly version: number;
  /** Command, int32. */
  readonly cmd: number;
  /** The payload as a view into {@link FrameView.buffer}, made when first asked for; empty when the frame has none. */
  readonly payload: Uint8Array;
  /** Bytes that hold the whole frame; its payload is `buffer[payloadStart]` up to, not including, `buffer[payloadEnd]`. */
  readonly buffer: Uint8Array;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  /** Stream offset of the frame's first byte. */
  readonly start: number;
  /** Stream offset behind the frame's last byte. */
  readonly end: number;
  /** Bytes discarded between the frame before and this one. */
  readonly afterGap: number;

  // The trailer: undefined when absent, and always on version 1. Read on first use; see Trailer for what each one is.
  readonly timestamp: bigint | undefined;
  readonly sequence: bigint | undefined;
  readonly ack: bigint | undefined;
  readonly callId: number | undefined;
  readonly kind: number | undefined;
  readonly status: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly trace: string | undefined;
  /** A view into {@link FrameView.buffer}, as the payload is. */
  readonly ext: Uint8Array | undefined;

  // The same without an allocation.
  /** `sequence` as a number: 0 when absent, Infinity above 2^53-1. */
  readonly sequenceNumber: number;
  /** `ack` as a number: 0 when absent, Infinity above 2^53-1. */
  readonly ackNumber: number;
  /** `callId`, 0 when absent. */
  readonly callIdNumber: number;
  /** `kind`, 0 when absent. */
  readonly kindNumber: number;
  /** A copy of the whole frame as it came; the caller owns it. */
  bytes(): Uint8Array;
  /** The frame as plain data that owns its bytes. A payload is always there, empty when the frame has none. */
  copy(): Frame;
}

const TWO_32 = 0x1_0000_0000;
/** A byte order mark at the front is a character like any other; the default would drop it. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Trailer fields by number, and the wire type each has; a field of another type is one of a later protocol and ignored. */
const FIRST_FIELD = 6;
const TIMESTAMP = 6 - FIRST_FIELD;
const SEQUENCE = 7 - FIRST_FIELD;
const ACK = 8 - FIRST_FIELD;
const CALL_ID = 9 - FIRST_FIELD;
const KIND = 10 - FIRST_FIELD;
const STATUS = 11 - FIRST_FIELD;
const TIMEOUT_MS = 12 - FIRST_FIELD;
const TRACE = 13 - FIRST_FIELD;
const EXT = 14 - FIRST_FIELD;

const WIRE_TYPES = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2, 2);

/** The decoder's one {@link FrameView}, which it fills anew for each frame. */
export class FrameCursor implements FrameView {
  version = 1;
  cmd = 0;
  buffer: Uint8Array = new Uint8Array(0);
  payloadStart = 0;
  payloadEnd = 0;
  afterGap = 0;

  /** Stream offset of `buffer[0]`. */
  base = 0;
  startPosition = 0;
  endPosition = 0;
  /** Position of the checksum's tag; the trailer begins at `payloadEnd`. Equal to that when there is no trailer. */
  checksumPosition = 0;

  #payload: Uint8Array | undefined;
  #trailerRead = false;
  /** Position of each trailer field's value, 0 when absent: no value can be at the buffer's first byte. */
  readonly #values = new Int32Array(WIRE_TYPES.length);
  /** Upper half of the last varint read. */
  #high = 0;

  /** Forgets what was derived from the frame before. */
  reset(): void {
    this.#payload = undefined;
    this.#trailerRead = false;
  }

  get start(): number {
    return this.base + this.startPosition;
  }

  get end(): number {
    return this.base + this.endPosition;
  }

  get payload(): Uint8Array {
    this.#payload ??= new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + this.payloadStart, this.payloadEnd - this.payloadStart);
    return this.#payload;
  }

  get timestamp(): bigint | undefined {
    const at = this.#find(TIMESTAMP);
    return at === 0 ? undefined : BigInt.asIntN(64, this.#bigint(at));
  }

  get sequence(): bigint | undefined {
    const at = this.#find(SEQUENCE);
    return at === 0 ? undefined : this.#bigint(at);
  }

  get ack(): bigint | undefined {
    const at = this.#find(ACK);
    return at === 0 ? undefined : this.#bigint(at);
  }

  get callId(): number | undefined {
    const at = this.#find(CALL_ID);
    return at === 0 ? undefined : this.#low(at);
  }

  get kind(): number | undefined {
    const at = this.#find(KIND);
    return at === 0 ? undefined : this.#low(at) | 0;
  }

  get status(): number | undefined {
    const at = this.#find(STATUS);
    return at === 0 ? undefined : this.#low(at) | 0;
  }

  get timeoutMs(): number | undefined {
    const at = this.#find(TIMEOUT_MS);
    return at === 0 ? undefined : this.#low(at);
  }

  get trace(): string | undefined {
    const bytes = this.#bytes(TRACE);
    return bytes && utf8.decode(bytes);
  }

  get ext(): Uint8Array | undefined {
    return this.#bytes(EXT);
  }

  get sequenceNumber(): number {
    return this.#number(SEQUENCE);
  }

  get ackNumber(): number {
    return this.#number(ACK);
  }

  get callIdNumber(): number {
    const at = this.#find(CALL_ID);
    return at === 0 ? 0 : this.#low(at);
  }

  get kindNumber(): number {
    const at = this.#find(KIND);
    return at === 0 ? 0 : this.#low(at) | 0;
  }

  bytes(): Uint8Array {
    return this.buffer.slice(this.startPosition, this.endPosition);
  }

  copy(): Frame {
    const { timestamp, sequence, ack, callId, kind, status, timeoutMs, trace, ext } = this;
    return {
      version: this.version,
      cmd: this.cmd,
      payload: this.payload.slice(),
      ...(timestamp !== undefined && { timestamp }),
      ...(sequence !== undefined && { sequence }),
      ...(ack !== undefined && { ack }),
      ...(callId !== undefined && { callId }),
      ...(kind !== undefined && { kind }),
      ...(status !== undefined && { status }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(trace !== undefined && { trace }),
      ...(ext !== undefined && { ext: ext.slice() }),
    };
  }

  /** Position of a field's value, 0 when absent. */
  #find(field: number): number {
    if (!this.#trailerRead) this.#readTrailer();
    return this.#values[field]!;
  }

  /** The parser has checked every length and varint here. */
  #readTrailer(): void {
    this.#trailerRead = true;
    this.#values.fill(0);
    for (let p = this.payloadEnd; p < this.checksumPosition; ) {
      const tag = this.buffer[p++]!;
      const field = (tag >> 3) - FIRST_FIELD;
      if ((tag & 7) === WIRE_TYPES[field]) this.#values[field] = p;
      switch (tag & 7) {
        case 0:
          p = this.#behindVarint(p);
          break;
        case 1:
          p += 8;
          break;
        case 2:
          p = this.#behindVarint(p) + this.#low(p);
          break;
        default:
          p += 4;
      }
    }
  }

  #behindVarint(position: number): number {
    let p = position;
    while (this.buffer[p]! > 0x7f) p++;
    return p + 1;
  }

  /** Lower 32 bits of the varint at `position`, unsigned; leaves the upper ones in `#high`. */
  #low(position: number): number {
    const buffer = this.buffer;
    let low = 0;
    let high = 0;
    for (let p = position, shift = 0; ; shift += 7) {
      const byte = buffer[p++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
    }
    this.#high = high >>> 0;
    return low >>> 0;
  }

  #number(field: number): number {
    const at = this.#find(field);
    if (at === 0) return 0;
    const low = this.#low(at);
    const high = this.#high;
    return high > 0x1f_ffff ? Number.POSITIVE_INFINITY : high * TWO_32 + low;
  }

  #bigint(position: number): bigint {
    const low = this.#low(position);
    const high = this.#high;
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  }

  #bytes(field: number): Uint8Array | undefined {
    const at = this.#find(field);
    if (at === 0) return undefined;
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + this.#behindVarint(at), this.#low(at));
  }
}
