/**
 * Shares the event loop between the connections of a server. A busy connection may use 1 ms of CPU before it yields. One yielded
 * connection resumes per event-loop turn, so a quiet connection waits for at most one of them. docs/decisions/fair-scheduling.md
 */

import type { Clock } from "./clock.js";
import { CHUNK_MEMORY } from "./memory-costs.js";
import { Queue } from "./queue.js";

/** CPU time that a connection may use before it yields, in microseconds. */
const MAX_TURN_US = 1000;

/** The same without a pause, in an event-loop turn in which busy connections have used `MAX_TURN_US` already. */
const MAX_SHORT_TURN_US = 250;

/**
 * The scheduler checks the elapsed time after the first frame, then less often, at least every 8 frames; and after every frame once
 * 0.1 ms has passed.
 */
const MAX_FRAMES_UNCHECKED = 8;
const FREQUENT_CHECKS_US = 100;

/** While the paused connections hold more bytes than this, no connection yields within a chunk. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;

/** Connections of the brief queue that resume per event-loop turn: together they use one turn, if each uses a short one. */
const BRIEF_PER_ROUND = MAX_TURN_US / MAX_SHORT_TURN_US;

/** A connection whose reading can be paused. */
export interface Pausable {
  /** Reads bytes that were received earlier; returns how many were read before the turn was over. */
  take(bytes: Uint8Array): number;
  /** A new turn starts. */
  turnStarts(): void;
  /** Nothing may be read now: the bytes stay where they are until the connection is queued again. */
  readonly holding: boolean;
  /** All bytes that were held are read: the connection may receive again. */
  allTaken(): void;
}

/** A connection that is paused, with the bytes that it has received and not read. */
export class PausedReader {
  readonly #target: Pausable;
  readonly #scheduler: FairScheduler;
  readonly #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are read. */
  #taken = 0;
  /** A frame that is to be read again, before everything else. */
  #again: Uint8Array | undefined;
  #memory = 0;
  #discarded = false;

  constructor(target: Pausable, scheduler: FairScheduler) {
    this.#target = target;
    this.#scheduler = scheduler;
  }

  /** Memory of the bytes that it holds. */
  get memory(): number {
    return this.#memory;
  }

