/** The sending half of a link: frames into one buffer, the buffer to the transport, and how far the network has taken it. */
import { type ByteSink, FrameEncoder } from "../codec/encoder/frame-encoder.js";
import type { FrameInit } from "../codec/index.js";
import { CONNECTION_DEFAULTS, type ResolvedConnectionOptions } from "../options.js";
import type { LargeFrame } from "./large-frame.js";
import type { Transport } from "./transport.js";

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

/** As a page needs it. What pays on Node only is in lending-writer.ts. */
export class LinkWriter {
  protected readonly transport: Transport;
  readonly #options: ResolvedConnectionOptions;
  protected readonly pool: EncoderPool | undefined;
  /** There while something waits for the next flush; for good without a pool. */
  protected encoder: FrameEncoder | undefined;
  /** Lengths of the frames in the encoder that get a message of their own each. */
  #frameLengths: number[] | undefined;
  #seed: number | undefined;
  #maxPayload: number;
  #maxTrailer: number = CONNECTION_DEFAULTS.maxTrailer;
  protected handedOver = 0;
  /** Bytes that the network has taken, as of the last `noteProgress`. */
  flushedBytes = 0;
  protected stalledSince = 0;
  /** Bytes written on top of a full socket: pongs, resends and whatever else does not wait for room. */
  #forcedBytes = 0;
  /** Several frames may share a WebSocket message: both ends said so. */
  batching = false;

  constructor(transport: Transport, options: ResolvedConnectionOptions, pool: EncoderPool | undefined) {
    this.transport = transport;
    this.#options = options;
    this.pool = pool;
    this.#maxPayload = options.maxPayload;
  }

  /** Bytes written and not handed over. */
  protected pending(): number {
    return this.encoder === undefined ? 0 : this.encoder.length;
  }

  /** Bytes of all frames written so far. */
  get writtenBytes(): number {
    return this.handedOver + this.pending();
  }

  /** Bytes on their way out that the network has not taken. */
  get bufferedBytes(): number {
    return this.pending() + this.transport.bufferedBytes;
  }

  /** Memory of what the network has not taken. */
  get memory(): number {
    return this.bufferedBytes;
  }

  /** Whether a message is being encoded: nothing can be written or handed over before its frame is whole. */
  get encoding(): boolean {
    return false;
  }

  /** Whether enough was written to hand it over at once, or has been handed over: `flush` is to be called. */
  get due(): boolean {
    return this.pending() >= FLUSH_BYTES;
  }

  /** Whether the peer has been answered more than it takes: what does not wait for room is more than may wait. */
  get overfull(): boolean {
    return this.#forcedBytes > this.#options.maxQueuedBytes;
  }

  /** What the peer takes: larger payloads and trailers are refused when they are written. */
  limitTo(maxPayload: number, maxTrailer: number): void {
    this.#maxPayload = maxPayload;
    this.#maxTrailer = maxTrailer;
    this.encoder?.rebind(this.#seed, maxPayload, maxTrailer);
  }

  /** What further frames are sealed with. */
  set checksumSeed(seed: number) {
    this.#seed = seed;
    this.encoder?.rebind(seed, this.#maxPayload, this.#maxTrailer);
  }

  /** Does `task` once the frame that is being encoded is whole. */
  postpone(task: () => void): void {
    task();
  }

  /** Writes one frame. `keep` is shown its bytes. */
  write(frame: FrameInit, keep: Keeper | undefined): void {
    const encoder = this.encoder ?? this.takeEncoder();
    const before = encoder.length;
    encoder.append(frame);
    this.written(encoder, before, keep);
  }

  /** Writes a frame that is encoded already, as a resend or a broadcast. */
  writeEncoded(bytes: Uint8Array): void {
    const encoder = this.encoder ?? this.takeEncoder();
    const before = encoder.length;
    encoder.appendEncoded(bytes);
    this.written(encoder, before, undefined);
  }

  /** Hands all written frames to the transport. */
  flush(now: number): void {
    if (this.pending() === 0) return;
    this.noteProgress(now);
    this.handOver();
  }

  protected handOver(): void {
    const encoder = this.encoder as FrameEncoder;
    const transport = this.transport;
    const backlog = transport.bufferedBytes;
    const bytes = encoder.take();
    if (this.pool !== undefined) this.encoder = undefined;
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
    this.handedOverTo(backlog, bytes.length);
    this.lend(encoder, bytes, backlog);
    this.pool?.giveEncoder(encoder);
  }

  /** So many bytes were handed over, behind `backlog` others. */
  protected handedOverTo(backlog: number, bytes: number): void {
    this.handedOver += bytes;
    this.#forcedBytes = backlog < this.#options.highWaterMark ? 0 : this.#forcedBytes + bytes;
  }

  /** The network may need what its bytes lie in until it has taken them all. */
  protected lend(_encoder: FrameEncoder, _bytes: Uint8Array, _backlog: number): void {}

  /** Looks how much the network has taken. */
  noteProgress(now: number): void {
    const waiting = this.transport.bufferedBytes;
    const flushed = this.handedOver - waiting;
    if (flushed <= this.flushedBytes && waiting > 0) return;
    this.flushedBytes = flushed;
    this.stalledSince = now;
  }

  /** Milliseconds since the network last took bytes while others waited. */
  stalledMs(now: number): number {
    return now - this.stalledSince;
  }

  /** The socket is gone: nothing that was written is needed any more. */
  close(): void {
    const { encoder } = this;
    if (encoder !== undefined && !this.encoding) encoder.recycle(encoder.take());
  }

  protected takeEncoder(): FrameEncoder {
    this.encoder = this.newEncoder();
    return this.encoder;
  }

  protected newEncoder(): FrameEncoder {
    const encoder = this.pool?.encoders.pop() ?? new FrameEncoder({ magic: this.#options.magic });
    encoder.rebind(this.#seed, this.#maxPayload, this.#maxTrailer);
    return encoder;
  }

  protected written(encoder: FrameEncoder, before: number, keep: Keeper | undefined): void {
    // Shown before the frame may leave with a flush.
    if (keep !== undefined) encoder.show(before, keep);
    if (!this.transport.info.messages || this.batching) return;
    this.#frameLengths ??= [];
    this.#frameLengths.push(encoder.length - before);
  }
}

type Writer = new (transport: Transport, options: ResolvedConnectionOptions, pool: EncoderPool | undefined) => LinkWriter;

let writerOfLinks: Writer = LinkWriter;

/** Makes the links from here on write with `provided`. */
export function provideLinkWriter(provided: Writer): void {
  writerOfLinks = provided;
}

export function newLinkWriter(...start: ConstructorParameters<Writer>): LinkWriter {
  return new writerOfLinks(...start);
}
