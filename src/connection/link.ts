/**
 * One physical link: bytes to frames and back over one transport, with the deadlines and budgets that end it.
 * It knows nothing of sessions; its owner gets the frames.
 */
import {
  type Discard,
  FrameDecoder,
  FrameEncoder,
  type FrameInit,
  type FrameView,
  type MessageEncoder,
  type SharedFrame,
} from "../codec/index.js";
import { type CloseErrorCode, closeCodeOf, FramewireError } from "../errors.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Clock, Timer } from "./clock.js";
import { Liveness } from "./liveness.js";
import { SlidingMinute } from "./sliding-minute.js";
import type { Transport, TransportInfo } from "./transport.js";

/** Why a link ended. */
export interface LinkEnd {
  /** As WebSocket numbers them; 1006 for a link that just broke. */
  readonly closeCode: number;
  readonly reason: string;
  /** Set if this side ended it, or the transport failed. */
  readonly error?: Error;
}

/** Who gets what a link brings. */
export interface LinkOwner {
  /** A whole frame; the view holds during the call. */
  onFrame(link: Link, frame: FrameView): void;
  /** Bytes were lost to damage. */
  onDamage(link: Link, discard: Discard): void;
  /** Bytes that waited have gone out; `writable` says whether there is room again. */
  onWritable(link: Link): void;
  /** The link is gone. Called once, last. */
  onEnd(link: Link, end: LinkEnd): void;
  /** The link wants a sign of life from the peer. */
  onPing(link: Link): void;
  /** The owner's own last word to the peer, before the link closes with `closeCode`. */
  onClosing(link: Link, closeCode: number, reason: string): void;
}

/** Is shown the bytes of a frame, which it must copy if it keeps them. */
export type ByteSink = (buffer: Uint8Array, start: number, end: number) => void;

/** Bytes of frames that are handed to the transport at once, without waiting for the end of the turn. */
const FLUSH_BYTES = 64 * 1024;

export class Link {
  readonly #transport: Transport;
  readonly #options: ResolvedConnectionOptions;
  readonly #clock: Clock;
  readonly #decoder: FrameDecoder;
  readonly #encoder: FrameEncoder;
  /** Lengths of the frames in the encoder, on a transport that takes one frame a message. */
  readonly #frameLengths: number[] = [];
  readonly #liveness: Liveness;
  readonly #resyncs = new SlidingMinute();
  readonly #goodFrames = new SlidingMinute();
  readonly #badFrames = new SlidingMinute();
  #owner: LinkOwner;
  #flushDue = false;
  #writtenBytes = 0;
  #flushedBytes = 0;
  #stalledSince = 0;
  #frameSince = 0;
  #frameStart = -1;
  #inGap = false;
  #wakeAt = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #ended = false;
  #closing = false;
  #incomingSeed: number | undefined;
  #held: Uint8Array[] | undefined;
  #heldBytes = 0;
  /** When the chunk at hand arrived. */
  #now = 0;
  /** Several frames may share a WebSocket message: both ends said so. */
  batching = false;

