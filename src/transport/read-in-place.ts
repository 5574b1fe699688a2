/**
 * TCP sockets that read into the same memory again and again. By itself Node allocates 64 KiB for every read, and V8 collects the
 * whole heap after every few dozen MB of such memory: with payloads of 16 KiB that took longer than all else that is done with them.
 */
import { Socket, type SocketConstructorOpts } from "node:net";

/** Bytes read at once: as many as Node reads by itself. */
const MOST_BYTES = 64 * 1024;

/** What all sockets read into, as what one of them has read is dealt with before the next reads. */
let memory: Buffer | undefined;

/** Where the bytes of one socket go. */
export class Inlet {
  #socket: Socket | undefined;
  #take: ((chunk: Uint8Array) => void) | undefined;
  #paused = true;
  /** What came while nothing was to come: Node reads on then as well, and so learns when the peer is gone. */
  readonly #kept: Uint8Array[] = [];

  /** The option `onread` of the socket. */
  get onread() {
    memory ??= Buffer.allocUnsafeSlow(MOST_BYTES);
    const { buffer } = memory;
    return {
      buffer: memory,
      /** False stops the reading. */
      callback: (length: number): boolean => {
        const chunk = new Uint8Array(buffer, 0, length);
        if (this.#paused || this.#kept.length > 0) this.#kept.push(chunk.slice());
        else this.#take?.(chunk);
        return this.#kept.length === 0;
      },
    };
  }

  /** Starts to give what `socket` reads to `take`, whose it is until that returns. */
  open(socket: Socket, take: (chunk: Uint8Array) => void): void {
    this.#socket = socket;
    this.#take = take;
    this.resume();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#kept.length === 0) this.#socket?.resume();
    else process.nextTick(() => this.#giveKept());
  }

  #giveKept(): void {
    while (this.#kept.length > 0) {
      if (this.#paused || this.#socket?.destroyed === true) return;
      this.#take?.(this.#kept.shift() as Uint8Array);
    }
    this.#socket?.resume();
  }
}

/** What Node's own sockets have beside what is documented. */
interface Accepted {
  _handle?: object | null;
  _server?: object | null;
  server?: unknown;
}

/**
 * Makes a socket that reads in this way of one that a server has just accepted. Node has no option for that: a second socket
 * takes over what the first one stands for. `undefined` where a Node to come has nothing of the kind: then the first goes on as it is.
 */
export function readInPlace(accepted: Socket): { readonly socket: Socket; readonly inlet: Inlet } | undefined {
  const from = accepted as Accepted;
  const { _handle: handle, _server: server } = from;
  if (typeof handle !== "object" || handle === null || typeof server !== "object" || server === null) return undefined;
  const inlet = new Inlet();
  const socket = new Socket({ handle, onread: inlet.onread, pauseOnCreate: true } as SocketConstructorOpts);
  const to = socket as Accepted;
  // The server counts its connections by them.
  to._server = server;
  to.server = from.server;
  from._handle = null;
  from._server = null;
  return { socket, inlet };
}
