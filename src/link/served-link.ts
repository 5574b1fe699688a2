/**
 * A link of a server: one of thousands, whose peers may send as much as they can. It meters its peer, takes turns with the others, keeps
 * what arrives before it may be looked at, and is counted.
 */
import type { FrameView } from "../codec/index.js";
import type { FramewireError } from "../errors.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Clock } from "../runtime/clock.js";
import { type FairScheduler, type Pausable, PausedReader } from "../runtime/fair-scheduler.js";
import type { FlushedLink, FlushRounds } from "../runtime/flush-rounds.js";
import type { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { DECODER_MEMORY } from "../runtime/memory-costs.js";
import type { QueueEntry, TimerQueue } from "../runtime/timer-queue.js";
import type { AccountKeeper } from "./account.js";
import type { CodecPool, PooledDecoder } from "./codec-pool.js";
import { Link, type LinkEnd, type LinkOwner, PAUSED_FOR_OTHERS, PAUSED_HOLDING } from "./link.js";
import type { Heartbeat } from "./liveness.js";
import { type RateMeter, USELESS_FRAME_WEIGHT } from "./rate-limit.js";
import type { Transport } from "./transport.js";

/** What the links of a server share. */
export interface SharedByLinks {
  /** Decoders and encoders. */
  readonly pool?: CodecPool<Link> | undefined;
  /** The queue that their timers are entries of. */
  readonly timers?: TimerQueue | undefined;
  /** The turns of those whose peers send a lot. */
  readonly scheduler: FairScheduler;
  /** The rounds in which messages that go to many leave. */
  readonly rounds: FlushRounds;
  /** Counts what they hold. */
  readonly account?: AccountKeeper | undefined;
}

/** What a peer may have of every millisecond and not count as one that sends a lot, in microseconds. */
const FAIR_SHARE_US = 100;

/**
 * Who was looked at no more often than this brought a few frames. If they took long and nothing else was owed, something else took the
 * time, the garbage collector or another process: it says nothing about the peer.
 */
const MAX_BRIEF_CHECKS = 3;

/** What is worked on below for each unit of weight that `onAlive` brings, in microseconds: 2 for a control frame of WebSocket, read and answered. */
const US_PER_WEIGHT = 2 / USELESS_FRAME_WEIGHT;

export class ServedLink extends Link implements QueueEntry, Pausable, FlushedLink {
  readonly #pool: CodecPool<Link> | undefined;
  readonly #timers: TimerQueue | undefined;
  readonly #rate: RateMeter;
  readonly #scheduler: FairScheduler;
  readonly #rounds: FlushRounds;
  /** It waits there. */
  #inRounds = false;
  /** Nothing that was written for many has to leave. */
  #flushed = true;
  readonly #account: AccountKeeper | undefined;
  /** Time spent on this peer since its turn began, in whole microseconds. */
  #spentUs = 0;
  /** Frames until that is looked at. */
  #untilLook = 1;
  /** How often it was looked at since the work at hand began. */
  #looks = 0;
  /** There while something that was received waits: for the next turn, or for the owner's decision. */
  #waiting: PausedReader | undefined;
  /** What follows when nothing waits any more: the transport is closed, or broke a rule. */
  #afterTaken: (() => void) | undefined;
  #closed = false;
  /** @internal Where it stands in the queue of timers. */
  place = -1;
  /** @internal Bytes that its account has counted for it; -1 when its socket is gone. */
  counted = 0;

  /** Where what the link brings waits until there is time for it; gone with the first frame behind the handshake. */
  throttle: HandshakeThrottle | undefined = undefined;

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
    this.#pool = shared.pool;
    this.#timers = shared.timers;
    this.#rate = rate;
    this.#scheduler = shared.scheduler;
    this.#rounds = shared.rounds;
    this.#account = shared.account;
  }

  /** Whether something that it has brought waits to be looked at. */
  get waits(): boolean {
    return this.#waiting !== undefined;
  }

  /** Memory of what the peer has sent and its owner has not been given. */
  get receivedMemory(): number {
    const decoder = this.decoder === undefined ? 0 : DECODER_MEMORY + this.decoder.decoder.memory;
    return decoder + (this.#waiting?.memory ?? 0) + (this.transport.incomingMemory ?? 0);
  }

  /** The first frame may be a hello, which may be longer than what follows it. Before `start`. */
  set firstPayload(bytes: number) {
    this.maxPayload = Math.max(bytes, this.options.maxPayload);
  }

  /** The first frame is here: those after it are as long as the options say. */
  firstTaken(): void {
    const { maxPayload } = this.options;
    if (this.maxPayload === maxPayload) return;
    this.maxPayload = maxPayload;
    this.decoder?.decoder.update({ maxPayload });
  }

  /**
   * Stops reading and keeps what has arrived after the frame at hand as it is, until the owner can say what becomes of it. `again`: the
   * frame at hand is delivered once more then.
   */
  hold(again?: FrameView): void {
    this.pauseFor(PAUSED_HOLDING);
    this.decoder?.decoder.stop();
    if (again !== undefined && this.open) this.#toWait().repeat(again.bytes());
  }

  /** Gives what `hold` has kept to the owner there is now, a turn at a time, and reads on. */
  release(): void {
    if (this.#waiting !== undefined) this.pauseFor(PAUSED_FOR_OTHERS);
    this.resumeFrom(PAUSED_HOLDING);
    this.#waiting?.enqueue();
  }

  /** @internal Whether the owner is still to say what becomes of what arrives. */
  get holding(): boolean {
    return (this.paused & PAUSED_HOLDING) !== 0;
  }

  #toWait(): PausedReader {
    this.#waiting ??= new PausedReader(this, this.#scheduler);
    return this.#waiting;
  }

  /** Drops the socket of a link that has ended, with what it has not taken. */
  drop(): void {
    this.transport.destroy();
    this.#account?.linkGone(this);
  }

  protected override changed(): void {
    this.#account?.linkChanged(this);
  }

  // What goes to many

  protected override flushWithMany(): void {
    if (this.leaving) return super.flushWithMany();
    this.#flushed = false;
    if (this.#inRounds) return;
    this.#inRounds = true;
    this.#rounds.add(this);
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

  // What its peer costs

  override charge(weight: number): void {
    this.#rate.add(weight);
    // Not only when the chunk is done: it may hold thousands of them.
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

  protected override begins(started: number): void {
    this.#beganAt(Math.floor(started));
    this.#scheduler.start(started);
    this.#untilLook = 1;
    this.#looks = 0;
  }

  /** Work for the peer begins. */
  #beganAt(now: number): void {
    this.#spentUs = Math.max(0, this.#spentUs - (now - this.now) * FAIR_SHARE_US);
    this.now = now;
  }

  override deliver(frame: FrameView): void {
    if (this.open) this.#rate.add(1);
    if (this.throttle !== undefined && this.owner.handshaking !== true) this.throttle = undefined;
    super.deliver(frame);
    if (--this.#untilLook === 0) this.#look();
  }

  /** Within a chunk, which may hold thousands of frames: the rest of it waits when the turn is over. */
  #look(): void {
    const scheduler = this.#scheduler;
    if (!scheduler.mayHold) return;
    const us = scheduler.elapsedUs;
    this.#looks++;
    this.#untilLook = scheduler.framesUntilCheck(us);
    if (scheduler.isOver(this.#spentUs + us, us)) this.decoder?.decoder.stop();
  }

  protected override newDecoder(): PooledDecoder<Link> {
    return this.#pool?.decoders.pop() ?? super.newDecoder();
  }

  protected override arm(at: number, delayMs: number): void {
    if (this.#timers === undefined) super.arm(at, delayMs);
    else this.#timers.arm(this, at);
  }

  protected override disarm(): void {
    super.disarm();
    this.#timers?.disarm(this);
  }

  protected override ends(stopped: boolean): void {
    const { decoder } = this;
    if (this.#pool !== undefined && decoder?.decoder.clean === true && this.maxPayload === this.options.maxPayload) {
      this.decoder = undefined;
      this.#pool.giveDecoder(decoder);
    }
    this.#giveWay(this.#scheduler.elapsedUs, stopped);
  }

  /** One socket can bring megabytes before Node looks at the next one: a peer that sends a lot waits for the others now and then. */
  #giveWay(us: number, stopped: boolean): void {
    const scheduler = this.#scheduler;
    const brief = !stopped && this.#looks <= MAX_BRIEF_CHECKS && this.#spentUs < FAIR_SHARE_US;
    this.#spentUs += us;
    scheduler.count(us);
    if (this.#waiting !== undefined || this.holding || (!stopped && !scheduler.isOver(this.#spentUs, us))) return;
    this.pauseFor(PAUSED_FOR_OTHERS);
    this.#waiting = scheduler.pause(this, brief);
  }

  /** @internal */
  turnStarts(): void {
    this.#spentUs = 0;
  }

  /** @internal */
  allTaken(): void {
    this.#waiting = undefined;
    this.changed();
    this.resumeFrom(PAUSED_FOR_OTHERS);
    this.#taken();
  }

  // TransportReceiver

  /** @internal */
  override onData(chunk: Uint8Array): void {
    if (!this.open) return;
    const { throttle } = this;
    if (throttle === undefined || this.#waiting !== undefined || this.holding) return this.#takeOrWait(chunk);
    if (throttle.free) return this.#throttled(throttle, () => this.#takeOrWait(chunk));
    this.pauseFor(PAUSED_FOR_OTHERS);
    const waiting = this.#toWait();
    waiting.add(chunk);
    this.changed();
    this.#throttled(throttle, () => waiting.resume());
  }

  #throttled(throttle: HandshakeThrottle, work: () => void): void {
    const running = throttle.run(work);
    if (running !== undefined) running.then(undefined, (error) => this.broken(error));
  }

  #takeOrWait(chunk: Uint8Array): void {
    const taken = this.#waiting === undefined && !this.holding ? this.read(chunk) : 0;
    if (taken < chunk.length && this.open) this.#toWait().add(chunk.subarray(taken));
    this.changed();
  }

  /** @internal Of what waits: as much as there is time for. */
  take(chunk: Uint8Array): number {
    const taken = this.read(chunk);
    this.changed();
    return taken;
  }

  /** @internal */
  override onAlive(weight = 0): void {
    if (weight > 0 && this.open) this.#chargeBelow(weight);
    super.onAlive();
  }

  /** What came below our frames. One by one, as frames of ours: only the one that exceeds a rate does not count for its address. */
  #chargeBelow(weight: number): void {
    try {
      this.#beganAt(this.time());
      for (let left = weight; left > 0 && this.open; left -= USELESS_FRAME_WEIGHT) this.charge(Math.min(left, USELESS_FRAME_WEIGHT));
      if (this.open) this.#giveWay(Math.round(weight * US_PER_WEIGHT), false);
    } catch (error) {
      this.broken(error);
    }
  }

  /** @internal */
  override onViolation(message: string, error?: FramewireError): void {
    this.#onceTaken(() => super.onViolation(message, error));
  }

  /** @internal */
  override onClose(closeCode: number, reason: string, error?: Error): void {
    this.#closed = true;
    this.#onceTaken(() => {
      super.onClose(closeCode, reason, error);
      this.#account?.linkGone(this);
    });
  }

  protected override closeTransport(closeCode: number, reason: string): void {
    if (!this.#closed) super.closeTransport(closeCode, reason);
  }

  /** Runs `then` when everything received before is taken, in turns as ever: a peer that leaves must not get more time than one that stays. */
  #onceTaken(then: () => void): void {
    if (this.#waiting === undefined || this.holding) return then();
    const earlier = this.#afterTaken;
    this.#afterTaken =
      earlier === undefined
        ? then
        : () => {
            earlier();
            then();
          };
  }

  #taken(): void {
    const then = this.#afterTaken;
    this.#afterTaken = undefined;
    then?.();
  }

  protected override end(end: LinkEnd): void {
    this.#waiting?.discard();
    this.#waiting = undefined;
    super.end(end);
    this.#taken();
  }
}
