/**
 * One physical link: bytes to frames and back over one transport, with the deadlines and budgets that end it.
 * It knows nothing of sessions; its owner gets the frames.
 */
import { FrameDecoder } from "../codec/decoder/frame-decoder.js";
import type { SharedFrame } from "../codec/encoder/shared-frame.js";
import type { Damage, Discard, FrameInit, FrameView, MessageEncoder } from "../codec/index.js";
import { type CloseErrorCode, closeCodeOf, FramewireError, inFull } from "../errors.js";
import type { DecoderOptions, ResolvedConnectionOptions } from "../options.js";
import { cutText } from "../protocol/cut-text.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { serving } from "../runtime/serving.js";
import { SlidingMinute } from "../runtime/sliding-minute.js";
import { checks } from "./checks.js";
import type { PooledDecoder } from "./codec-pool.js";
import { DamageMeter } from "./damage-meter.js";
import type { LendingWriter } from "./lending-writer.js";
import { type EncoderPool, type Keeper, type LinkWriter, newLinkWriter } from "./link-writer.js";
import { type Heartbeat, Liveness } from "./liveness.js";
import { PROGRESS_BYTES, type Transport, type TransportInfo, type TransportReceiver } from "./transport.js";

/** Why a link ended. */
export interface LinkEnd {
  /** As WebSocket numbers them; 1006 for a link that just broke. */
  readonly closeCode: number;
  readonly reason: string;
  /** Set if this side ended it, or the transport failed. */
  readonly error?: Error;
  /** The peer said so in a frame of its own. */
  readonly announced?: true;
}

/** Who gets what a link brings. */
export interface LinkOwner {
  /** It owns the link for its handshake. */
  readonly handshaking?: boolean;
  /** Memory that it holds for the link's handshake. */
  readonly heldMemory?: number;
  /** A whole frame; the view holds during the call. */
  onFrame(link: Link, frame: FrameView): void;
  /** Bytes were damaged: reported at the byte that shows it. */
  onDamage(link: Link, damage: Damage): void;
  /** The same damage, when its end is known: at the next whole frame, or the next damage. */
  onDiscard?(link: Link, discard: Discard): void;
  /** Bytes that waited have gone out; `writable` says whether there is room again. */
  onWritable(link: Link): void;
  /** The link is gone. Called once, last. */
  onEnd(link: Link, end: LinkEnd): void;
  /** The link wants a sign of life from the peer. */
  onPing(link: Link): void;
  /** Something of this side threw while it worked for the link: for the log. The link ends, if it has not. */
  onFault?(error: unknown): void;
  /** The owner's own last word to the peer, before the link closes with `closeCode`. */
  onClosing(link: Link, closeCode: number, reason: string): void;
}

/** Hears of the end of a link, whoever owns it then. */
export interface LinkObserver {
  linkEnded(link: Link, end: LinkEnd): void;
}

/** Close code for what this side did wrong, RFC 6455 section 7.4.1. The next connection may do better. */
export const INTERNAL_ERROR = 1011;

/** A timer this late says that the process slept, not the peer: what arrived meanwhile is read before anybody is judged. In milliseconds. */
const LATE_MS = 1000;

/** How long that reading may take, in milliseconds. */
const LATE_GRACE_MS = 100;

/** Why a link does not read, as bits: its owner asked for it; the owner has not decided yet what becomes of the bytes; the link yields to others. */
const PAUSED_BY_OWNER = 1;
export const PAUSED_HOLDING = 2;
export const PAUSED_YIELDED = 4;

