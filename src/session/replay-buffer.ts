/** What a sender keeps until the peer acknowledges it. Pure state, no time, no frames: bytes in, verdicts out. docs/wire.md section 5. */

import type { LargeFrame } from "../link/large-frame.js";
import type { Keeper } from "../link/link-writer.js";
import { isOversize, type SizeLimits } from "./frame-sizes.js";
import { newFrameStore } from "./frame-store.js";
import type { SequenceRange } from "./receive-sequence.js";

/** Bounds of a replay buffer: options of a connection, which all of a server share. */
export interface ReplayLimits {
  readonly replayBytes: number;
  readonly replayFrames: number;
  /** Default: frames may be as old as they like. */
  readonly replayMs?: number;
}

/** Times kept for each `replayMs`: a frame expires early by no more than the part of it that lies between two of them. */
const TIMES = 16;

/** What a sender keeps until the peer acknowledges it: the bytes of whole encoded frames. */
export class ReplayBuffer implements Keeper {
  readonly #limits: ReplayLimits;
  /** The frames from `oldest` up to, not including, `next`. */
  readonly #frames = newFrameStore();
  #oldest = 1;
  #next = 1;
  /** The frame that goes out next, below `next` while frames are sent again, and the bytes of those kept before it. */
  #cursor = 1;
  #inFlight = 0;
  #acked = 0;
  #evicted = 0;
  /** Sequences, and when they were sent at the earliest, as were those behind them up to the next entry. */
  #times: { readonly from: number; readonly at: number }[] | undefined;

  /** The first frame gets the sequence behind `acked`. */
  constructor(limits: ReplayLimits, acked = 0) {
    this.#limits = limits;
    this.#acked = acked;
    this.#oldest = acked + 1;
    this.#next = acked + 1;
    this.#cursor = acked + 1;
  }

  /** The sequence that the next frame gets. */
  get next(): number {
    return this.#next;
  }

  /** Lowest sequence that can still be sent again; `next` if there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Highest sequence that the peer said it has. */
  get acked(): number {
    return this.#acked;
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#frames.bytes;
  }

  /** Memory that holds them. */
  get memory(): number {
    return this.#frames.memory;
  }

  /** Bytes of them that are on their way: all, unless frames are being sent again. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Frames thrown out unacknowledged since the start, because the buffer was full or they were too old. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Whether the next frame should wait until the peer has acknowledged some. Never, where the limits say that nothing is kept. */
  get full(): boolean {
    return this.#keeps() && this.#isFull();
  }

  /**
   * Keeps a copy of the frame that was just given the sequence `next`: the bytes of `buffer` from `start` to `end`. The
   * frame that fills the buffer may take it above its limit; in a buffer that was full the oldest make room for it.
   */
  add(buffer: Uint8Array, start = 0, end = buffer.length): void {
    this.#makeRoom();
    if (this.#keeps()) this.#frames.push(buffer, start, end);
    this.#numbered();
  }

  /** The same for a frame in memory of its own, which is not copied. */
  keep(frame: LargeFrame): void {
    this.#makeRoom();
    if (this.#keeps()) this.#frames.keep(frame);
    this.#numbered();
  }

  #makeRoom(): void {
    while (this.#isFull() && this.#oldest < this.#next) this.#evict();
  }

  /** A frame has got the sequence `next`. */
  #numbered(): void {
    this.#next++;
    this.#cursor = this.#next;
    if (this.#keeps()) {
      this.#inFlight = this.#frames.bytes;
    } else {
      this.#oldest = this.#next;
      this.#evicted++;
    }
  }

  /** The next frame is sent at `now`. Called for each frame where they have a `replayMs`. */
  stamp(now: number): void {
    this.#times ??= [];
    const last = this.#times.at(-1);
    if (last !== undefined && now - last.at < this.#replayMs() / TIMES) return;
    this.#times.push({ from: this.#next, at: now });
    this.#forgetTimes();
  }

  /** Throws out what is older than `replayMs` at `now`. */
  expire(now: number): void {
    const times = this.#times;
    while (times?.[0] !== undefined && times[0].at + this.#replayMs() <= now) {
      times.shift();
      const young = times[0]?.from ?? this.#next;
      while (this.#oldest < young) this.#evict();
    }
  }

  /** Throws out the last frame that is larger than `limits` allow, and all before it: a loss is one range. */
  evictOversize(limits: SizeLimits): void {
    let last = 0;
    for (let sequence = this.#oldest; sequence < this.#next; sequence++) {
      if (isOversize(this.#frames.at(sequence - this.#oldest), limits)) last = sequence;
    }
    while (this.#oldest <= last) this.#evict();
  }

  /** Times of frames that are not kept any more. */
  #forgetTimes(): void {
    const times = this.#times;
    while (times?.[1] !== undefined && times[1].from <= this.#oldest) times.shift();
  }

  /** The peer has everything up to `sequence`. False if it can't have: the frame was never sent. */
  ack(sequence: number): boolean {
    if (!(sequence < this.#next)) return false;
    if (sequence > this.#acked) this.#acked = sequence;
    while (this.#oldest <= sequence) this.#drop();
    return true;
  }

  /** Whether frames are to be sent again before a new one. */
  get behind(): boolean {
    return this.#cursor < this.#next;
  }

  /** Everything kept after `sequence` is to be sent again; `again` gives it frame by frame. */
  rewind(sequence: number): void {
    this.#cursor = this.#oldest;
    this.#inFlight = 0;
    while (this.#cursor <= sequence && this.behind) this.again();
  }

  /** The bytes of the next frame to send again, valid until the buffer changes; `undefined` if there is none. */
  again(): Uint8Array | undefined {
    if (!this.behind) return undefined;
    const frame = this.#frames.at(this.#cursor++ - this.#oldest);
    this.#inFlight += frame.length;
    return frame;
  }

  /** Sequences after `received` that cannot be sent again. */
  missingAfter(received: number): SequenceRange | undefined {
    return this.#oldest > received + 1 ? { from: received + 1, to: this.#oldest - 1 } : undefined;
  }

  /** Gives memory back that is not in use; for a connection that has nothing to send. */
  shrink(): void {
    if (this.#oldest === this.#next) this.#frames.shrink?.();
  }

  #replayMs(): number {
    return this.#limits.replayMs ?? Number.POSITIVE_INFINITY;
  }

  #keeps(): boolean {
    return this.#limits.replayBytes > 0 && this.#limits.replayFrames > 0;
  }

  #isFull(): boolean {
    return this.bytes >= this.#limits.replayBytes || this.#next - this.#oldest >= this.#limits.replayFrames;
  }

  #evict(): void {
    this.#drop();
    this.#evicted++;
  }

  #drop(): void {
    const length = this.#frames.shift();
    if (this.#cursor > this.#oldest) this.#inFlight -= length;
    else this.#cursor++;
    this.#oldest++;
  }
}
