/** The sending half of a link: frames into one buffer, the buffer to the transport, and how far the network has taken it. */
import { type ByteSink, FrameEncoder, HEADROOM, type MessageEncoder } from "../codec/frame-encoder.js";
import type { FrameInit } from "../codec/index.js";
import type { SharedFrame } from "../codec/shared-frame.js";
import type { WriteBlock } from "../codec/write-block.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Transport } from "./transport.js";

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
  /** What bytes lie in that the network has not taken all of. */
  #lent: WriteBlock[] | undefined;
  #handedOver = 0;
  #flushedBytes = 0;
  #stalledSince = 0;
  /** Bytes written on top of a full socket: pongs, resends and whatever else does not wait for room. */
  #forcedBytes = 0;
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

  /** Whether enough was written to hand it over at once. */
  get due(): boolean {
    return this.#pending() >= FLUSH_BYTES;
  }

  /** Whether the peer has been answered more than it takes: what does not wait for room is more than may wait. */
  get overfull(): boolean {
    return this.#forcedBytes > this.#options.maxQueuedBytes;
  }

  /** What the peer takes: larger payloads are refused when they are written. */
  set maxPayload(bytes: number) {
    this.#maxPayload = bytes;
    this.#encoder?.turnTo(this.#seed, bytes);
  }

  /** What further frames are sealed with. */
  set checksumSeed(seed: number) {
    this.#seed = seed;
    this.#encoder?.turnTo(seed, this.#maxPayload);
  }

  /** Writes one frame. `keep` is shown its bytes. */
  write(frame: FrameInit, keep: ByteSink | undefined): void {
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.append(frame);
    this.#written(encoder, before, keep);
  }

  /** Writes a frame whose payload is encoded straight into its place. */
  writeMessage(frame: FrameInit, codec: MessageEncoder<unknown>, message: unknown, keep: ByteSink | undefined): void {
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.appendMessage(frame, codec, message);
    this.#written(encoder, before, keep);
  }

  /** Writes a frame that goes to many, with a trailer of its own. */
  writeShared(shared: SharedFrame, trailer: FrameInit, keep: ByteSink | undefined): void {
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.appendShared(shared, trailer);
    this.#written(encoder, before, keep);
  }

  /** Writes a frame that is encoded already, as a resend or a broadcast. */
  writeEncoded(bytes: Uint8Array): void {
    const encoder = this.#encoder ?? this.#takeEncoder();
    const before = encoder.length;
    encoder.appendEncoded(bytes);
    this.#written(encoder, before, undefined);
  }

  /** Hands all written frames to the transport. */
  flush(now: number): void {
    const encoder = this.#encoder;
    if (encoder === undefined || encoder.length === 0) return;
    const transport = this.#transport;
    const backlog = transport.bufferedBytes;
    if (backlog === 0) this.noteProgress(now);
    const bytes = encoder.take();
    if (this.#pool !== undefined) this.#encoder = undefined;
    this.#handedOver += bytes.length;
    let start = 0;
    const lengths = this.#frameLengths;
    if (lengths !== undefined) {
      this.#frameLengths = undefined;
      transport.cork?.();
      for (const length of lengths) transport.write(bytes.subarray(start, (start += length)));
    }
    // Frames behind a hello or welcome may share a message already, while it had one to itself.
    if (start === 0) transport.write(bytes, HEADROOM);
    else if (start < bytes.length) transport.write(bytes.subarray(start));
    if (lengths !== undefined) transport.uncork?.();
    if (transport.copies === true) {
      const block = encoder.lend(bytes);
      if (transport.bufferedBytes === 0) block?.leave();
      else if (block !== undefined) (this.#lent ??= []).push(block);
    }
    this.#pool?.giveEncoder(encoder);
    this.#forcedBytes = backlog < this.#options.highWaterMark ? 0 : this.#forcedBytes + bytes.length;
  }

  /** Looks how much the network has taken. */
  noteProgress(now: number): void {
    const waiting = this.#transport.bufferedBytes;
    const flushed = this.#handedOver - waiting;
    if (waiting === 0) this.#leaveLent();
    if (flushed <= this.#flushedBytes && waiting > 0) return;
    this.#flushedBytes = flushed;
    this.#stalledSince = now;
  }

  /** Milliseconds since the network last took bytes while others waited. */
  stalledMs(now: number): number {
    return now - this.#stalledSince;
  }

  #leaveLent(): void {
    const lent = this.#lent;
    if (lent === undefined) return;
    this.#lent = undefined;
    for (const block of lent) block.leave();
  }

  #takeEncoder(): FrameEncoder {
    const encoder = this.#pool?.encoders.pop() ?? new FrameEncoder({ magic: this.#options.magic });
    encoder.turnTo(this.#seed, this.#maxPayload);
    this.#encoder = encoder;
    return encoder;
  }

  #written(encoder: FrameEncoder, before: number, keep: ByteSink | undefined): void {
    // Shown before the frame may leave with a flush.
    if (keep !== undefined) encoder.show(before, keep);
    if (!this.#transport.info.messages || this.batching) return;
    this.#frameLengths ??= [];
    this.#frameLengths.push(encoder.length - before);
  }
}
