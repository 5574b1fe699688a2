/** The sending half of a link: frames into one buffer, the buffer to the transport, and how far the network has taken it. */
import { FrameEncoder, type MessageEncoder } from "../codec/frame-encoder.js";
import type { FrameInit } from "../codec/index.js";
import type { SharedFrame } from "../codec/shared-frame.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Transport } from "./transport.js";

/** Is shown the bytes of a frame, which it must copy if it keeps them. */
export type ByteSink = (buffer: Uint8Array, start: number, end: number) => void;

/** Bytes of frames that are handed to the transport at once, without waiting for the end of the turn. */
const FLUSH_BYTES = 64 * 1024;

export class LinkWriter {
  readonly #transport: Transport;
  readonly #options: ResolvedConnectionOptions;
  readonly #encoder: FrameEncoder;
  /** Lengths of the frames in the encoder that get a message of their own each. */
  readonly #frameLengths: number[] = [];
  #handedOver = 0;
  #flushedBytes = 0;
  #stalledSince = 0;
  /** Bytes written on top of a full socket: pongs, resends and whatever else does not wait for room. */
  #forcedBytes = 0;
  /** Several frames may share a WebSocket message: both ends said so. */
  batching = false;

  constructor(transport: Transport, options: ResolvedConnectionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#encoder = new FrameEncoder({ magic: options.magic });
  }

  /** Bytes of all frames written so far. */
  get writtenBytes(): number {
    return this.#handedOver + this.#encoder.length;
  }

  /** Bytes that the network has taken, as of the last `noteProgress`. */
  get flushedBytes(): number {
    return this.#flushedBytes;
  }

  /** Bytes on their way out that the network has not taken. */
  get bufferedBytes(): number {
    return this.#encoder.length + this.#transport.bufferedBytes;
  }

  /** Whether enough was written to hand it over at once. */
  get due(): boolean {
    return this.#encoder.length >= FLUSH_BYTES;
  }

  /** Whether the peer has been answered more than it takes: what does not wait for room is more than may wait. */
  get overfull(): boolean {
    return this.#forcedBytes > this.#options.maxQueuedBytes;
  }

  /** What the peer takes: larger payloads are refused when they are written. */
  set maxPayload(bytes: number) {
    this.#encoder.maxPayload = bytes;
  }

  /** What further frames are sealed with. */
  set checksumSeed(seed: number) {
    this.#encoder.checksumSeed = seed;
  }

  /** Writes one frame. `keep` is shown its bytes. */
  write(frame: FrameInit, keep: ByteSink | undefined): void {
    const before = this.#encoder.length;
    this.#encoder.append(frame);
    this.#written(before, keep);
  }

  /** Writes a frame whose payload is encoded straight into its place. */
  writeMessage(frame: FrameInit, codec: MessageEncoder<unknown>, message: unknown, keep: ByteSink | undefined): void {
    const before = this.#encoder.length;
    this.#encoder.appendMessage(frame, codec, message);
    this.#written(before, keep);
  }

  /** Writes a frame that goes to many, with a trailer of its own. */
  writeShared(shared: SharedFrame, trailer: FrameInit, keep: ByteSink | undefined): void {
    const before = this.#encoder.length;
    this.#encoder.appendShared(shared, trailer);
    this.#written(before, keep);
  }

  /** Writes a frame that is encoded already, as a resend or a broadcast. */
  writeEncoded(bytes: Uint8Array): void {
    const before = this.#encoder.length;
    this.#encoder.appendEncoded(bytes);
    this.#written(before, undefined);
  }

  /** Hands all written frames to the transport. */
  flush(now: number): void {
    if (this.#encoder.length === 0) return;
    const transport = this.#transport;
    const backlog = transport.bufferedBytes;
    if (backlog === 0) this.noteProgress(now);
    const bytes = this.#encoder.take();
    this.#handedOver += bytes.length;
    let start = 0;
    for (const length of this.#frameLengths) transport.write(bytes.subarray(start, (start += length)));
    this.#frameLengths.length = 0;
    // Frames behind a hello or welcome may share a message already, while it had one to itself.
    if (start < bytes.length) transport.write(start === 0 ? bytes : bytes.subarray(start));
    transport.flush?.();
    this.#forcedBytes = backlog < this.#options.highWaterMark ? 0 : this.#forcedBytes + bytes.length;
  }

  /** Looks how much the network has taken. */
  noteProgress(now: number): void {
    const waiting = this.#transport.bufferedBytes;
    const flushed = this.#handedOver - waiting;
    if (flushed <= this.#flushedBytes && waiting > 0) return;
    this.#flushedBytes = flushed;
    this.#stalledSince = now;
  }

  /** Milliseconds since the network last took bytes while others waited. */
  stalledMs(now: number): number {
    return now - this.#stalledSince;
  }

  #written(before: number, keep: ByteSink | undefined): void {
    // Shown before the frame may leave with a flush.
    if (keep !== undefined) this.#encoder.show(before, keep);
    if (this.#transport.info.messages && !this.batching) this.#frameLengths.push(this.#encoder.length - before);
  }
}
