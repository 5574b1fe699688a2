/** Frames that wait to be sent, within bounds, and what happens to those of a receiver that does not keep up. */
import { FramewireError, inFull } from "../errors.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { serving } from "../runtime/serving.js";
import { FrameQueue } from "./frame-queue.js";
import type { Outgoing, QueuedFrame } from "./outgoing.js";

/** Memory that a queued frame costs beside its payload, roughly. */
const FRAME_OVERHEAD = 128;

function costOf(frame: Outgoing): number {
  return FRAME_OVERHEAD + (frame.payload?.length ?? 0) + (frame.ext?.length ?? 0);
}

/** Frames that wait for a connection, or for room in the socket; bounded in bytes, frames and age. */
export class SendQueue {
  readonly #options: ResolvedConnectionOptions;
  readonly #waiting = new FrameQueue();
  readonly #onDrop: (frame: Outgoing) => void;
  #bytes = 0;
  #sharedBytes = 0;

  /** `onDrop` is called for frames that are dropped by their slow-consumer policy, and reports that to their owners. */
  constructor(options: ResolvedConnectionOptions, onDrop: (frame: Outgoing) => void) {
    this.#options = options;
    this.#onDrop = onDrop;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Those of them that wait in other queues too. */
  get sharedBytes(): number {
    return this.#sharedBytes;
  }

  /** When the first frame has waited too long. */
  get expiresAt(): number {
    for (const { at } of this.#waiting.ages) return at + this.#options.maxQueuedMs;
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a frame in, or drops it or others as its slow-consumer policy says.
   * @throws FramewireError `queue-full` if there is no room and the policy is to close.
   */
  push(frame: Outgoing, now: number): void {
    const policy = frame.slowConsumer;
    const cost = costOf(frame);
    if (policy === "keep-latest") for (const queued of this.#removeCommand(frame.cmd)) this.#onDrop(queued);
    if (policy === "drop-oldest") while (!this.#fits(cost) && this.#dropOldest(frame.cmd));
    if (!this.#fits(cost)) {
      if (policy !== "close") return this.#onDrop(frame);
      const { maxQueuedFrames, maxQueuedBytes } = this.#options;
      throw new FramewireError(
        "queue-full",
        inFull
          ? `${this.length} frames and ${this.#bytes} bytes wait to be sent; maxQueuedFrames is ${maxQueuedFrames}, maxQueuedBytes ${maxQueuedBytes}`
          : "maxQueuedFrames or maxQueuedBytes wait to be sent",
      );
    }
    this.#waiting.push(frame, now);
    this.#entered(frame, cost);
  }

  /** Whether frames of this call wait here. */
  hasCall(callId: number): boolean {
    return this.#waiting.ofCall(callId) !== undefined;
  }

  /** Takes frames in that have waited elsewhere, whatever the bounds. */
  append(frames: readonly Outgoing[], now: number): void {
    for (const frame of frames) {
      this.#waiting.push(frame, now);
      this.#entered(frame, costOf(frame));
    }
  }

  /** Puts frames that have been through the queue before back in front, whatever the bounds. */
  putBack(frames: readonly Outgoing[], now: number): void {
    for (let i = frames.length - 1; i >= 0; i--) {
      const frame = frames[i] as Outgoing;
      this.#waiting.unshift(frame, now);
      this.#entered(frame, costOf(frame));
    }
  }

  shift(): Outgoing | undefined {
    const frame = this.#waiting.shift();
    if (frame !== undefined) this.#left(frame);
    return frame;
  }

  #entered(frame: Outgoing, cost: number): void {
    this.#bytes += cost;
    const { broadcast } = frame;
    if (!serving || broadcast === undefined) return;
    this.#sharedBytes += broadcast.payload.length;
    broadcast.retain();
  }

  #left(frame: Outgoing): void {
    this.#bytes -= costOf(frame);
    const { broadcast } = frame;
    if (!serving || broadcast === undefined) return;
    this.#sharedBytes -= broadcast.payload.length;
    broadcast.release();
  }

  /** Takes out the frames that have waited too long. */
  expire(now: number): Outgoing[] {
    const expired: Outgoing[] = [];
    for (const waiting of this.#waiting.ages) {
      if (waiting.at + this.#options.maxQueuedMs > now) break;
      expired.push(this.#take(waiting));
    }
    return expired;
  }

  /** Takes out every frame that `match` names. */
  remove(match: (frame: Outgoing) => boolean): Outgoing[] {
    const removed: Outgoing[] = [];
    for (const waiting of this.#waiting) if (match(waiting.frame)) removed.push(this.#take(waiting));
    return removed;
  }

  /** Takes one frame out. False if it does not wait here. */
  removeFrame({ waiting }: Outgoing): boolean {
    if (waiting?.queue !== this.#waiting) return false;
    this.#take(waiting);
    return true;
  }

  /** Takes out every frame of a call. */
  removeCall(callId: number): Outgoing[] {
    const removed: Outgoing[] = [];
    for (let next = this.#waiting.ofCall(callId); next !== undefined; next = this.#waiting.ofCall(callId)) removed.push(this.#take(next));
    return removed;
  }

  /** Takes out every frame of a command that belongs to no call. */
  #removeCommand(cmd: number): Outgoing[] {
    const removed: Outgoing[] = [];
    for (let next = this.#waiting.ofCommand(cmd); next !== undefined; next = this.#waiting.ofCommand(cmd)) removed.push(this.#take(next));
    return removed;
  }

  #take(waiting: QueuedFrame): Outgoing {
    const { frame } = waiting;
    this.#waiting.take(waiting);
    this.#left(frame);
    return frame;
  }

  /** Drops the first frame of a command that belongs to no call. */
  #dropOldest(cmd: number): boolean {
    const oldest = this.#waiting.ofCommand(cmd);
    if (oldest === undefined) return false;
    this.#onDrop(this.#take(oldest));
    return true;
  }

  #fits(cost: number): boolean {
    return this.#bytes + cost <= this.#options.maxQueuedBytes && this.length < this.#options.maxQueuedFrames;
  }
}
