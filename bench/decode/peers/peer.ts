/** What the benchmark needs of a decoder of another library. */

/**
 * A peer decodes a stream in its own framing that carries the same payloads. It does what its users do for each
 * message: the payload is at hand as the library gives it, and one byte and the length of it are read. That is no
 * more than what is asked of framewire (version, cmd, and where the payload lies), and no peer verifies or resynchronises
 * except where the peer's own comment says so.
 */
export interface Peer {
  readonly name: string;
  /** npm package. */
  readonly from: string;
  /** `count` messages with `payload` in the peer's framing; `undefined` if it cannot carry that many bytes in one. */
  readonly stream: (payload: Uint8Array, count: number) => Buffer | undefined;
  /** Decodes the chunks with a new decoder; gives the number of messages. */
  readonly decode: (chunks: readonly Buffer[]) => number | Promise<number>;
}

/** Adds up what was read, so that no compiler may drop the reading. */
export class Reading {
  #sum = 0;

  /** Messages noted so far. */
  count = 0;

  /** Notes one message by its payload's length and first byte. */
  note(length: number, first: number | undefined): void {
    this.count++;
    this.#sum += length + first!;
  }

  /** The number of messages. */
  done(): number {
    if (Number.isNaN(this.#sum)) throw new Error("a message had no byte to read");
    return this.count;
  }
}