/** A link as a client has it. What a server's links do besides is in served-link.ts: there are hooks for it here that do nothing. */
export class Link implements TransportReceiver {
  /** @internal */
  readonly transport: Transport;
  /** @internal */
  readonly options: ResolvedConnectionOptions;
  protected readonly clock: Clock;
  readonly #writer: LinkWriter;
  readonly #liveness: Liveness;
  readonly #good = new SlidingMinute();
  /** There since the first damage. */
  #damage: DamageMeter | undefined;
  /** There since the first bytes. */
  protected decoder: PooledDecoder<Link> | undefined;
  /** Bytes received. */
  #received = 0;
  #minVersion: number;
  /** Largest payload that is taken now. */
  protected maxPayload: number;
  #owner: LinkOwner;
  /** Told before the owner. */
  observer: LinkObserver | undefined;
  #state: "open" | "closing" | "ended" = "open";
  #flushDue = false;
  /** The chunk at hand is being read: what its handlers have written by its end leaves then. */
  #reading = false;
  /** Which part of which frame is waited for: its stream offset; -2 and below for a message, by its number; -1 = none. */
  #awaited = -1;
  #awaitedSince = 0;
  /** Stream offset behind the last good frame. */
  #frameEnd = 0;
  /** @internal When its deadlines are looked at next; -1 = never. */
  at = -1;
  /** Where there is no such queue, and for the end. */
  #timer: Timer | undefined;
  #graceGiven = false;
  #incomingSeed: number | undefined;
  protected paused = 0;
  /** When bytes of ours last left. */
  #sentAt = 0;
  /** When the work on the chunk at hand began. */
  protected now = 0;

  /** `pool`: where its encoders come from and go back to. */
  constructor(
    transport: Transport,
    owner: LinkOwner,
    options: ResolvedConnectionOptions,
    clock: Clock,
    heartbeat: Heartbeat,
    pool?: EncoderPool,
  ) {
    this.transport = transport;
    this.#owner = owner;
    this.options = options;
    this.clock = clock;
    this.#minVersion = transport.info.protocol === 2 ? 2 : 1;
    this.maxPayload = options.maxPayload;
    this.#writer = newLinkWriter(transport, options, pool);
    this.#liveness = new Liveness(heartbeat, this.time());
  }

  /** Now, in whole milliseconds: a fraction would cost every field that keeps it memory of its own. */
  protected time(): number {
    return Math.floor(this.clock.now());
  }

  get info(): TransportInfo {
    return this.transport.info;
  }

  /** Who gets what the link brings now. */
  get owner(): LinkOwner {
    return this.#owner;
  }

  /** Whether the link still takes frames. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** Bytes on their way out that the network has not taken. */
  get bufferedBytes(): number {
    return this.#writer.bufferedBytes;
  }

  /** Bytes of all frames written so far. */
  get writtenBytes(): number {
    return this.#writer.writtenBytes;
  }

  /** Memory of what the network has not taken. */
  get unsentMemory(): number {
    return serving ? this.#writer.memory : 0;
  }

  /** Bytes received so far. */
  get receivedBytes(): number {
    return this.#received;
  }

  /** Whether bulk data should still be written. */
  get writable(): boolean {
    return this.#writer.bufferedBytes < this.options.highWaterMark;
  }

  /** Several frames may share a WebSocket message: both ends said so. */
  set batching(batching: boolean) {
    this.#writer.batching = batching;
  }

  /** What the peer takes: larger payloads and trailers are refused when they are written. */
  limitTo(maxPayload: number, maxTrailer: number): void {
    this.#writer.limitTo(maxPayload, maxTrailer);
  }

  /** Starts the link. The first call. `receiver` passes on to it what the transport brings. */
  start(receiver: TransportReceiver = this): void {
    this.transport.open(receiver);
    this.#watchSilence();
  }

  /** Goes on with another heartbeat, as agreed on in the handshake. */
  set heartbeat(heartbeat: Heartbeat) {
    this.#liveness.heartbeat = heartbeat;
    this.#watchSilence();
  }

  /** Hands the link to another owner: from the handshake to the connection. */
  handTo(owner: LinkOwner): void {
    this.#owner = owner;
  }

  /** The peer's hello or welcome: what its further frames are checked with. */
  secureIncoming(checksumSeed: number): void {
    this.#incomingSeed = checksumSeed;
    this.#minVersion = 2;
    this.decoder?.decoder.update({ checksumSeed, minVersion: 2 });
  }

  /** Our hello or welcome is written: what our further frames are sealed with. */
  secureOutgoing(checksumSeed: number): void {
    this.#writer.checksumSeed = checksumSeed;
  }

  /** Writes one frame; frames of one turn leave together. `keep` is shown its bytes. */
  write(frame: FrameInit, keep?: Keeper): void {
    this.#writer.write(frame, keep);
    this.#flushSoon();
  }

