/**
 * Fair scheduling on servers, as a wrapper of a link's receiver: passes what arrives to the link while it may use the event loop, and holds
 * the rest. docs/decisions/fair-scheduling.md
 */
import type { FrameView } from "../codec/index.js";
import type { FramewireError } from "../errors.js";
import type { Clock } from "../runtime/clock.js";
import { type FairScheduler, type Pausable, PausedReader } from "../runtime/fair-scheduler.js";
import type { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { PAUSED_HOLDING, PAUSED_YIELDED } from "./link.js";
import { USELESS_FRAME_WEIGHT } from "./rate-limit.js";
import type { TransportReceiver } from "./transport.js";

/** The link whose reading is scheduled. */
export interface ScheduledLink extends Required<TransportReceiver> {
  readonly open: boolean;
  /** Reads a chunk, the work for which has started at `startedMs`; returns how many bytes were read. */
  read(chunk: Uint8Array, startedMs: number): number;
  /** Reads no more of the chunk than the frame at hand. */
  stopReading(): void;
  pauseFor(reason: number): void;
  resumeFrom(reason: number): void;
  /** The memory that is held for the link may have changed. */
  changed(): void;
  /** Something of this side threw. */
  broken(error: unknown): void;
}

/** CPU time that a connection may use in every millisecond without being counted as busy, in microseconds. */
const FAIR_SHARE_US = 100;

/**
 * A chunk with no more checks than this holds few frames. If they took long on a connection that is not busy, something else took the time, the
 * garbage collector or another process.
 */
const MAX_BRIEF_CHECKS = 3;

/** CPU time for each unit of weight of `onAlive`, in microseconds: 2 for a control frame of WebSocket, read and answered. */
const US_PER_WEIGHT = 2 / USELESS_FRAME_WEIGHT;

export class FairReceiver implements TransportReceiver, Pausable {
  readonly #link: ScheduledLink;
  readonly #scheduler: FairScheduler;
  readonly #clock: Clock;
  /** Schedules the bytes of the handshake; absent from the first frame after it. */
  throttle: HandshakeThrottle | undefined = undefined;
  /** CPU time used in this turn, in whole microseconds. */
  #turnUs = 0;
  /** When the work for the last chunk started, in whole milliseconds. */
  #startedMs = 0;
  #framesUntilCheck = 1;
  /** Checks of the elapsed time in the chunk at hand. */
  #checks = 0;
  /** Present while bytes that arrived are held. */
  #paused: PausedReader | undefined;
  /** The owner has not decided yet what becomes of the bytes that arrive. */
  holding = false;
  /** Runs when all held bytes are read: the transport is closed, or broke a rule. */
  #afterHeld: (() => void) | undefined;
  /** The transport is closed, though bytes of it may still be held. */
  closed = false;

  constructor(link: ScheduledLink, scheduler: FairScheduler, clock: Clock) {
    this.#link = link;
    this.#scheduler = scheduler;
    this.#clock = clock;
  }

  /** Whether bytes that arrived are held. */
  get paused(): boolean {
    return this.#paused !== undefined;
  }

  /** Memory of the bytes that are held. */
  get memory(): number {
    return this.#paused === undefined ? 0 : this.#paused.memory;
  }

  /** Asked after each frame: whether the link is to stop reading, though its chunk holds more. */
  shouldYield(): boolean {
    if (--this.#framesUntilCheck !== 0) return false;
    const scheduler = this.#scheduler;
    if (!scheduler.mayHold) return false;
    const us = scheduler.elapsedUs;
    this.#checks++;
    this.#framesUntilCheck = scheduler.framesUntilCheck(us);
    return scheduler.isOver(this.#turnUs + us, us);
  }

  /**
   * Stops reading, and holds what arrives after the frame at hand until the owner has decided what becomes of it. `again`: the frame at hand
   * is delivered once more then.
   */
  hold(again?: FrameView): void {
    this.holding = true;
    this.#link.pauseFor(PAUSED_HOLDING);
    this.#link.stopReading();
    if (again !== undefined && this.#link.open) this.#hold().repeat(again.bytes());
  }

  /** Delivers what was held to the owner that the link has now, one turn at a time, and reads on. */
  release(): void {
    if (this.#paused !== undefined) this.#link.pauseFor(PAUSED_YIELDED);
    this.holding = false;
    this.#link.resumeFrom(PAUSED_HOLDING);
    this.#paused?.enqueue();
  }

  /** The link ends: what is held is dropped. */
  discard(): void {
    this.#paused?.discard();
    this.#paused = undefined;
  }

  #hold(): PausedReader {
    this.#paused ??= new PausedReader(this, this.#scheduler);
    return this.#paused;
  }

  // TransportReceiver

  onData(chunk: Uint8Array): void {
    const { throttle } = this;
    if (!this.#link.open) return;
    if (throttle === undefined || this.#paused !== undefined || this.holding) return this.#readOrHold(chunk);
    if (throttle.free) return this.#throttled(throttle, () => this.#readOrHold(chunk));
    this.#link.pauseFor(PAUSED_YIELDED);
    const paused = this.#hold();
    paused.add(chunk);
    this.#link.changed();
    this.#throttled(throttle, () => paused.resume());
  }

  #throttled(throttle: HandshakeThrottle, task: () => void): void {
    const running = throttle.run(task);
    if (running !== undefined) running.then(undefined, (error) => this.#link.broken(error));
  }

  #readOrHold(chunk: Uint8Array): void {
    const taken = this.#paused === undefined && !this.holding ? this.#read(chunk) : 0;
    if (taken < chunk.length && this.#link.open) this.#hold().add(chunk.subarray(taken));
    this.#link.changed();
  }

  #read(chunk: Uint8Array): number {
    const link = this.#link;
    try {
      const startedMs = this.#clock.now();
      this.#start(Math.floor(startedMs));
      this.#scheduler.start(startedMs);
      this.#framesUntilCheck = 1;
      this.#checks = 0;
      const taken = link.read(chunk, startedMs);
      if (link.open) this.#yieldIfDue(this.#scheduler.elapsedUs, taken < chunk.length);
      return taken;
    } catch (error) {
      link.broken(error);
      return 0;
    }
  }

  /** Work for the link starts. */
  #start(nowMs: number): void {
    this.#turnUs = Math.max(0, this.#turnUs - (nowMs - this.#startedMs) * FAIR_SHARE_US);
    this.#startedMs = nowMs;
  }

  /** Work for the link has ended after `us`. `stopped`: before the end of the chunk. One socket can bring megabytes before Node reads the next one. */
  #yieldIfDue(us: number, stopped: boolean): void {
    const scheduler = this.#scheduler;
    const brief = !stopped && this.#checks <= MAX_BRIEF_CHECKS && this.#turnUs < FAIR_SHARE_US;
    this.#turnUs += us;
    scheduler.count(us);
    if (this.#paused !== undefined || this.holding || (!stopped && !scheduler.isOver(this.#turnUs, us))) return;
    this.#link.pauseFor(PAUSED_YIELDED);
    this.#paused = scheduler.pause(this, brief);
  }

  onAlive(weight = 0): void {
    const link = this.#link;
    if (weight === 0 || !link.open) return link.onAlive();
    try {
      this.#start(Math.floor(this.#clock.now()));
      link.onAlive(weight);
      if (link.open) this.#yieldIfDue(Math.round(weight * US_PER_WEIGHT), false);
    } catch (error) {
      link.broken(error);
    }
  }

  onDrain(): void {
    this.#link.onDrain();
  }

  onViolation(message: string, error?: FramewireError): void {
    this.#afterHeldBytes(() => this.#link.onViolation(message, error));
  }

  onClose(closeCode: number, reason: string, error?: Error): void {
    this.closed = true;
    this.#afterHeldBytes(() => this.#link.onClose(closeCode, reason, error));
  }

  /** Runs `then` when all held bytes are read, in turns as before: a peer that closes gets no more time than one that stays. */
  #afterHeldBytes(then: () => void): void {
    if (this.#paused === undefined || this.holding) return then();
    const earlier = this.#afterHeld;
    this.#afterHeld =
      earlier === undefined
        ? then
        : () => {
            earlier();
            then();
          };
  }

  /** All held bytes are read, or dropped. */
  finish(): void {
    const then = this.#afterHeld;
    this.#afterHeld = undefined;
    then?.();
  }

  // Pausable

  take(chunk: Uint8Array): number {
    const taken = this.#read(chunk);
    this.#link.changed();
    return taken;
  }

  turnStarts(): void {
    this.#turnUs = 0;
  }

  allTaken(): void {
    this.#paused = undefined;
    this.#link.changed();
    this.#link.resumeFrom(PAUSED_YIELDED);
    this.finish();
  }
}
