/** A Uint8Array, and what is costly to get from it. */

const EMPTY = new Uint8Array(0);

/**
 * The bytes at hand: a chunk for the time of a push, or a ring's storage. Views of them are made from their ArrayBuffer,
 * which is asked for once: asking costs more than decoding a small frame, and `Buffer.subarray` three times as much.
 */
export class ByteSource {
  bytes: Uint8Array = EMPTY;
  #storage: ArrayBufferLike | undefined;
  #offset = 0;
  #data: DataView | undefined;

  /** Turns to other bytes; without any, holds none. */
  set(bytes: Uint8Array = EMPTY): void {
    this.bytes = bytes;
    this.#storage = undefined;
    this.#data = undefined;
  }

  /** A view of `length` bytes from position `start`. */
  view(start: number, length: number): Uint8Array {
    return new Uint8Array(this.#storage ?? this.#open(), this.#offset + start, length);
  }

  /** All bytes as words. */
  get data(): DataView {
    this.#data ??= new DataView(this.#storage ?? this.#open(), this.#offset, this.bytes.length);
    return this.#data;
  }

  /** The `count` bytes from position `from` on, around the end to the start, in one piece of their own. */
  unwrap(from: number, count: number): ByteSource {
    const bytes = new Uint8Array(count);
    const room = Math.min(count, this.bytes.length - from);
    this.copyTo(bytes, 0, from, from + room);
    this.copyTo(bytes, room, 0, count - room);
    const piece = new ByteSource();
    piece.set(bytes);
    return piece;
  }

  /** Copies the bytes from position `start` up to `end` into `target` at `at`. */
  copyTo(target: Uint8Array, at: number, start: number, end: number): void {
    const count = end - start;
    if (count > 24) {
      target.set(this.view(start, count), at);
    } else {
      const { bytes } = this;
      for (let i = 0; i < count; i++) target[at + i] = bytes[start + i]!;
    }
  }

  #open(): ArrayBufferLike {
    this.#storage = this.bytes.buffer;
    this.#offset = this.bytes.byteOffset;
    return this.#storage;
  }
}
