/**
 * Sockets, those below WebSockets too, that read into the same memory again and again. By itself Node allocates 64 KiB for every read, and V8 collects the
 * whole heap after every few dozen MB of such memory: with payloads of 16 KiB that took longer than all else that is done with them.
 */
import { Socket, type SocketConstructorOpts } from "node:net";
import { Readable } from "node:stream";

/** Bytes read at once: as many as Node reads by itself. */
const MOST_BYTES = 64 * 1024;

/** What all sockets read into, as what one of them has read is dealt with before the next reads. */
let memory: Buffer | undefined;

/** A socket that reads in place. Until it is opened its bytes come in `data` events, as everybody's do. */
export class InPlaceSocket extends Socket {
  #take: ((chunk: Uint8Array) => void) | undefined;
  #kept: (() => void) | undefined;

  constructor(options: SocketConstructorOpts = {}) {
    memory ??= Buffer.allocUnsafeSlow(MOST_BYTES);
    const { buffer } = memory;
    // False stops the reading; it goes on by itself once what the socket keeps was read.
    const callback = (length: number) => (this as InPlaceSocket).#arrived(new Uint8Array(buffer, 0, length));
    super({ ...options, onread: { buffer: memory, callback } } as SocketConstructorOpts);
  }

  /**
   * From now on what is read goes to `take`, whose it is until that returns. What is kept while the socket is paused comes in
   * `data` events before that; `kept` hears of it when it
   * comes.
   */
  open(take: (chunk: Uint8Array) => void, kept: () => void): void {
    this.#take = take;
    this.#kept = kept;
  }

  /** As all other sockets do, and unlike those with an `onread` of their own, it reads on for a while: so it learns when the peer is gone. */
  override pause(): this {
    return Readable.prototype.pause.call(this) as this;
  }

  #arrived(chunk: Uint8Array): boolean {
    if (this.#take === undefined || this.readableFlowing !== true || this.readableLength > 0) {
      const more = this.push(chunk.slice());
      this.#kept?.();
      return more;
    }
    this.#take(chunk);
    return true;
  }
}