  /** Writes a frame whose payload is encoded straight into its place. Only with `inPlace`. */
  writeMessage(frame: FrameInit, codec: MessageEncoder<unknown>, message: unknown, keep?: Keeper): void {
    (this.#writer as LendingWriter).writeMessage(frame, codec, message, keep);
    this.#flushSoon();
  }

  /** Writes a frame that goes to many, with a trailer of its own. Only with `inPlace`. */
  writeShared(shared: SharedFrame, trailer: FrameInit, keep?: Keeper): void {
    if (!serving) return;
    (this.#writer as LendingWriter).writeShared(shared, trailer, keep);
    this.flushWithMany();
  }

  /** Writes a frame that is encoded already. `toMany`: it goes to others too. */
  writeEncoded(bytes: Uint8Array, toMany = false): void {
    this.#writer.writeEncoded(bytes);
    if (serving && toMany) this.flushWithMany();
    else this.#flushSoon();
  }

  /** Hands all written frames to the transport. */
  flush(): void {
    this.#flushDue = false;
    if (this.#state === "ended") return;
    if (this.#writer.encoding) return this.#flushSoon();
    const now = this.time();
    this.#sentAt = now;
    const crowded = this.bufferedBytes > this.options.highWaterMark / 2;
    this.#writer.flush(now);
    this.changed();
    if (this.transport.bufferedBytes > 0) this.#wakeIn(this.options.writeTimeoutMs);
    // Of bytes that the network takes at once a transport tells no drain.
    else if (crowded) this.onDrain();
    if (this.#writer.overfull) {
      const most = inFull
        ? `${this.options.maxQueuedBytes} bytes of answers wait for the peer (maxQueuedBytes)`
        : "maxQueuedBytes wait for the peer";
      this.fail("slow-consumer", `more than ${most}`);
    }
  }

  /** Something was written that goes to others too. */
  protected flushWithMany(): void {
    this.#flushSoon();
  }

  /** Whether what was written leaves at once, or by itself in a moment. */
  protected get leaving(): boolean {
    return serving && (this.#writer.due || this.#flushDue || this.#reading);
  }

  #flushSoon(): void {
    if (this.#writer.due) return this.flush();
    if (this.#flushDue) return;
    this.#flushDue = true;
    if (this.#reading) return;
    this.clock.defer(() => this.flushSafely());
  }

  /** Where nobody waits for what it throws. */
  protected flushSafely(): void {
    try {
      this.flush();
    } catch (error) {
      this.broken(error);
    }
  }

  /** Stops and restarts reading. */
  pause(): void {
    this.pauseFor(PAUSED_BY_OWNER);
  }

  resume(): void {
    this.resumeFrom(PAUSED_BY_OWNER);
  }

  // What a server's link does besides

  /** What the link holds may have changed. */
  changed(): void {}

  /** So many bytes of a chunk are read. */
  protected settle(_bytes: number): void {}

  /** A chunk was read. */
  protected chunkRead(): void {}

  /** The frame at hand weighs this much more against the peer's rate: it is of no use, or costs more than others. */
  charge(_weight: number): void {}

  /** The frame at hand is what a timer of loss sends: it is of no use where it comes faster than any of them. */
  chargeTimed(_kind: "ping" | "ask"): void {}

  /** Asks the peer for a sign of life now; without one the link ends after the heartbeat timeout. */
  probe(): void {
    this.#liveness.expect(this.time());
    this.#owner.onPing(this);
    this.#wakeIn(this.#liveness.heartbeat.timeoutMs());
  }

  /**
   * A WebSocket ping, for peers that have no ping of ours. Without one, as on TCP, there is nothing that a living peer
   * would have to answer: its silence proves nothing, and the kernel's keepalive finds one that has vanished.
   */
  probeTransport(): void {
    if (this.transport.probe === undefined) this.onAlive();
    else this.transport.probe();
  }

  /** Ends the link because of `code`, telling the peer. */
  fail(code: CloseErrorCode, message: string, cause?: unknown): void {
    const why = checks?.endOf(this.transport, this.options.magic, code, message) ?? message;
    this.close(closeCodeOf(code), why, new FramewireError(code, why, { fault: "remote", cause }));
  }

  /** Ends the link: what is written still goes out. Whatever throws meanwhile, the transport is closed. */
  close(closeCode: number, reason: string, error?: Error): void {
    if (!this.open) return;
    if (this.#writer.encoding) return this.#writer.postpone(() => this.close(closeCode, reason, error));
    this.#state = "closing";
    try {
      this.#owner.onClosing(this, closeCode, reason);
      this.flush();
    } catch (fault) {
      // The last word cannot be written. The peer learns from the end of the socket.
      this.#owner.onFault?.(fault);
    }
    try {
      // The owner hears of it at once: a peer that never answers the close must not hold up anybody.
      this.end(error === undefined ? { closeCode, reason } : { closeCode, reason, error });
    } finally {
      this.closeTransport(closeCode, reason);
    }
  }

  /** An error of this side, which must not reach the socket's callback, where it would end the process: it ends this link. */
  broken(error: unknown): void {
    this.#owner.onFault?.(error);
    const message = "an error on this side ended the connection";
    this.close(INTERNAL_ERROR, message, new FramewireError("internal", message, { cause: error }));
  }

  /** The peer said, in a frame, that it closes: its last word on a transport without close codes. */
  endedByPeer(closeCode: number, reason: string): void {
    if (!this.open) return;
    try {
      this.end({ closeCode, reason, announced: true });
    } finally {
      this.closeTransport(1000, "");
    }
  }

  /** Drops the link without a word. */
  destroy(reason: string): void {
    if (this.#state === "ended") return;
    try {
      this.end({ closeCode: 1006, reason });
    } finally {
      this.transport.destroy();
    }
  }

  /** Closes the socket in the way of its transport. A peer that does not play along cannot keep it open. */
  protected closeTransport(closeCode: number, reason: string): void {
    this.#timer = this.clock.setTimer(this.options.closeTimeoutMs, () => this.transport.destroy());
    try {
      this.transport.close(closeCode, cutText(reason, MAX_REASON));
    } catch (fault) {
      this.transport.destroy();
      this.#owner.onFault?.(fault);
    }
  }

  protected end(end: LinkEnd): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    if (!this.#reading) this.decoder = undefined;
    this.disarm();
    this.observer?.linkEnded(this, end);
    this.#owner.onEnd(this, end);
  }

  // TransportReceiver

  /** @internal */
  onData(chunk: Uint8Array): void {
    if (!this.open) return;
    try {
      this.read(chunk, this.clock.now());
    } catch (error) {
      this.broken(error);
    }
  }

  /** @internal Reads a chunk, the work for which has started at `startedMs`; returns how many bytes were read. */
  read(chunk: Uint8Array, startedMs: number): number {
    const now = Math.floor(startedMs);
    this.now = now;
    this.#liveness.received(now);
    this.#received += chunk.length;
    const pooled = this.decoder ?? this.#takeDecoder(chunk.length);
    const { decoder, deliver } = pooled;
    let taken: number;
    this.#reading = true;
    try {
      taken = decoder.push(chunk, deliver);
      this.#received -= chunk.length - taken;
      if (this.transport.info.messages && this.open && taken === chunk.length) {
        decoder.flush(deliver);
        this.#damage?.boundary();
      }
    } catch (error) {
      // With recovery "close" the decoder throws what is wrong with the bytes. Anything else is an error of this side.
      const damage = this.options.recovery === "close" && error instanceof FramewireError && error.fault === "remote";
      if (!damage) throw error;
      // A frame before the damage may have closed the link: then nobody hears of it.
      this.fail(error.code === "frame-too-large" ? "frame-too-large" : "frame-malformed", error.message, error);
      return 0;
    } finally {
      this.#reading = false;
      if (this.#flushDue) this.flush();
      if (!this.open) this.decoder = undefined;
    }
    if (!this.open) return 0;
    this.settle(taken);
    if (!this.open) return 0;
    this.#watchFrame(now);
    this.chunkRead();
    return taken;
  }

  /** @internal */
  onAlive(_weight?: number): void {
    if (!this.open) return;
    try {
      const now = this.time();
      this.#liveness.received(now);
      this.#watchFrame(now);
      this.changed();
    } catch (error) {
      this.broken(error);
    }
  }

  /** @internal */
  onDrain(): void {
    if (!this.open) return;
    try {
      this.#writer.noteProgress(this.time());
      this.changed();
      if (this.bufferedBytes <= this.options.highWaterMark / 2) this.#owner.onWritable(this);
    } catch (error) {
      this.broken(error);
    }
  }

  /** @internal */
  onViolation(message: string, error?: FramewireError): void {
    if (error) this.close(1006, message, error);
    else this.fail("protocol-violation", message);
  }

  /** @internal */
  onClose(closeCode: number, reason: string, error?: Error): void {
    this.#timer?.cancel();
    try {
      this.end(error === undefined ? { closeCode, reason } : { closeCode, reason, error });
    } catch (fault) {
      this.broken(fault);
    }
    this.#writer.close();
  }

  /**
   * The clock for an incomplete frame runs from its first byte. Later ones do not restart it one by one, but a long
   * frame gets its time anew with each part of it that has arrived.
   */
  #watchFrame(now: number): void {
    const awaited = this.#incompleteFrame();
    if (awaited === this.#awaited) return;
    this.#awaited = awaited;
    if (awaited === -1) return;
    this.#awaitedSince = now;
    this.#wakeIn(this.options.frameTimeoutMs);
    this.#showLife(now);
  }

  #incompleteFrame(): number {
    const { messages } = this.transport.info;
    if (messages) return -1 - (this.transport.incomingMessage ?? 0);
    if (this.decoder === undefined) return -1;
    const { bytes, buffered } = this.decoder.decoder.stats;
    if (buffered > 0) return bytes - (buffered % PROGRESS_BYTES);
    // Damage is reported where it begins, however many bytes of it follow: the next frame may never come.
    if (bytes - this.#frameEnd > this.options.maxPayload + this.options.maxTrailer) {
      this.fail("resync-budget", `no frame in the last ${bytes - this.#frameEnd} bytes (maxPayload and maxTrailer)`);
    }
    return -1;
  }

  pauseFor(reason: number): void {
    if (this.paused === 0 && this.open) this.transport.pause();
    this.paused |= reason;
  }

  resumeFrom(reason: number): void {
    if ((this.paused & reason) === 0) return;
    this.paused &= ~reason;
    if (!this.open) return;
    if (reason !== PAUSED_YIELDED) {
      // While nothing was read the peer could show no life, and its frame could not become whole.
      const now = this.time();
      this.#liveness.received(now);
      this.#awaitedSince = now;
      if (this.#awaited !== -1) this.#wakeIn(this.options.frameTimeoutMs);
    }
    if (this.paused === 0) this.transport.resume();
  }

  /** Gives a frame to the owner there is now. */
  deliver(frame: FrameView): void {
    if (!this.open) return this.stopReading();
    this.#frameEnd = frame.end;
    this.#good.add(this.now);
    this.#damage?.boundary();
    this.#owner.onFrame(this, frame);
  }

  /** @internal Reads no more of the chunk than the frame at hand. */
  stopReading(): void {
    this.decoder?.decoder.stop();
  }

  /** A decoder that is where this stream was before its last `length` bytes. */
  #takeDecoder(length: number): PooledDecoder<Link> {
    const pooled = this.newDecoder();
    pooled.reader = this;
    pooled.decoder.rebind(this.#received - length, this.#incomingSeed, this.#minVersion);
    if (this.maxPayload !== this.options.maxPayload) pooled.decoder.update({ maxPayload: this.maxPayload });
    this.decoder = pooled;
    return pooled;
  }

  protected newDecoder(): PooledDecoder<Link> {
    const { magic, maxPayload, maxTrailer, recovery } = this.options;
    return newDecoder({ magic, maxPayload, maxTrailer, recovery, minVersion: this.#minVersion });
  }

  /** @internal The decoder met damage; where it ends is not known yet. */
  damaged(damage: Damage): void {
    if (!this.open || this.options.recovery === "close") return;
    // What a refused frame holds is never searched for frames.
    if (damage.reason === "oversize") {
      return this.fail("frame-too-large", `a frame claims more than ${this.maxPayload} bytes (maxPayload)`);
    }
    const now = this.time();
    const meter = (this.#damage ??= new DamageMeter(this.options, this.#good));
    meter.bad(damage, now);
    this.#owner.onDamage(this, damage);
    const verdict = this.open ? meter.verdict(now) : undefined;
    if (verdict !== undefined) this.fail(verdict.code, verdict.message);
  }

  /** @internal The same damage, with its end. */
  discarded(discard: Discard): void {
    if (this.open && this.options.recovery !== "close") this.#owner.onDiscard?.(this, discard);
  }

  /**
   * Whoever receives one long frame has nothing to say, while its peer, whose bytes may all lie in its kernel already,
   * hears nothing and would give it up one interval and a timeout after the last word: half an interval is soon enough.
   */
  #showLife(now: number): void {
    const { intervalMs } = this.#liveness.heartbeat;
    if (intervalMs === 0) return;
    const left = this.#sentAt + intervalMs / 2 - now;
    if (left <= 0 && this.#awaitedSince < now) this.#owner.onPing(this);
    this.#wakeIn(left > 0 ? left : intervalMs / 2);
  }

  #watchSilence(): void {
    const { intervalMs } = this.#liveness.heartbeat;
    if (intervalMs > 0) this.#wakeIn(intervalMs);
  }

  #wakeIn(delayMs: number): void {
    const at = this.time() + delayMs;
    if (at === Number.POSITIVE_INFINITY || (this.at !== -1 && at >= this.at) || !this.open) return;
    this.disarm();
    this.arm(at, delayMs);
  }

  protected arm(at: number, delayMs: number): void {
    this.at = at;
    this.#timer = this.clock.setTimer(delayMs, () => this.run());
  }

  protected disarm(): void {
    this.#timer?.cancel();
  }

  /** @internal All deadlines of the link are looked at here, by one timer that is set to the nearest of them. */
  run(): void {
    try {
      this.#lookAtDeadlines();
    } catch (error) {
      this.broken(error);
    }
  }

  #lookAtDeadlines(): void {
    const now = this.time();
    const late = now - this.at >= LATE_MS;
    this.at = -1;
    if (!this.open) return;
    if (late && !this.#graceGiven) {
      this.#graceGiven = true;
      return this.#wakeIn(LATE_GRACE_MS);
    }
    this.#graceGiven = false;
    this.#writer.noteProgress(now);
    this.changed();
    const backlog = this.transport.bufferedBytes > 0;
    if (backlog) {
      const left = this.options.writeTimeoutMs - this.#writer.stalledMs(now);
      if (left <= 0) return this.fail("write-timeout", `the peer took no bytes for ${this.options.writeTimeoutMs} ms (writeTimeoutMs)`);
      this.#wakeIn(left);
    }
    if (this.paused !== 0) {
      // Nothing is read: neither silence nor an incomplete frame is the peer's doing.
      this.#liveness.received(now);
    } else if (this.#awaited !== -1) {
      const left = this.options.frameTimeoutMs - (now - this.#awaitedSince);
      if (left <= 0) return this.fail("frame-timeout", `no more of a frame came within ${this.options.frameTimeoutMs} ms (frameTimeoutMs)`);
      this.#wakeIn(left);
      this.#showLife(now);
    }
    const { action, lookAgainMs } = this.#liveness.check(now, this.#writer.flushedBytes, backlog);
    if (action === "dead") {
      return this.fail(
        "heartbeat-timeout",
        `nothing came for ${this.#liveness.heartbeat.timeoutMs()} ms after a ping (heartbeatTimeoutMs)`,
      );
    }
    if (action === "ping") this.#owner.onPing(this);
    this.#wakeIn(lookAgainMs);
  }
}

/** A decoder that can go from link to link. */
function newDecoder(options: DecoderOptions): PooledDecoder<Link> {
  const pooled: PooledDecoder<Link> = {
    decoder: new FrameDecoder({
      ...options,
      onDamage: (damage) => pooled.reader?.damaged(damage),
      onDiscard: (discard) => pooled.reader?.discarded(discard),
    }),
    deliver: (frame) => pooled.reader?.deliver(frame),
    reader: undefined,
  };
  return pooled;
}

/** Longest reason that fits into a WebSocket close frame, in bytes of UTF-8. */
const MAX_REASON = 123;
