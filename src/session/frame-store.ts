/** Encoded frames in a row. A list of them does; on Node frame-ring.ts costs no object for each, and its entries put that in place. */

import type { LargeFrame } from "../link/large-frame.js";
import { CHUNK_MEMORY } from "../runtime/memory-costs.js";
import { Queue } from "../runtime/queue.js";
import { serving } from "../runtime/serving.js";

export interface FrameStore {
  /** Bytes of all frames. */
  readonly bytes: number;
  /** Memory that holds them. */
  readonly memory: number;
  /** Adds a copy of a frame: the bytes of `buffer` from `start` to `end`. */
  push(buffer: Uint8Array, start: number, end: number): void;
  /** Adds a large frame, as it is, as one of its users, or as a copy. */
  keep(frame: LargeFrame): void;
  /** Takes the first frame out, which must be there, and gives its length. */
  shift(): number;
  /** The frame `index` places behind the first; valid until the store changes. Asked for one after the other. */
  at(index: number): Uint8Array;
  /** Gives memory back that is not in use, once it is empty. */
  shrink?(): void;
}

class FrameList implements FrameStore {
  readonly #frames = new Queue<Uint8Array>();
  bytes = 0;

  push(buffer: Uint8Array, start: number, end: number): void {
    this.#frames.push(new Uint8Array(buffer.subarray(start, end)));
    this.bytes += end - start;
  }

  get memory(): number {
    return serving ? this.bytes + this.#frames.length * CHUNK_MEMORY : 0;
  }

  keep({ bytes }: LargeFrame): void {
    this.push(bytes, 0, bytes.length);
  }

  shift(): number {
    const { length } = this.#frames.shift() as Uint8Array;
    this.bytes -= length;
    return length;
  }

  at(index: number): Uint8Array {
    return this.#frames.at(index) as Uint8Array;
  }
}

let Provided: (new () => FrameStore) | undefined;

/** Makes all frames from here on be kept in one of `provided`; `undefined`: in a list. */
export function provideFrameStore(provided: (new () => FrameStore) | undefined): void {
  Provided = provided;
}

export function newFrameStore(): FrameStore {
  return Provided === undefined ? new FrameList() : new Provided();
}
