/**
 * Memory that frames are written to. All encoders of a process share one block, each with a part of its own while it has frames that
 * have not left: an encoder with nothing to write holds no memory, and what is given back in time is written to again
 * and again, which spares the system new pages and the collector old ones.
 */

/** Bytes allocated at a time. What is kept of a block by others pins at most this much. */
const BLOCK = 128 * 1024;

/** Larger blocks, for what does not fit in one, are not kept for the next. */
const LARGEST_KEPT = 512 * 1024;

/** The block that is being filled. */
let current: WriteBlock | undefined;

/** Blocks that were filled, and that all bytes have left since. */
const spares: WriteBlock[] = [];
const MOST_SPARES = 8;

/** Bytes of the blocks that a socket has not taken all of. */
let pinned = 0;

/** Memory of all blocks that lie in a socket's queue, of this process. A small write pins a whole one. */
export function pinnedBytes(): number {
  return pinned;
}

export class WriteBlock {
  readonly bytes: Uint8Array;
  #used = 0;
  /** Parts that are in use. */
  #parts = 0;
  #pins = 0;
  /** Whether its memory is somebody else's. */
  readonly #foreign: boolean;

  private constructor(bytes: Uint8Array, foreign = false) {
    this.bytes = bytes;
    this.#foreign = foreign;
  }

  /** A block with at least `room` bytes left. */
  static withRoom(room: number): WriteBlock {
    if (current !== undefined && current.bytes.length - current.#used >= room) return current;
    const block = (room <= BLOCK ? spares.pop() : undefined) ?? new WriteBlock(new Uint8Array(Math.max(BLOCK, room)));
    if (room <= LARGEST_KEPT) current = block;
    return block;
  }

  /** A block made of `bytes`; `foreign`: which are somebody else's, and not to be kept for the next. */
  static of(bytes: Uint8Array, foreign = false): WriteBlock {
    return new WriteBlock(bytes, foreign);
  }

  /** Begins a part of `room` bytes, which must be released; gives where it starts. */
  allocate(room: number): number {
    const start = this.#used;
    this.#used += room;
    this.#parts++;
    return start;
  }

  /** Moves the end of the last part from `from` to `to`. False if another lies behind it, or the block ends before. */
  extend(from: number, to: number): boolean {
    if (this.#used !== from || to > this.bytes.length) return false;
    this.#used = to;
    return true;
  }

  /** Gives back what a part did not need behind `to`, if it is the last one. */
  shorten(from: number, to: number): void {
    if (this.#used === from) this.#used = to;
  }

  /** A part of it waits in the queue of a socket. */
  pin(): void {
    if (this.#pins++ === 0) pinned += this.bytes.length;
  }

  unpin(): void {
    if (--this.#pins === 0) pinned -= this.bytes.length;
  }

  /** Ends a part. After the last one the block is as new. */
  release(): void {
    if (--this.#parts > 0) return;
    this.#used = 0;
    if (this !== current && !this.#foreign && this.bytes.length === BLOCK && spares.length < MOST_SPARES) spares.push(this);
  }
}
