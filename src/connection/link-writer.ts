/** The sending half of a link: frames into one buffer, the buffer to the transport, and how far the network has taken it. */
import { type ByteSink, FrameEncoder, type MessageEncoder } from "../codec/frame-encoder.js";
import type { FrameInit } from "../codec/index.js";
import type { SharedFrame } from "../codec/shared-frame.js";
import { CONNECTION_DEFAULTS, type ResolvedConnectionOptions } from "../options.js";
import { WRITE_MEMORY } from "./account.js";
import { Deque } from "./deque.js";
import type { LargeFrame } from "./large-frame.js";
import type { Transport } from "./transport.js";

/** Large frames in memory of their own: large-frame.ts. Absent on pages, which save its size. */
export interface ApartWay {
  encode(encoder: FrameEncoder, size: number, put: (encoder: FrameEncoder) => void): LargeFrame | Uint8Array;
  /** Payloads of at least and at most so many bytes. */
  readonly least: number;
  readonly most: number;
}

let apart: ApartWay | undefined;

/** Makes all links write large frames in memory of their own; `undefined`: with the others. */
export function provideApart(provided: ApartWay | undefined): void {
  apart = provided;
}

/** Keeps frames: a copy of them, or, while it is one of its users, a large one as it is. */
export interface Keeper extends ByteSink {
  keep(frame: LargeFrame): void;
}

/** Where encoders come from and go back to. */
export interface EncoderPool {
  readonly encoders: FrameEncoder[];
  giveEncoder(encoder: FrameEncoder): void;
}

/**
 * Bytes of frames that are handed to the transport at once, without waiting for the end of the turn: enough that the call of
 * the system costs little beside them, and few enough that the peer works on them while more are being written. They may
 * share a WebSocket message, which arrives whole or not at all: longer ones would not get through a line that breaks again and again.
 */
const FLUSH_BYTES = 8 * 1024;

/** What the bytes of a write lie in, and how many of `#lentBytes` there are up to its end. */
interface Lent {
  readonly memory: { leave(): void; pin?(): void; unpin?(): void };
  readonly end: number;
}

export class LinkWriter {
  readonly #transport: Transport;
  readonly #options: ResolvedConnectionOptions;
  readonly #pool: EncoderPool | undefined;
  /** There while something waits for the next flush; for good without a pool. */
  #encoder: FrameEncoder | undefined;
  /** Lengths of the frames in the encoder that get a message of their own each. */
  #frameLengths: number[] | undefined;
  #seed: number | undefined;
  #maxPayload: number;
  #maxTrailer: number = CONNECTION_DEFAULTS.maxTrailer;
  /** The writes that the network has not taken all of. */
  #lent: Deque<Lent> | undefined;
  /** Bytes that these have added to those which wait in the socket, since the first of them. */
  #lentBytes = 0;
  /** Bytes of the last message: the guess for the next one. */
  #lastMessage = 0;
  /** A large frame was handed over since the last flush; nothing waited in front of it. */
  #handed = false;
  #handedFirst = false;
  #handedOver = 0;
  #flushedBytes = 0;
  #stalledSince = 0;
  /** Bytes written on top of a full socket: pongs, resends and whatever else does not wait for room. */
  #forcedBytes = 0;
  /** A message is being encoded. What its getters write or close on this link is done once the frame is whole. */
  #encoding = false;
  #postponed: (() => void)[] | undefined;
  /** Several frames may share a WebSocket message: both ends said so. */
  batching = false;

  constructor(transport: Transport, options: ResolvedConnectionOptions, pool: EncoderPool | undefined) {
    this.#transport = transport;
    this.#options = options;
    this.#pool = pool;
    this.#maxPayload = options.maxPayload;
  }

