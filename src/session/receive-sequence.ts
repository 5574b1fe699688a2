/** Sequence numbers of what was received. Pure state, no time, no frames. docs/wire.md section 5. */

/** A range of sequence numbers, both ends included. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
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
      this.#lastAhead = 0;
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
    this.#lastAhead = sequence;
    return ask;
  }

  /**
   * Whether damage is a reason to ask for a resend. Not while one is under way that frames behind the loss have proven
   * necessary: if the damage hit that, its own sequence will show it.
   */
  get shouldAsk(): boolean {
    return !(this.#asked && this.#lastAhead > this.#received);
  }

  /** The peer was asked to send again what is missing. */
  asked(): void {
    this.#asked = true;
  }

  /** A new link: what comes next comes in order, from the peer's first that is not here. */
  reattach(): void {
    this.#asked = false;
    this.#lastAhead = 0;
  }

  /** A new session: nothing was received yet. */
  restart(): void {
    this.#received = 0;
    this.acknowledged = 0;
    this.reattach();
  }

  /** The peer cannot send `range` again: it counts as received from here. */
  skip(range: SequenceRange): void {
    this.#received = Math.max(this.#received, range.to);
  }
}
