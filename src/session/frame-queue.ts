/** Frames in a row, found by their call or command as well: taking one out costs the same however many wait. */
import { newOpenCalls, type OpenCalls } from "../runtime/open-calls.js";
import { type Outgoing, QueuedFrame } from "./outgoing.js";

/**
 * Whether a frame may be given up: its sender would hear of it. Items, replies and the like belong to something that the
 * peer knows of already; taking one out of the middle would be a loss that nobody is told of. What a journal keeps was
 * promised to its sender.
 */
export function expires(frame: Outgoing): boolean {
  return frame.owner !== undefined && !frame.kept;
}

export class FrameQueue {
  #first: QueuedFrame | undefined;
  #last: QueuedFrame | undefined;
  #length = 0;
  /** The first of each call, and of each command among the frames that belong to no call. */
  readonly #calls = newOpenCalls<QueuedFrame>();
  readonly #commands = new Map<number, QueuedFrame>();
  /** Those that may be given up, in the order in which they began to wait. */
  readonly #ages = new Set<QueuedFrame>();

  get length(): number {
    return this.#length;
  }

  /** The first frame of a call. */
  ofCall(callId: number): QueuedFrame | undefined {
    return this.#calls.get(callId);
  }

  /** The first frame of a command that belongs to no call. */
  ofCommand(cmd: number): QueuedFrame | undefined {
    return this.#commands.get(cmd);
  }

  /** Those that may be given up, the one that has waited longest first. */
  get ages(): Iterable<QueuedFrame> {
    return this.#ages;
  }

  push(frame: Outgoing, now: number): void {
    const last = this.#last;
    const waiting = this.#enter(frame, now);
    waiting.before = last;
    if (last === undefined) this.#first = waiting;
    else last.after = waiting;
    this.#last = waiting;
    this.#join(waiting, false);
  }

  /** Puts a frame in front of all. */
  unshift(frame: Outgoing, now: number): void {
    const first = this.#first;
    const waiting = this.#enter(frame, now);
    waiting.after = first;
    if (first === undefined) this.#last = waiting;
    else first.before = waiting;
    this.#first = waiting;
    this.#join(waiting, true);
  }

  shift(): Outgoing | undefined {
    const first = this.#first;
    if (first !== undefined) this.take(first);
    return first?.frame;
  }

  /** Takes a frame out. */
  take(waiting: QueuedFrame): void {
    const { frame, before, after, sameBefore, sameAfter } = waiting;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    const index = this.#indexOf(frame);
    const key = frame.callId ?? frame.cmd;
    if (sameAfter === waiting) index.delete(key);
    else if (index.get(key) === waiting) index.set(key, sameAfter);
    sameBefore.sameAfter = sameAfter;
    sameAfter.sameBefore = sameBefore;
    this.#ages.delete(waiting);
    this.#length--;
    frame.waiting = undefined;
  }

  *[Symbol.iterator](): Generator<QueuedFrame> {
    for (let waiting = this.#first; waiting !== undefined; ) {
      const { after }: QueuedFrame = waiting;
      yield waiting;
      waiting = after;
    }
  }

  #enter(frame: Outgoing, now: number): QueuedFrame {
    const waiting = new QueuedFrame(frame, this, Math.ceil(now));
    frame.waiting = waiting;
    this.#length++;
    if (expires(frame)) this.#ages.add(waiting);
    return waiting;
  }

  /** Puts a frame behind, or before, all of its call or command. */
  #join(waiting: QueuedFrame, front: boolean): void {
    const { frame } = waiting;
    const index = this.#indexOf(frame);
    const key = frame.callId ?? frame.cmd;
    const first = index.get(key);
    if (first === undefined || front) index.set(key, waiting);
    if (first === undefined) return;
    const last = first.sameBefore;
    waiting.sameBefore = last;
    waiting.sameAfter = first;
    last.sameAfter = waiting;
    first.sameBefore = waiting;
  }

  #indexOf(frame: Outgoing): Pick<OpenCalls<QueuedFrame>, "get" | "set" | "delete"> {
    return frame.callId === undefined ? this.#commands : this.#calls;
  }
}