  constructor(
    transport: Transport,
    owner: LinkOwner,
    options: ResolvedConnectionOptions,
    clock: Clock,
    heartbeat: { intervalMs: number; timeoutMs: () => number },
  ) {
    this.#transport = transport;
    this.#owner = owner;
    this.#options = options;
    this.#clock = clock;
    this.#decoder = new FrameDecoder({
      magic: options.magic,
      maxPayload: options.maxPayload,
      maxTrailer: options.maxTrailer,
      minVersion: transport.info.protocol === 2 ? 2 : 1,
      recovery: options.recovery,
      onDiscard: (discard) => this.#discarded(discard),
    });
    this.#encoder = new FrameEncoder({ magic: options.magic });
    this.#liveness = new Liveness(heartbeat.intervalMs, heartbeat.timeoutMs, clock.now());
  }

  get info(): TransportInfo {
    return this.#transport.info;
  }

  /** Whether the link still takes frames. */
  get open(): boolean {
    return !this.#closing && !this.#ended;
  }

  /** Bytes on their way out that the network has not taken. */
  get bufferedBytes(): number {
    return this.#encoder.length + this.#transport.bufferedBytes;
  }

  /** Bytes of all frames written so far. */
  get writtenBytes(): number {
    return this.#writtenBytes + this.#encoder.length;
  }

  /** Whether bulk data should still be written. */
  get writable(): boolean {
    return this.bufferedBytes < this.#options.highWaterMark;
  }

  /** Starts the link. The first call. */
  start(): void {
    this.#transport.open({
      onData: (chunk) => this.#received(chunk),
      onAlive: () => this.#alive(),
      onDrain: () => this.#drained(),
      onClose: (closeCode, reason, error) => this.#end(error === undefined ? { closeCode, reason } : { closeCode, reason, error }),
    });
    this.#wakeIn(this.#liveness.intervalMs);
  }

  /** Hands the link to another owner: from the handshake to the connection. */
  handTo(owner: LinkOwner): void {
    this.#owner = owner;
  }

  /** What the peer takes: larger payloads are refused when they are written. */
  set maxPayload(bytes: number) {
    this.#encoder.maxPayload = bytes;
  }

  /** The peer's hello or welcome: what its further frames are checked with. */
  secureIncoming(checksumSeed: number): void {
    this.#incomingSeed = checksumSeed;
    this.#decoder.update({ checksumSeed, minVersion: 2 });
  }

  /** Stops reading and keeps the frames that are here already, until the owner can say what becomes of them. */
  hold(): void {
    this.#held = [];
    this.#transport.pause();
  }

  /** Gives the frames kept by `hold` to the owner there is now, and reads on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    const decoder = new FrameDecoder({
      magic: this.#options.magic,
      maxPayload: this.#options.maxPayload,
      checksumSeed: this.#incomingSeed,
    });
    for (const bytes of held) decoder.push(bytes, this.#deliver);
    if (this.open) this.#transport.resume();
  }

  /** Gives a frame to the owner there is now. */
  redeliver(frame: FrameView): void {
    this.#deliver(frame);
  }

  /** Our hello or welcome is written: what our further frames are sealed with. */
  secureOutgoing(checksumSeed: number): void {
    this.#encoder.checksumSeed = checksumSeed;
  }

  /** Writes one frame; frames of one turn leave together. `keep` is shown its bytes. */
  write(frame: FrameInit, keep?: ByteSink): void {
    const before = this.#encoder.length;
    this.#encoder.append(frame);
    this.#written(before, keep);
  }

  /** Writes a frame whose payload is encoded straight into its place. */
  writeMessage(frame: FrameInit, codec: MessageEncoder<unknown>, message: unknown, keep?: ByteSink): void {
    const before = this.#encoder.length;
    this.#encoder.appendMessage(frame, codec, message);
    this.#written(before, keep);
  }

  /** Writes a frame that goes to many, with a trailer of its own. */
  writeShared(shared: SharedFrame, trailer: FrameInit, keep?: ByteSink): void {
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

  #written(before: number, keep: ByteSink | undefined): void {
    const length = this.#encoder.length - before;
    // Shown before the frame may leave with a flush.
    if (keep !== undefined) this.#encoder.show(before, keep);
    if (this.#transport.info.messages && !this.batching) this.#frameLengths.push(length);
    if (this.#encoder.length >= FLUSH_BYTES) this.flush();
    else if (!this.#flushDue) {
      this.#flushDue = true;
      this.#clock.defer(() => this.flush());
    }
  }

  /** Hands all written frames to the transport. */
  flush(): void {
    this.#flushDue = false;
    if (this.#ended || this.#encoder.length === 0) return;
    const bytes = this.#encoder.take();
    if (this.#writtenBytes === this.#flushedBytes) this.#stalledSince = this.#clock.now();
    this.#writtenBytes += bytes.length;
    let start = 0;
    for (const length of this.#frameLengths) this.#transport.write(bytes.subarray(start, (start += length)));
    this.#frameLengths.length = 0;
    // Frames behind a hello or welcome may share a message already, while it had one to itself.
    if (start < bytes.length) this.#transport.write(start === 0 ? bytes : bytes.subarray(start));
    this.#transport.flush?.();
    if (this.#transport.bufferedBytes > 0) this.#wakeIn(this.#options.writeTimeoutMs);
  }

  /** Stops and restarts reading. */
  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  /** Asks the peer for a sign of life now; without one the link ends after the heartbeat timeout. */
  probe(): void {
    this.#liveness.expect(this.#clock.now());
    this.#owner.onPing(this);
    this.#wakeIn(this.#liveness.timeoutMs());
  }

  /**
   * A WebSocket ping, for peers that have no ping of ours. Without one, as on TCP, there is nothing that a living peer
   * would have to answer: its silence proves nothing, and the kernel's keepalive finds one that has vanished.
   */
  probeTransport(): void {
    if (this.#transport.probe === undefined) this.#alive();
    else this.#transport.probe();
  }

  /** Ends the link because of `code`, telling the peer. */
  fail(code: CloseErrorCode, message: string, cause?: unknown): void {
    this.close(
      closeCodeOf(code),
      message,
      new FramewireError(code, message, { fault: "remote", ...(cause === undefined ? {} : { cause }) }),
    );
  }

  /** Ends the link: what is written still goes out. */
  close(closeCode: number, reason: string, error?: Error): void {
    if (!this.open) return;
    this.#owner.onClosing(this, closeCode, reason);
    this.flush();
    this.#closing = true;
    // The owner hears of it at once: a peer that never answers the close must not hold up anybody.
    this.#transport.close(closeCode, reason.slice(0, 120));
    this.#end(error === undefined ? { closeCode, reason } : { closeCode, reason, error });
  }

  /** The peer said, in a frame, that it closes: its last word on a transport without close codes. */
  endedByPeer(closeCode: number, reason: string): void {
    if (!this.open) return;
    this.#closing = true;
    this.#transport.close(1000, "");
    this.#end({ closeCode, reason });
  }

  /** Drops the link without a word. */
  destroy(reason: string): void {
    if (this.#ended) return;
    this.#transport.destroy();
    this.#end({ closeCode: 1006, reason });
  }

  #end(end: LinkEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#owner.onEnd(this, end);
  }

  #received(chunk: Uint8Array): void {
    if (!this.open) return;
    const now = this.#clock.now();
    this.#now = now;
    this.#liveness.received(now);
    const deliver = this.#deliver;
    try {
      this.#decoder.push(chunk, deliver);
      if (this.#transport.info.messages && this.open) this.#decoder.flush(deliver);
    } catch (error) {
      if (!(error instanceof FramewireError) || !this.open) throw error;
      this.fail(error.code === "frame-too-large" ? "frame-too-large" : "frame-malformed", error.message, error);
      return;
    }
    if (this.open) this.#watchFrame(now);
  }

  /** The clock for an incomplete frame runs from its first byte and is not restarted by its later ones. */
  #watchFrame(now: number): void {
    const { bytes, buffered } = this.#decoder.stats;
    const start = buffered > 0 ? bytes - buffered : -1;
    if (start === this.#frameStart) return;
    this.#frameStart = start;
    if (start === -1) return;
    this.#frameSince = now;
    this.#wakeIn(this.#options.frameTimeoutMs);
  }

  readonly #deliver = (frame: FrameView): void => {
    if (!this.open) return;
    this.#inGap = false;
    if (this.#held !== undefined) return this.#keep(this.#held, frame);
    this.#goodFrames.add(this.#now);
    this.#owner.onFrame(this, frame);
  };

  #keep(held: Uint8Array[], frame: FrameView): void {
    held.push(frame.bytes());
    this.#heldBytes += frame.end - frame.start;
    if (this.#heldBytes > this.#options.maxQueuedBytes) this.fail("rate-exceeded", "too much was sent before the handshake was done");
  }

  #discarded(discard: Discard): void {
    if (!this.open || this.#options.recovery === "close") return;
    if (discard.reason === "oversize") {
      this.fail("frame-too-large", `a frame claims more than the limit of ${this.#options.maxPayload} bytes`);
      return;
    }
    const now = this.#clock.now();
    if (!this.#inGap) this.#resyncs.add(now);
    this.#inGap = true;
    if (discard.reason !== "garbage") this.#badFrames.add(now);
    this.#owner.onDamage(this, discard);
    if (!this.open) return;
    const bad = this.#badFrames.total(now);
    const all = bad + this.#goodFrames.total(now);
    if (all >= this.#options.errorRateFrames && bad > all * this.#options.errorRate) {
      this.fail("error-rate", `${bad} of ${all} frames in a minute were damaged`);
    } else if (this.#resyncs.total(now) > this.#options.resyncBudget) {
      this.fail("resync-budget", `more than ${this.#options.resyncBudget} resynchronisations in a minute`);
    }
  }

  #alive(): void {
    this.#liveness.received(this.#clock.now());
  }

  #drained(): void {
    if (this.#ended) return;
    this.#noteProgress(this.#clock.now());
    if (this.bufferedBytes <= this.#options.highWaterMark / 2) this.#owner.onWritable(this);
  }

  #noteProgress(now: number): boolean {
    const flushed = this.#writtenBytes - this.#transport.bufferedBytes;
    if (flushed <= this.#flushedBytes) return false;
    this.#flushedBytes = flushed;
    this.#stalledSince = now;
    return true;
  }

  #wakeIn(delayMs: number): void {
    const at = this.#clock.now() + delayMs;
    if (at >= this.#wakeAt || this.#ended) return;
    this.#timer?.cancel();
    this.#wakeAt = at;
    this.#timer = this.#clock.setTimer(delayMs, () => this.#wake());
  }

  /** All deadlines of the link are looked at here, by one timer that is set to the nearest of them. */
  #wake(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    if (!this.open) return;
    const now = this.#clock.now();
    this.#noteProgress(now);
    if (this.#transport.bufferedBytes > 0) {
      const left = this.#options.writeTimeoutMs - (now - this.#stalledSince);
      if (left <= 0) return this.fail("write-timeout", `the peer took no bytes for ${this.#options.writeTimeoutMs} ms`);
      this.#wakeIn(left);
    }
    if (this.#frameStart !== -1) {
      const left = this.#options.frameTimeoutMs - (now - this.#frameSince);
      if (left <= 0) return this.fail("frame-timeout", `a frame was not complete within ${this.#options.frameTimeoutMs} ms`);
      this.#wakeIn(left);
    }
    const { action, lookAgainMs } = this.#liveness.check(now, this.#flushedBytes);
    if (action === "dead") return this.fail("heartbeat-timeout", `no sign of life for ${this.#liveness.timeoutMs()} ms after a ping`);
    if (action === "ping") this.#owner.onPing(this);
    this.#wakeIn(lookAgainMs);
  }
}
