/**
 * Sequence numbers of one session: what was sent and not acknowledged, and what was received. Pure state, no
 * time, no frames: bytes in, verdicts out. docs/wire.md section 5.
 */
import { Deque } from "./deque.js";

/** Bounds of a replay buffer. */
export interface ReplayLimits {
  readonly maxBytes: number;
  readonly maxFrames: number;
}

/** A range of sequence numbers, both ends included. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

/** What a sender keeps until the peer acknowledges it. Holds the bytes of whole encoded frames. */
export class ReplayBuffer {
  readonly #limits: ReplayLimits;
  readonly #frames = new Deque<Uint8Array>();
  #bytes = 0;
  /** Sequence of the frame at the head of the queue. */
  #oldest = 1;
  #acked = 0;
  #evicted = 0;

  constructor(limits: ReplayLimits) {
    this.#limits = limits;
  }

  /** The sequence that the next frame gets. */
  get next(): number {
    return this.#oldest + this.#frames.length;
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
    return this.#bytes;
  }

  /** Frames thrown out unacknowledged since the start, because the buffer was full. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Keeps the bytes of the frame that was just given the sequence `next`; they belong to the buffer from here. */
  add(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
    while (this.#bytes > this.#limits.maxBytes || this.#frames.length > this.#limits.maxFrames) {
      this.#drop();
      this.#evicted++;
    }
  }

  /** The peer has everything up to `sequence`. False if it can't have: the frame was never sent, or it takes an earlier word back. */
  ack(sequence: number): boolean {
    if (!(sequence < this.next)) return false;
    if (sequence > this.#acked) this.#acked = sequence;
    while (this.#oldest <= sequence) this.#drop();
    return true;
  }

  /** The frames after `sequence`, oldest first; those evicted are missing, see `oldest`. */
  *after(sequence: number): Generator<Uint8Array> {
    for (let index = Math.max(0, sequence + 1 - this.#oldest); index < this.#frames.length; index++) {
      yield this.#frames.at(index) as Uint8Array;
    }
  }

  /** Sequences after `received` that cannot be sent again. */
  missingAfter(received: number): SequenceRange | undefined {
    return this.#oldest > received + 1 ? { from: received + 1, to: this.#oldest - 1 } : undefined;
  }

  #drop(): void {
    this.#bytes -= (this.#frames.shift() as Uint8Array).length;
    this.#oldest++;
  }
}

/** What to do with a frame that carries a sequence. */
export type Acceptance = "deliver" | "duplicate" | "gap" | "invalid";

/** What a receiver has of the peer's sequence. */
export class ReceivedSequence {
  #received = 0;
  /** Whether the peer was already asked to send again what is missing. */
  #asked = false;
  #lastAhead = 0;
  /** Highest sequence told to the peer. */
  acknowledged = 0;

  /** Highest sequence received with none missing before it. */
  get received(): number {
    return this.#received;
  }

  /** Whether the peer has not been told yet of all that was received. */
  get owesAck(): boolean {
    return this.#received > this.acknowledged;
  }

  accept(sequence: number): Acceptance {
    if (!Number.isSafeInteger(sequence) || sequence < 1) return "invalid";
    if (sequence === this.#received + 1) {
      this.#received = sequence;
      this.#asked = false;
      return "deliver";
    }
    return sequence <= this.#received ? "duplicate" : "gap";
  }

  /**
   * Whether a frame that came too early is a reason to ask for a resend. Asked once for each loss: frames that
   * were under way already say nothing new, but a number lower than the last early one shows that the resend
   * itself was damaged.
   */
  shouldAskAgain(sequence: number): boolean {
    const ask = !this.#asked || sequence <= this.#lastAhead;
    this.#asked = true;
    this.#lastAhead = sequence;
    return ask;
  }

  /** A new session: nothing was received yet. */
  restart(): void {
    this.#received = 0;
    this.acknowledged = 0;
    this.#asked = false;
    this.#lastAhead = 0;
  }

  /** The peer cannot send `range` again: it counts as received from here. */
  skip(range: SequenceRange): void {
    this.#received = Math.max(this.#received, range.to);
  }
}