  /** Bytes written and not handed over. */
  #pending(): number {
    return this.#encoder === undefined ? 0 : this.#encoder.length;
  }

  /** Bytes of all frames written so far. */
  get writtenBytes(): number {
    return this.#handedOver + this.#pending();
  }

  /** Bytes that the network has taken, as of the last `noteProgress`. */
  get flushedBytes(): number {
    return this.#flushedBytes;
  }

  /** Bytes on their way out that the network has not taken. */
  get bufferedBytes(): number {
    return this.#pending() + this.#transport.bufferedBytes;
  }

  /** Memory of what the network has not taken. */
  get memory(): number {
    return this.bufferedBytes + (this.#lent === undefined ? 0 : this.#lent.length * WRITE_MEMORY);
  }

  /** Whether a message is being encoded: nothing can be written or handed over before its frame is whole. */
  get encoding(): boolean {
    return this.#encoding;
  }

  /** Does `task` once the frame that is being encoded is whole. */
  postpone(task: () => void): void {
    this.#postponed ??= [];
    this.#postponed.push(task);
  }

  /** Whether enough was written to hand it over at once, or has been handed over: `flush` is to be called. */
  get due(): boolean {
    return !this.#encoding && (this.#pending() >= FLUSH_BYTES || (apart !== undefined && this.#handed));
  }

  /** Whether the peer has been answered more than it takes: what does not wait for room is more than may wait. */
  get overfull(): boolean {
    return this.#forcedBytes > this.#options.maxQueuedBytes;
  }

  /** What the peer takes: larger payloads and trailers are refused when they are written. */
  limitTo(maxPayload: number, maxTrailer: number): void {
    this.#maxPayload = maxPayload;
    this.#maxTrailer = maxTrailer;
    this.#encoder?.turnTo(this.#seed, maxPayload, maxTrailer);
  }

  /** What further frames are sealed with. */
  set checksumSeed(seed: number) {
    this.#seed = seed;
    this.#encoder?.turnTo(seed, this.#maxPayload, this.#maxTrailer);
  }

  /** Writes one frame. `keep` is shown its bytes. */
  write(frame: FrameInit, keep: Keeper | undefined): void {
    if (this.#encoding) return this.postpone(() => this.write(frame, keep));
    if (apart !== undefined && frame.payload !== undefined && this.#isLarge(apart, frame.payload.length)) {
      return this.#writeApart(apart, frame.payload.length, keep, (encoder) => encoder.append(frame));
    }
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.append(frame);
    this.#written(encoder, before, keep);
  }

  /** Writes a frame whose payload is encoded straight into its place. */
  writeMessage(frame: FrameInit, codec: MessageEncoder<unknown>, message: unknown, keep: Keeper | undefined): void {
    if (this.#encoding) return this.postpone(() => this.writeMessage(frame, codec, message, keep));
    this.#encoding = true;
    try {
      this.#writeMessage(frame, codec, message, keep);
    } finally {
      this.#encoding = false;
      if (this.#postponed !== undefined) this.#doPostponed(this.#postponed);
    }
  }

  #doPostponed(tasks: (() => void)[]): void {
    this.#postponed = undefined;
    for (const task of tasks) task();
  }

  #writeMessage(frame: FrameInit, codec: MessageEncoder<unknown>, message: unknown, keep: Keeper | undefined): void {
    const last = this.#lastMessage;
    if (apart !== undefined && this.#isLarge(apart, last)) {
      return this.#writeApart(apart, last, keep, (encoder) => {
        encoder.appendMessage(frame, codec, message, true);
        this.#lastMessage = encoder.lastMessage;
      });
    }
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.appendMessage(frame, codec, message, true);
    if (apart !== undefined) this.#lastMessage = encoder.lastMessage;
    this.#written(encoder, before, keep);
  }

  /** Writes a frame that goes to many, with a trailer of its own. */
  writeShared(shared: SharedFrame, trailer: FrameInit, keep: Keeper | undefined): void {
    if (this.#encoding) return this.postpone(() => this.writeShared(shared, trailer, keep));
    if (apart !== undefined && this.#isLarge(apart, shared.bytes.length)) {
      return this.#writeApart(apart, shared.bytes.length, keep, (encoder) => encoder.appendShared(shared, trailer));
    }
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.appendShared(shared, trailer);
    this.#written(encoder, before, keep);
  }

  /** Writes a frame that is encoded already, as a resend or a broadcast. */
  writeEncoded(bytes: Uint8Array): void {
    if (this.#encoding) return this.#postponeEncoded(bytes);
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.appendEncoded(bytes);
    this.#written(encoder, before, undefined);
  }

  #postponeEncoded(bytes: Uint8Array): void {
    const own = bytes.slice();
    this.postpone(() => this.writeEncoded(own));
  }

  /** Hands all written frames to the transport. */
  flush(now: number): void {
    if (apart !== undefined && this.#handed) {
      if (this.#handedFirst) this.#stalledSince = now;
      this.#handed = this.#handedFirst = false;
    }
    if (this.#pending() === 0) return;
    this.noteProgress(now);
    this.#handOver();
  }

  #handOver(): void {
    const encoder = this.#encoder as FrameEncoder;
    const transport = this.#transport;
    const backlog = transport.bufferedBytes;
    const bytes = encoder.take();
    if (this.#pool !== undefined) this.#encoder = undefined;
    let start = 0;
    const lengths = this.#frameLengths;
    if (lengths !== undefined) {
      this.#frameLengths = undefined;
      transport.cork?.();
      for (const length of lengths) transport.write(bytes.subarray(start, (start += length)));
    }
    // Frames behind a hello or welcome may share a message already, while it had one to itself.
    if (start === 0) transport.write(bytes);
    else if (start < bytes.length) transport.write(bytes.subarray(start));
    if (lengths !== undefined) transport.uncork?.();
    this.#handedOverTo(backlog, bytes.length);
    if (transport.copies === true) this.#lend(encoder.lend(bytes), backlog);
    this.#pool?.giveEncoder(encoder);
  }

  /** So many bytes were handed over, behind `backlog` others. */
  #handedOverTo(backlog: number, bytes: number): void {
    this.#handedOver += bytes;
    this.#forcedBytes = backlog < this.#options.highWaterMark ? 0 : this.#forcedBytes + bytes;
  }

  /** The network needs what its bytes lie in until it has taken them all. */
  #lend(memory: Lent["memory"] | undefined, backlog: number): void {
    if (memory === undefined) return;
    // Not what was handed over: a socket that is closing drops what is written, while it still needs what was written before.
    const grown = this.#transport.bufferedBytes - backlog;
    if (grown <= 0) return memory.leave();
    memory.pin?.();
    this.#lentBytes += grown;
    (this.#lent ??= new Deque()).push({ memory, end: this.#lentBytes });
  }

  /** Whether a payload of that size gets memory of its own: the transport must give that back. */
  #isLarge({ least, most }: ApartWay, payload: number): boolean {
    return payload >= least && payload <= most && this.#transport.copies === true;
  }

  /** Writes a frame with a payload of about `size` bytes in memory of its own, and hands it over behind those before it. */
  #writeApart({ encode }: ApartWay, size: number, keep: Keeper | undefined, put: (encoder: FrameEncoder) => void): void {
    const transport = this.#transport;
    const pending = this.#pending() > 0;
    // With nothing that waits, the encoder at hand will do.
    const encoder = this.#encoder ?? this.#takeEncoder();
    const writer = pending ? this.#newEncoder() : encoder;
    const frame = encode(writer, size, put);
    if (frame instanceof Uint8Array) {
      const before = encoder.length;
      encoder.appendEncoded(frame);
      writer.recycle(frame);
      if (pending) this.#pool?.giveEncoder(writer);
      return this.#written(encoder, before, keep);
    }
    if (!pending && this.#pool !== undefined) this.#encoder = undefined;
    this.#pool?.giveEncoder(writer);
    const { bytes } = frame;
    keep?.keep(frame);
    if (!this.#handed) this.#handedFirst = transport.bufferedBytes === 0;
    this.#handed = true;
    if (transport.bufferedBytes === 0) {
      this.release();
      this.#flushedBytes = this.#handedOver;
    }
    if (pending) {
      transport.cork?.();
      this.#handOver();
    }
    const backlog = transport.bufferedBytes;
    transport.write(bytes);
    if (pending) transport.uncork?.();
    this.#handedOverTo(backlog, bytes.length);
    this.#lend(frame, backlog);
  }

  /** Looks how much the network has taken. */
  noteProgress(now: number): void {
    const waiting = this.#transport.bufferedBytes;
    const flushed = this.#handedOver - waiting;
    if (this.#lent !== undefined) this.#leaveLent(this.#lentBytes - waiting);
    if (flushed <= this.#flushedBytes && waiting > 0) return;
    this.#flushedBytes = flushed;
    this.#stalledSince = now;
  }

  /** Milliseconds since the network last took bytes while others waited. */
  stalledMs(now: number): number {
    return now - this.#stalledSince;
  }

  /** The socket is gone: nothing that was written is needed any more. */
  close(): void {
    this.release();
    const encoder = this.#encoder;
    if (encoder !== undefined && !this.#encoding) encoder.recycle(encoder.take());
  }

  /** The network has taken everything. */
  release(): void {
    if (this.#lent !== undefined) this.#leaveLent(Number.POSITIVE_INFINITY);
  }

  /** Gives the memory of the first `taken` bytes back. One write after the other: a peer that reads slowly may never let all of them leave. */
  #leaveLent(taken: number): void {
    const lent = this.#lent as Deque<Lent>;
    for (let first = lent.peek(); first !== undefined && first.end <= taken; first = lent.peek()) {
      lent.shift();
      first.memory.unpin?.();
      first.memory.leave();
    }
    if (lent.length > 0) return;
    this.#lent = undefined;
    this.#lentBytes = 0;
  }

  #takeEncoder(): FrameEncoder {
    this.#encoder = this.#newEncoder();
    return this.#encoder;
  }

  #newEncoder(): FrameEncoder {
    const encoder = this.#pool?.encoders.pop() ?? new FrameEncoder({ magic: this.#options.magic });
    encoder.turnTo(this.#seed, this.#maxPayload, this.#maxTrailer);
    return encoder;
  }

  #written(encoder: FrameEncoder, before: number, keep: Keeper | undefined): void {
    // Shown before the frame may leave with a flush.
    if (keep !== undefined) encoder.show(before, keep);
    if (!this.#transport.info.messages || this.batching) return;
    this.#frameLengths ??= [];
    this.#frameLengths.push(encoder.length - before);
  }
}
