/**
 * A link of a server: one of thousands, whose peers may send as fast as they can. It meters its peer, asks the fair scheduler after each
 * frame whether it must yield, and reports the memory that it holds to the server's account.
 */
import type { FrameView } from "../codec/index.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Clock } from "../runtime/clock.js";
import type { FairScheduler } from "../runtime/fair-scheduler.js";
import type { FlushedLink, FlushRounds } from "../runtime/flush-rounds.js";
import { DECODER_MEMORY } from "../runtime/memory-costs.js";
import type { QueueEntry, TimerQueue } from "../runtime/timer-queue.js";
import type { AccountKeeper } from "./account.js";
import type { CodecPool, PooledDecoder } from "./codec-pool.js";
import { FairReceiver, type ScheduledLink } from "./fair-receiver.js";
import { Link, type LinkEnd, type LinkOwner } from "./link.js";
import type { Heartbeat } from "./liveness.js";
import { type RateMeter, USELESS_FRAME_WEIGHT } from "./rate-limit.js";
import type { Transport } from "./transport.js";

/** What the links of a server share. */
export interface SharedByLinks {
  /** Decoders and encoders. */
  readonly pool?: CodecPool<Link> | undefined;
  /** The queue that their timers are entries of. */
  readonly timers?: TimerQueue | undefined;
  readonly scheduler: FairScheduler;
  /** The rounds in which broadcasts are flushed. */
  readonly rounds: FlushRounds;
  /** Counts the memory that they hold. */
  readonly account?: AccountKeeper | undefined;
}

export class ServedLink extends Link implements QueueEntry, FlushedLink, ScheduledLink {
  /** Passes what the transport brings to this link, under the fair scheduler. */
  readonly receiver: FairReceiver;
  readonly #pool: CodecPool<Link> | undefined;
  readonly #timers: TimerQueue | undefined;
  readonly #rate: RateMeter;
  readonly #rounds: FlushRounds;
  readonly #account: AccountKeeper | undefined;
  /** It is queued in the rounds. */
  #inRounds = false;
  /** No frame of a broadcast waits to be flushed. */
  #flushed = true;
  /** @internal Its place in the queue of timers. */
  place = -1;
  /** @internal Bytes that the account has counted for it; -1 when its socket is gone. */
  counted = 0;

  /** `rate`: how fast the peer may send. */
  constructor(
    transport: Transport,
    owner: LinkOwner,
    options: ResolvedConnectionOptions,
    clock: Clock,
    heartbeat: Heartbeat,
    rate: RateMeter,
    shared: SharedByLinks,
  ) {
    super(transport, owner, options, clock, heartbeat, shared.pool);
    this.receiver = new FairReceiver(this, shared.scheduler, clock);
    this.#pool = shared.pool;
    this.#timers = shared.timers;
    this.#rate = rate;
    this.#rounds = shared.rounds;
    this.#account = shared.account;
  }

  override start(): void {
    super.start(this.receiver);
  }

  /** Memory of what the peer has sent and the owner has not received. */
  get receivedMemory(): number {
    const decoder = this.decoder === undefined ? 0 : DECODER_MEMORY + this.decoder.decoder.memory;
    return decoder + this.receiver.memory + (this.transport.incomingMemory ?? 0);
  }

  /** The first frame may be a hello, which may be longer than later frames. Set it before `start`. */
  set firstPayload(bytes: number) {
    this.maxPayload = Math.max(bytes, this.options.maxPayload);
  }

  /** The first frame has arrived: later ones are limited by the options. */
  firstTaken(): void {
    const { maxPayload } = this.options;
    if (this.maxPayload === maxPayload) return;
    this.maxPayload = maxPayload;
    this.decoder?.decoder.update({ maxPayload });
  }

  /** Drops the socket of a link that has ended, with the bytes that it has not sent. */
  drop(): void {
    this.transport.destroy();
    this.#account?.linkGone(this);
  }

  /** @internal */
  override changed(): void {
    this.#account?.linkChanged(this);
  }

  // Broadcasts

  protected override flushWithMany(): void {
    if (this.leaving) return super.flushWithMany();
    this.#flushed = false;
    if (this.#inRounds) return;
    this.#inRounds = true;
    this.#rounds.add(this);
    // It may wait for many rounds: what waits is counted.
    this.changed();
  }

  override flush(): void {
    this.#flushed = true;
    super.flush();
  }

  /** @internal */
  flushFromMany(): void {
    this.#inRounds = false;
    if (!this.#flushed) this.flushSafely();
  }

  // The rate of the peer

  override charge(weight: number): void {
    this.#rate.add(weight);
    // At once, not when the chunk is read: it may hold thousands of frames.
    this.settle(0);
  }

  override chargeTimed(kind: "ping" | "ask"): void {
    this.#rate.addTimed(kind, this.now);
    this.settle(0);
  }

  protected override settle(bytes: number): void {
    const exceeded = this.#rate.settle(bytes, this.now);
    if (exceeded !== undefined) this.fail("rate-exceeded", exceeded);
  }

  /** @internal */
  override onAlive(weight = 0): void {
    if (weight > 0 && this.open) this.#chargeBelow(weight);
    super.onAlive();
  }

  /** Charges frames of the transport one by one, as frames of ours: only the one that exceeds a rate does not count for its address. */
  #chargeBelow(weight: number): void {
    try {
      this.now = this.time();
      for (let left = weight; left > 0 && this.open; left -= USELESS_FRAME_WEIGHT) this.charge(Math.min(left, USELESS_FRAME_WEIGHT));
    } catch (error) {
      this.broken(error);
    }
  }

  // Reading

  override deliver(frame: FrameView): void {
    const { receiver } = this;
    if (this.open) this.#rate.add(1);
    if (receiver.throttle !== undefined && this.owner.handshaking !== true) receiver.throttle = undefined;
    super.deliver(frame);
    if (receiver.shouldYield()) this.stopReading();
  }

  protected override newDecoder(): PooledDecoder<Link> {
    return this.#pool?.decoders.pop() ?? super.newDecoder();
  }

  protected override chunkRead(): void {
    const { decoder } = this;
    if (this.#pool !== undefined && decoder?.decoder.clean === true && this.maxPayload === this.options.maxPayload) {
      this.decoder = undefined;
      this.#pool.giveDecoder(decoder);
    }
  }

  protected override arm(at: number, delayMs: number): void {
    if (this.#timers === undefined) super.arm(at, delayMs);
    else this.#timers.arm(this, at);
  }

  protected override disarm(): void {
    super.disarm();
    this.#timers?.disarm(this);
  }

  // The end

  /** @internal */
  override onClose(closeCode: number, reason: string, error?: Error): void {
    super.onClose(closeCode, reason, error);
    this.#account?.linkGone(this);
  }

  protected override closeTransport(closeCode: number, reason: string): void {
    if (!this.receiver.closed) super.closeTransport(closeCode, reason);
  }

  protected override end(end: LinkEnd): void {
    this.receiver.discard();
    super.end(end);
    this.receiver.finish();
  }
}