  /** Keeps a copy of bytes, after those that it holds already. */
  add(bytes: Uint8Array): void {
    if (this.#discarded) return;
    this.#scheduler.heldBytes += bytes.length;
    this.#memory += bytes.length + CHUNK_MEMORY;
    // A view would retain the whole buffer that the transport has read into.
    this.#chunks.push(new Uint8Array(bytes));
  }

  /** Keeps a frame that is to be read once more. The bytes belong to the reader from here on. */
  repeat(frame: Uint8Array): void {
    this.#again = frame;
    this.#scheduler.heldBytes += frame.length;
    this.#memory += frame.length + CHUNK_MEMORY;
  }

  /** Queues it for its next turn. */
  enqueue(): void {
    if (!this.#discarded) this.#scheduler.enqueue(this);
  }

  /** Reads until the turn is over. */
  #read(): void {
    const again = this.#again;
    if (again !== undefined && !this.#target.holding) {
      this.#again = undefined;
      this.#release(again);
      this.#target.take(again);
    }
    for (let chunk = this.#chunks[0]; chunk !== undefined && !this.#target.holding; chunk = this.#chunks[0]) {
      const taken = this.#target.take(this.#taken === 0 ? chunk : chunk.subarray(this.#taken));
      if (this.#discarded) break;
      this.#scheduler.heldBytes -= taken;
      this.#taken += taken;
      if (this.#taken === chunk.length) {
        this.#memory -= chunk.length + CHUNK_MEMORY;
        this.#chunks.shift();
        this.#taken = 0;
      } else {
        break;
      }
    }
  }

  /** A turn would do nothing: it is discarded, or its connection is holding. */
  get idle(): boolean {
    return this.#discarded || this.#target.holding;
  }

  /** Gives its connection a turn. */
  resume(): void {
    if (this.idle) return;
    this.#target.turnStarts();
    this.#read();
    if (this.#target.holding) return;
    if (this.#chunks.length > 0) this.#scheduler.enqueue(this);
    else if (!this.#discarded) this.#target.allTaken();
  }

  /** Its connection has ended: drops the bytes that it holds. */
  discard(): void {
    this.#discarded = true;
    this.#scheduler.heldBytes += this.#taken;
    if (this.#again !== undefined) this.#release(this.#again);
    this.#again = undefined;
    for (const { length } of this.#chunks.splice(0)) this.#scheduler.heldBytes -= length;
    this.#memory = 0;
  }

  #release(bytes: Uint8Array): void {
    this.#scheduler.heldBytes -= bytes.length;
    this.#memory -= bytes.length + CHUNK_MEMORY;
  }
}

export class FairScheduler {
  readonly #clock: Clock;
  /** Connections that used their share. */
  readonly #busy = new Queue<PausedReader>();
  /** Connections that exceeded their share once, with few frames: they do not wait for all busy ones. */
  readonly #brief = new Queue<PausedReader>();
  /** Whether the next round is scheduled. */
  #scheduled = false;
  /** CPU time that busy connections have used in this round. */
  #roundUs = 0;
  #counting = false;
  #startedMs = 0;
  /** Frames from one check to the next. */
  #checkFrames = 1;
  /** Bytes that all paused connections hold. */
  heldBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Work for a connection starts now. */
  start(nowMs: number): void {
    this.#startedMs = nowMs;
    this.#checkFrames = 1;
  }

  /** Microseconds since `start`, in whole. */
  get elapsedUs(): number {
    return Math.round((this.#clock.now() - this.#startedMs) * 1000);
  }

  /** The number of frames after which the elapsed time, now `us`, is to be checked again. */
  framesUntilCheck(us: number): number {
    this.#checkFrames = us > FREQUENT_CHECKS_US ? 1 : Math.min(MAX_FRAMES_UNCHECKED, 2 * this.#checkFrames);
    return this.#checkFrames;
  }

  /** Whether a connection must yield that has used `turnUs` in this turn, `elapsedUs` of them without a pause. */
  isOver(turnUs: number, elapsedUs: number): boolean {
    return turnUs >= MAX_TURN_US || (elapsedUs >= MAX_SHORT_TURN_US && this.#roundUs >= MAX_TURN_US);
  }

  /** Whether more bytes may be held. */
  get mayHold(): boolean {
    return this.heldBytes < MAX_HELD_BYTES;
  }

  /** Counts the time of work for a connection that has just ended. */
  count(us: number): void {
    if (us < MAX_SHORT_TURN_US) return;
    this.#roundUs += us;
    if (this.#counting) return;
    this.#counting = true;
    this.#yield(() => {
      this.#counting = false;
      if (this.#busy.length === 0 && this.#brief.length === 0) this.#roundUs = 0;
    });
  }

  /** Pauses a connection until its next turn. `brief`: it exceeded its share once, with few frames. */
  pause(target: Pausable, brief = false): PausedReader {
    const reader = new PausedReader(target, this);
    (brief ? this.#brief : this.#busy).push(reader);
    this.#schedule();
    return reader;
  }

  /** Queues a paused connection for its next turn. */
  enqueue(reader: PausedReader): void {
    this.#busy.push(reader);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#yield(() => {
      this.#scheduled = false;
      this.#roundUs = 0;
      for (let left = BRIEF_PER_ROUND, next: PausedReader | undefined; left > 0 && (next = nextOf(this.#brief)) !== undefined; left--)
        next.resume();
      nextOf(this.#busy)?.resume();
      if (this.#busy.length > 0 || this.#brief.length > 0) this.#schedule();
    });
  }

  #yield(run: () => void): void {
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, run);
    else this.#clock.yield(run);
  }
}

/** The next reader with something to do: those whose connection has ended use up no turn. */
function nextOf(queue: Queue<PausedReader>): PausedReader | undefined {
  let next = queue.shift();
  while (next?.idle === true) next = queue.shift();
  return next;
}
