/** A frame in the decoder's buffer: what a frame handler gets, without a copy or an allocation. */

import type { Frame } from "../frame.js";
import { ByteSource } from "./byte-source.js";

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
const NOWHERE = new ByteSource();
const NONE = new Int32Array(0);
/** Called for each frame; `frame` is valid until it returns. */
export type FrameHandler = (frame: FrameView) => void;

/** A byte order mark at the front is a character like any other; the default would drop it. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Trailer fields by number, less the first one's. */
const FIRST_FIELD = 6;
const TIMESTAMP = 0;
const SEQUENCE = 1;
const ACK = 2;
const CALL_ID = 3;
const KIND = 4;
const STATUS = 5;
const TIMEOUT_MS = 6;
const TRACE = 7;
const EXT = 8;

/** The decoder's one {@link FrameView}, which it fills anew for each frame. */
export class FrameCursor implements FrameView {
  version = 1;
  cmd = 0;
  afterGap = 0;

  #source = NOWHERE;
  /** Stream offset of `buffer[0]`. */
  base = 0;
  /** Position of the frame in the buffer; the rest counts from there, as it is found before the frame has its place. */
  position = 0;
  payloadOffset = 0;
  payloadEndOffset = 0;
  /** Of the checksum's tag, where the trailer's fields end; version 2 and above. */
  checksumOffset = 0;
  endOffset = 0;

  #payload: Uint8Array | undefined;
  #trailerRead = false;
  /** Bit n: trailer field n is there, with the wire type it has today; one of another type is a later protocol's. */
  #present = 0;
  /** Lower and upper half of each varint field; position and length of each of the others. */
  #low = NONE;
  #high = NONE;

  /** Sets the bytes that frames are in from now on, and the stream offset of the first of them. */
  moveTo(source: ByteSource, base: number): void {
    this.#source = source;
    this.base = base;
  }

  /** Holds no bytes any longer: between pushes they are the caller's alone. */
  letGo(): void {
    this.#source = NOWHERE;
    this.#payload = undefined;
  }

  /** Sets the frame's position in the buffer, and forgets what was derived from the frame before. */
  place(position: number, afterGap: number): void {
    this.position = position;
    this.afterGap = afterGap;
    this.#payload = undefined;
    this.#trailerRead = false;
  }

  get buffer(): Uint8Array {
    return this.#source.bytes;
  }

  get start(): number {
    return this.base + this.position;
  }

  get end(): number {
    return this.base + this.position + this.endOffset;
  }

  get payloadStart(): number {
    return this.position + this.payloadOffset;
  }

  get payloadEnd(): number {
    return this.position + this.payloadEndOffset;
  }

  get payload(): Uint8Array {
    this.#payload ??= this.#source.view(this.payloadStart, this.payloadEndOffset - this.payloadOffset);
    return this.#payload;
  }

  get timestamp(): bigint | undefined {
    return this.#has(TIMESTAMP) ? BigInt.asIntN(64, this.#bigint(TIMESTAMP)) : undefined;
  }

  get sequence(): bigint | undefined {
    return this.#has(SEQUENCE) ? this.#bigint(SEQUENCE) : undefined;
  }

  get ack(): bigint | undefined {
    return this.#has(ACK) ? this.#bigint(ACK) : undefined;
  }

  get callId(): number | undefined {
    return this.#has(CALL_ID) ? this.#low[CALL_ID]! >>> 0 : undefined;
  }

  get kind(): number | undefined {
    return this.#has(KIND) ? this.#low[KIND] : undefined;
  }

  get status(): number | undefined {
    return this.#has(STATUS) ? this.#low[STATUS] : undefined;
  }

  get timeoutMs(): number | undefined {
    return this.#has(TIMEOUT_MS) ? this.#low[TIMEOUT_MS]! >>> 0 : undefined;
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
    return this.#has(CALL_ID) ? this.#low[CALL_ID]! >>> 0 : 0;
  }

  get kindNumber(): number {
    return this.#has(KIND) ? this.#low[KIND]! : 0;
  }

  bytes(): Uint8Array {
    // Not buffer.slice: on a Node Buffer that would be another view.
    return this.#source.view(this.position, this.endOffset).slice();
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

  #has(field: number): boolean {
    if (!this.#trailerRead) this.#readTrailer();
    return (this.#present & (1 << field)) !== 0;
  }

  #number(field: number): number {
    if (!this.#has(field)) return 0;
    const low = this.#low[field]! >>> 0;
    const high = this.#high[field]! >>> 0;
    // What has been through a multiplication is a fraction to V8, and costs every field that keeps it memory of its own.
    if (high === 0) return low;
    return high > 0x1f_ffff ? Number.POSITIVE_INFINITY : high * TWO_32 + low;
  }

  #bigint(field: number): bigint {
    const low = BigInt(this.#low[field]! >>> 0);
    const high = this.#high[field]! >>> 0;
    return high === 0 ? low : (BigInt(high) << 32n) | low;
  }

  #bytes(field: number): Uint8Array | undefined {
    return this.#has(field) ? this.#source.view(this.#low[field]!, this.#high[field]!) : undefined;
  }

  /** The parser has checked every length and varint here. */
  #readTrailer(): void {
    this.#trailerRead = true;
    this.#present = 0;
    if (this.version === 1) return;
    const { buffer } = this;
    const end = this.position + this.checksumOffset;
    for (let p = this.payloadEnd; p < end; ) {
      const tag = buffer[p++]!;
      const field = (tag >> 3) - FIRST_FIELD;
      const type = tag & 7;
      if (type === 1 || type === 5) {
        p += type === 1 ? 8 : 4;
        continue;
      }
      let low = 0;
      let high = 0;
      let byte = buffer[p++]!;
      low = byte & 0x7f;
      for (let shift = 7; byte > 0x7f; shift += 7) {
        byte = buffer[p++]!;
        const bits = byte & 0x7f;
        if (shift < 32) low |= bits << shift;
        if (shift > 28) high |= bits << (shift - 32);
        else if (shift === 28) high = bits >> 4;
      }
      if (type === 2) {
        if (field >= TRACE) this.#keep(field, p, low);
        p += low;
      } else if (field < TRACE) {
        this.#keep(field, low, high);
      }
    }
  }

  #keep(field: number, low: number, high: number): void {
    if (this.#low === NONE) {
      this.#low = new Int32Array(EXT + 1);
      this.#high = new Int32Array(EXT + 1);
    }
    this.#present |= 1 << field;
    this.#low[field] = low;
    this.#high[field] = high;
  }
}
