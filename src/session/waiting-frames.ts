/** The frames of a connection that wait: for room or a link, or for the next link; and how long they may. */
import { FramewireError } from "../errors.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { KIND_REQUEST } from "../protocol/frame-kind.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { explain, type Linked } from "./explain.js";
import { expires } from "./frame-queue.js";
import type { Outgoing } from "./outgoing.js";
import { SendQueue } from "./send-queue.js";

export class WaitingFrames {
  readonly #options: ResolvedConnectionOptions;
  readonly #clock: Clock;
  readonly #host: Linked;
  readonly #onDrop: (frame: Outgoing) => void;
  readonly #ready: SendQueue;
  /** Calls for the next link, while the peer is about to close this one, and their numbers. They grow no older here. */
  #later: SendQueue | undefined;
  #laterCalls: Set<number | undefined> | undefined;
  /** Calls that the peer does not take yet, each with what belongs to it, in the order that they were made. */
  readonly #busy: SendQueue;
  #timer: Timer | undefined;

  /** `host` is the connection whose frames wait, for the errors; `onDrop` as in {@link SendQueue}. */
  constructor(options: ResolvedConnectionOptions, clock: Clock, host: Linked, onDrop: (frame: Outgoing) => void) {
    this.#options = options;
    this.#clock = clock;
    this.#host = host;
    this.#onDrop = onDrop;
    this.#ready = new SendQueue(options, onDrop);
    this.#busy = new SendQueue(options, onDrop);
  }

  /** All that waits. */
  get length(): number {
    return this.ready + this.busy + (this.#later?.length ?? 0);
  }

  /** What waits for room, or for any link. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Frames of calls that wait for the end of another. */
  get busy(): number {
    return this.#busy.length;
  }

  /** Bytes of the frames that wait for this link. */
  get bytes(): number {
    return this.#ready.bytes + this.#busy.bytes;
  }

  /** Those of them that wait for other connections too. */
  get sharedBytes(): number {
    return this.#ready.sharedBytes;
  }

  /** Takes a frame in. @throws FramewireError `queue-full` */
  push(frame: Outgoing): void {
    (this.markIfNextLink(frame) ? (this.#later as SendQueue) : this.#ready).push(frame, this.#clock.now());
    if (expires(frame)) this.#watch(this.#options.maxQueuedMs);
  }

  /** Takes a frame in that waits for the end of a call, or belongs to one that does. @throws FramewireError `queue-full` */
  pushBusy(frame: Outgoing): void {
    this.#busy.push(frame, this.#clock.now());
    this.#watch(this.#options.maxQueuedMs);
  }

  /** The same for a frame that was ready. */
  moveToBusy(frame: Outgoing): void {
    this.#busy.append([frame], this.#clock.now());
  }

  /** Whether a frame belongs to a call that waits for the end of another. */
  isBusy({ callId }: Outgoing): boolean {
    return callId !== undefined && this.#busy.hasCall(callId);
  }

  /** The request that has waited longest for the end of a call. What belongs to it is ready from here on. */
  admit(): Outgoing | undefined {
    const request = this.#busy.shift();
    if (request?.callId !== undefined) this.#ready.putBack(this.#busy.removeCall(request.callId), this.#clock.now());
    return request;
  }

  /** The link is another one, or gone: calls wait as all frames do. */
  releaseBusy(): void {
    if (this.busy > 0)
      this.#ready.append(
        this.#busy.remove(() => true),
        this.#clock.now(),
      );
  }

  /** The next frame that is ready. */
  shift(): Outgoing | undefined {
    return this.#ready.shift();
  }

  /** Puts frames that have been sent before in front of all, whatever the bounds. */
  putBack(frames: readonly Outgoing[]): void {
    this.#ready.putBack(frames, this.#clock.now());
  }

  /** Takes out every frame that `match` names. */
  remove(match: (frame: Outgoing) => boolean): Outgoing[] {
    return [...this.#ready.remove(match), ...this.#busy.remove(match), ...(this.#later?.remove(match) ?? [])];
  }

  /** Takes out the frames of a call, and the one that opens it: for version 1 peers that has no number. */
  removeCall(callId: number, request: Outgoing | undefined): Outgoing[] {
    const removed = [...this.#ready.removeCall(callId), ...this.#busy.removeCall(callId), ...(this.#later?.removeCall(callId) ?? [])];
    if (request !== undefined && (this.#ready.removeFrame(request) || this.#later?.removeFrame(request) === true)) removed.push(request);
    return removed;
  }

  /** New calls, and what belongs to them, wait for the next link from here. */
  holdCalls(): void {
    if (this.#later !== undefined) return;
    this.releaseBusy();
    this.#later = new SendQueue(this.#options, this.#onDrop);
    for (const frame of this.#ready.remove((waiting) => this.markIfNextLink(waiting))) this.push(frame);
  }

  /** Whether a frame has to wait for the next link, or belongs to a call that does. A request that has to is remembered, for the later frames of its call. */
  markIfNextLink({ reliable, kind, callId }: Outgoing): boolean {
    if (this.#later === undefined || !reliable) return false;
    this.#laterCalls ??= new Set();
    if (kind === KIND_REQUEST) this.#laterCalls.add(callId);
    return this.#laterCalls.has(callId);
  }

  /** That link is gone: everything waits for the next one. */
  release(): void {
    this.releaseBusy();
    const later = this.#later;
    this.#later = undefined;
    this.#laterCalls = undefined;
    if (later === undefined) return;
    this.putBack(later.remove(() => true));
    this.#watch(this.#options.maxQueuedMs);
  }

  /** Gives out what waits and `match` names; no timer is left. By default that is all that may be given up. */
  clear(match: (frame: Outgoing) => boolean = expires): Outgoing[] {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.remove(match);
  }

  /** Called when a frame begins to wait: with no timer set, it is the oldest that may expire. */
  #watch(delayMs: number): void {
    this.#timer ??= this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (const frame of [...this.#ready.expire(now), ...this.#busy.expire(now)]) {
        frame.owner?.frameSettled(this.#expired());
      }
      const expiresAt = Math.min(this.#ready.expiresAt, this.#busy.expiresAt);
      if (expiresAt !== Number.POSITIVE_INFINITY) this.#watch(expiresAt - now);
    });
  }

  #expired(): FramewireError {
    const { maxQueuedMs } = this.#options;
    const why = explain === undefined ? "" : `: ${explain.away(this.#host)}`;
    return new FramewireError("queue-expired", `waited longer than ${maxQueuedMs} ms (maxQueuedMs) to be sent${why}`);
  }
}
