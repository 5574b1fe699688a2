/**
 * Peers that send a lot take turns: one of them in each round of the event loop, however many there are. Whoever sends little is
 * looked at in every round, and so waits for the work of one heavy sender at most.
 */

import type { Clock } from "./clock.js";
import { Deque } from "./deque.js";
import { CHUNK_MEMORY } from "./memory-costs.js";

/** How long a turn is, in microseconds. */
const TURN_US = 1000;

/** The same for those who are not known to send a lot yet, in a round in which somebody had a whole turn. */
const SHORT_US = 250;

/**
 * So often at least it is looked how long somebody has been worked for, in frames: after the first, and then less and less
 * often. Where they have taken long by now, in microseconds, after each.
 */
const LOOK_FRAMES = 8;
const LATE_US = 100;

/** While all those who wait hold more bytes than this, what has been read is worked off at once. */
const MOST_HELD = 32 * 1024 * 1024;

/** So many are served in a round of those who took long once, with little: a turn in all, if they take as long as they may then. */
const BRIEF_A_ROUND = TURN_US / SHORT_US;

/** Whoever takes turns. */
export interface TurnTaker {
  /** Works on bytes that it has received; gives how many it has taken when its turn was over. */
  take(bytes: Uint8Array): number;
  /** Its turn begins. */
  turnBegins(): void;
  /** Nothing is taken now: what waits stays where it is until the taker queues it. */
  readonly holding: boolean;
  /** Everything that waited is taken: it may receive again. */
  turnEnds(): void;
}

/** Somebody who waits for a turn, with the bytes received in the meantime. */
export class Waiting {
  readonly #taker: TurnTaker;
  readonly #turns: Turns;
  readonly #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are taken. */
  #taken = 0;
  /** A frame that was taken and is to be taken again, before everything else. */
  #again: Uint8Array | undefined;
  #memory = 0;
  #gone = false;

  constructor(taker: TurnTaker, turns: Turns) {
    this.#taker = taker;
    this.#turns = turns;
  }

  /** Memory of what waits. */
  get memory(): number {
    return this.#memory;
  }

  /** Keeps a copy of bytes that came behind the others. */
  add(bytes: Uint8Array): void {
    if (this.#gone) return;
    this.#turns.held += bytes.length;
    this.#memory += bytes.length + CHUNK_MEMORY;
    // In memory of its own: a view would keep all that was read with it.
    this.#chunks.push(new Uint8Array(bytes));
  }

  /** The frame at hand, in bytes of its own, is to be taken once more. */
  repeat(frame: Uint8Array): void {
    this.#again = frame;
    this.#turns.held += frame.length;
    this.#memory += frame.length + CHUNK_MEMORY;
  }

  /** Queues it for its turn. */
  queue(): void {
    if (!this.#gone) this.#turns.queue(this);
  }

  /** Takes what waits until the turn is over. */
  #work(): void {
    const again = this.#again;
    if (again !== undefined && !this.#taker.holding) {
      this.#again = undefined;
      this.#release(again);
      this.#taker.take(again);
    }
    for (let chunk = this.#chunks[0]; chunk !== undefined && !this.#taker.holding; chunk = this.#chunks[0]) {
      const taken = this.#taker.take(this.#taken === 0 ? chunk : chunk.subarray(this.#taken));
      if (this.#gone) break;
      this.#turns.held -= taken;
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

  /** Nothing is done in its turn: it has left, or nothing is taken from it now. */
  get idle(): boolean {
    return this.#gone || this.#taker.holding;
  }

  /** The turn has come. */
  goOn(): void {
    if (this.idle) return;
    this.#taker.turnBegins();
    this.#work();
    if (this.#taker.holding) return;
    if (this.#chunks.length > 0) this.#turns.queue(this);
    else if (!this.#gone) this.#taker.turnEnds();
  }

  /** The taker is gone, and what waits with it. */
  leave(): void {
    this.#gone = true;
    this.#turns.held += this.#taken;
    if (this.#again !== undefined) this.#release(this.#again);
    this.#again = undefined;
    for (const { length } of this.#chunks.splice(0)) this.#turns.held -= length;
    this.#memory = 0;
  }

  #release(bytes: Uint8Array): void {
    this.#turns.held -= bytes.length;
    this.#memory -= bytes.length + CHUNK_MEMORY;
  }
}

export class Turns {
  readonly #clock: Clock;
  /** Those who send a lot. */
  readonly #waiting = new Deque<Waiting>();
  /** Those who took long once, with little: they do not wait for all of the others. */
  readonly #brief = new Deque<Waiting>();
  /** Whether the next round is on its way. */
  #coming = false;
  /** What the heavy senders of this round have had. */
  #roundUs = 0;
  #counting = false;
  #began = 0;
  /** Frames from one look to the next. */
  #step = 1;
  /** Bytes that wait. */
  held = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody is worked for from now on. */
  begin(now: number): void {
    this.#began = now;
    this.#step = 1;
  }

  /** How many frames later to look again. */
  untilLook(us: number): number {
    this.#step = us > LATE_US ? 1 : Math.min(LOOK_FRAMES, 2 * this.#step);
    return this.#step;
  }

  /** For how long, in whole microseconds. */
  get us(): number {
    return Math.round((this.#clock.now() - this.#began) * 1000);
  }

  /** Whether the turn is over of somebody who has had `us` of it, the last `justUs` without a pause. */
  over(us: number, justUs: number): boolean {
    return us >= TURN_US || (justUs >= SHORT_US && this.#roundUs >= TURN_US);
  }

  /** Whether there is room for bytes that wait. */
  get roomy(): boolean {
    return this.held < MOST_HELD;
  }

  /** Somebody was worked for, for so long. */
  end(us: number): void {
    if (us < SHORT_US) return;
    this.#roundUs += us;
    if (this.#counting) return;
    this.#counting = true;
    this.#yield(() => {
      this.#counting = false;
      if (this.#waiting.length === 0 && this.#brief.length === 0) this.#roundUs = 0;
    });
  }

  /** Somebody who waits for something else before it takes turns. */
  outside(taker: TurnTaker): Waiting {
    return new Waiting(taker, this);
  }

  /** Gives `taker` its next turn when that has come. `brief`: it took long once, with little. */
  wait(taker: TurnTaker, brief = false): Waiting {
    const waiting = this.outside(taker);
    (brief ? this.#brief : this.#waiting).push(waiting);
    this.#nextRound();
    return waiting;
  }

  queue(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#nextRound();
  }

  #nextRound(): void {
    if (this.#coming) return;
    this.#coming = true;
    this.#yield(() => {
      this.#coming = false;
      this.#roundUs = 0;
      for (let left = BRIEF_A_ROUND, next: Waiting | undefined; left > 0 && (next = nextOf(this.#brief)) !== undefined; left--) next.goOn();
      nextOf(this.#waiting)?.goOn();
      if (this.#waiting.length > 0 || this.#brief.length > 0) this.#nextRound();
    });
  }

  #yield(run: () => void): void {
    if (this.#clock.yield === undefined) this.#clock.setTimer(0, run);
    else this.#clock.yield(run);
  }
}

/** The next for whom something is to be done: those who have left meanwhile cost no round. */
function nextOf(queue: Deque<Waiting>): Waiting | undefined {
  let next = queue.shift();
  while (next?.idle === true) next = queue.shift();
  return next;
}
