/** The sending half of a link on Node: messages encoded in place, large frames in memory of their own, and memory lent to the socket. */
import type { FrameEncoder } from "../codec/encoder/frame-encoder.js";
import type { MessageEncoder } from "../codec/encoder/message-encoder.js";
import type { SharedFrame } from "../codec/encoder/shared-frame.js";
import type { FrameInit } from "../codec/index.js";
import { WRITE_MEMORY } from "../runtime/memory-costs.js";
import { Queue } from "../runtime/queue.js";
import type { LargeFrame } from "./large-frame.js";
import { type Keeper, LinkWriter } from "./link-writer.js";

/** Large frames in memory of their own: large-frame.ts. */
export interface ApartWay {
  encode(encoder: FrameEncoder, size: number, put: (encoder: FrameEncoder) => void): LargeFrame | Uint8Array;
  /** Payloads of at least and at most so many bytes. */
  readonly least: number;
  readonly most: number;
}

let apart: ApartWay | undefined;

/** Makes all of these writers write large frames in memory of their own; `undefined`: with the others. */
export function provideApart(provided: ApartWay | undefined): void {
  apart = provided;
}

/** What the bytes of a write lie in, and how many of `#lentBytes` there are up to its end. */
interface Lent {
  readonly memory: { release(): void; pin?(): void; unpin?(): void };
  readonly end: number;
}

export class LendingWriter extends LinkWriter {
  /** The writes that the network has not taken all of. */
  #lent: Queue<Lent> | undefined;
  /** Bytes that these have added to those which wait in the socket, since the first of them. */
  #lentBytes = 0;
  /** Bytes of the last message: the guess for the next one. */
  #lastMessage = 0;
  /** A large frame was handed over since the last flush; nothing waited in front of it. */
  #handed = false;
  #handedFirst = false;
  /** A message is being encoded. What its getters write or close on this link is done once the frame is whole. */
  #encoding = false;
  #postponed: (() => void)[] | undefined;

  override get memory(): number {
    return super.memory + (this.#lent === undefined ? 0 : this.#lent.length * WRITE_MEMORY);
  }

  override get encoding(): boolean {
    return this.#encoding;
  }

  override postpone(task: () => void): void {
    this.#postponed ??= [];
    this.#postponed.push(task);
  }

  override get due(): boolean {
    return !this.#encoding && (super.due || this.#handed);
  }

  override write(frame: FrameInit, keep: Keeper | undefined): void {
    if (this.#encoding) return this.postpone(() => this.write(frame, keep));
    if (apart !== undefined && frame.payload !== undefined && this.#isLarge(apart, frame.payload.length)) {
      return this.#writeApart(apart, frame.payload.length, keep, (encoder) => encoder.append(frame));
    }
    super.write(frame, keep);
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
    const encoder = this.encoder ?? this.takeEncoder();
    const before = encoder.length;
    encoder.appendMessage(frame, codec, message, true);
    if (apart !== undefined) this.#lastMessage = encoder.lastMessage;
    this.written(encoder, before, keep);
  }

  /** Writes a frame that goes to many, with a trailer of its own. */
  writeShared(shared: SharedFrame, trailer: FrameInit, keep: Keeper | undefined): void {
    if (this.#encoding) return this.postpone(() => this.writeShared(shared, trailer, keep));
    if (apart !== undefined && this.#isLarge(apart, shared.bytes.length)) {
      return this.#writeApart(apart, shared.bytes.length, keep, (encoder) => encoder.appendShared(shared, trailer));
    }
    const encoder = this.encoder ?? this.takeEncoder();
    const before = encoder.length;
    encoder.appendShared(shared, trailer);
    this.written(encoder, before, keep);
  }

  override writeEncoded(bytes: Uint8Array): void {
    if (this.#encoding) return this.#postponeEncoded(bytes);
    super.writeEncoded(bytes);
  }

  #postponeEncoded(bytes: Uint8Array): void {
    const own = bytes.slice();
    this.postpone(() => this.writeEncoded(own));
  }

  override flush(now: number): void {
    if (this.#handed) {
      if (this.#handedFirst) this.stalledSince = now;
      this.#handed = this.#handedFirst = false;
    }
    super.flush(now);
  }

  protected override lend(encoder: FrameEncoder, bytes: Uint8Array, backlog: number): void {
    if (this.transport.copies === true) this.#lend(encoder.retain(bytes), backlog);
  }

  /** The network needs what its bytes lie in until it has taken them all. */
  #lend(memory: Lent["memory"] | undefined, backlog: number): void {
    if (memory === undefined) return;
    // Not what was handed over: a socket that is closing drops what is written, while it still needs what was written before.
    const grown = this.transport.bufferedBytes - backlog;
    if (grown <= 0) return memory.release();
    memory.pin?.();
    this.#lentBytes += grown;
    (this.#lent ??= new Queue()).push({ memory, end: this.#lentBytes });
  }

  /** Whether a payload of that size gets memory of its own: the transport must give that back. */
  #isLarge({ least, most }: ApartWay, payload: number): boolean {
    return payload >= least && payload <= most && this.transport.copies === true;
  }

  /** Writes a frame with a payload of about `size` bytes in memory of its own, and hands it over behind those before it. */
  #writeApart({ encode }: ApartWay, size: number, keep: Keeper | undefined, put: (encoder: FrameEncoder) => void): void {
    const transport = this.transport;
    const pending = this.pending() > 0;
    // With nothing that waits, the encoder at hand will do.
    const encoder = this.encoder ?? this.takeEncoder();
    const writer = pending ? this.newEncoder() : encoder;
    const frame = encode(writer, size, put);
    if (frame instanceof Uint8Array) {
      const before = encoder.length;
      encoder.appendEncoded(frame);
      writer.recycle(frame);
      if (pending) this.pool?.giveEncoder(writer);
      return this.written(encoder, before, keep);
    }
    if (!pending && this.pool !== undefined) this.encoder = undefined;
    this.pool?.giveEncoder(writer);
    const { bytes } = frame;
    keep?.keep(frame);
    if (!this.#handed) this.#handedFirst = transport.bufferedBytes === 0;
    this.#handed = true;
    if (transport.bufferedBytes === 0) {
      this.release();
      this.flushedBytes = this.handedOver;
    }
    if (pending) {
      transport.cork?.();
      this.handOver();
    }
    const backlog = transport.bufferedBytes;
    transport.write(bytes);
    if (pending) transport.uncork?.();
    this.handedOverTo(backlog, bytes.length);
    this.#lend(frame, backlog);
  }

  override noteProgress(now: number): void {
    if (this.#lent !== undefined) this.#releaseLent(this.#lentBytes - this.transport.bufferedBytes);
    super.noteProgress(now);
  }

  override close(): void {
    this.release();
    super.close();
  }

  /** The network has taken everything. */
  release(): void {
    if (this.#lent !== undefined) this.#releaseLent(Number.POSITIVE_INFINITY);
  }

  /** Gives the memory of the first `taken` bytes back. One write after the other: a peer that reads slowly may never let all of them leave. */
  #releaseLent(taken: number): void {
    const lent = this.#lent as Queue<Lent>;
    for (let first = lent.peek(); first !== undefined && first.end <= taken; first = lent.peek()) {
      lent.shift();
      first.memory.unpin?.();
      first.memory.release();
    }
    if (lent.length > 0) return;
    this.#lent = undefined;
    this.#lentBytes = 0;
  }
}
