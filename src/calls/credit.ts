/** Flow control of one stream direction. Counted in bytes, so that a slow reader bounds memory whatever the size of an item. */

/** What an item costs beside its payload, so that empty items are bounded too. docs/wire.md section 5. */
export const ITEM_OVERHEAD = 64;

/** The sender's side: items go out while credit is left. */
export class SendCredit {
  #left: number;
  #wake: (() => void) | undefined;

  constructor(initial: number) {
    this.#left = initial;
  }

  /** Whether the next item may go out. */
  get available(): boolean {
    return this.#left > 0;
  }

  spend(payloadLength: number): void {
    this.#left -= payloadLength + ITEM_OVERHEAD;
  }

  add(bytes: number): void {
    this.#left += bytes;
    if (this.#left > 0) this.release();
  }

  /** Resolves when credit may be available again, or the stream was stopped. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Wakes the sender, whatever the credit. */
  release(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** The receiver's side: what the peer may still send, and when to allow it more. */
export class ReceiveCredit {
  readonly #initial: number;
  #left: number;
  #consumed = 0;

  constructor(initial: number) {
    this.#initial = initial;
    this.#left = initial;
  }

  /** An item arrived. False if the peer had no credit for it. */
  take(payloadLength: number): boolean {
    const allowed = this.#left > 0;
    this.#left -= payloadLength + ITEM_OVERHEAD;
    return allowed;
  }

  /** The reader took items of this cost. Gives the bytes to grant now, 0 while it is not worth a frame. */
  consume(cost: number): number {
    this.#consumed += cost;
    if (this.#consumed * 2 < this.#initial) return 0;
    const grant = this.#consumed;
    this.#consumed = 0;
    this.#left += grant;
    return grant;
  }
}
