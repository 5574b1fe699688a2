/**
 * A socket that is closed while bytes of its peer wait unread is reset by the kernel, and a reset takes from the peer
 * what it has not read yet: the reason for the close. So a closing socket is read on for a while, and what it brings is dropped.
 */
import { Queue } from "../runtime/queue.js";

/** It is read on up to this many bytes. */
export const LINGER_BYTES = 1024 * 1024;

/** Of all closing sockets whose peers go on sending, one is read on so often, in milliseconds: what is good for nobody takes little time. */
const EVERY_MS = 1;

/** What lingers. */
export interface LingeringSocket {
  readonly destroyed: boolean;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

const waiting = new Queue<LingeringSocket>();

function readOnSoon(): void {
  setTimeout(() => {
    let next = waiting.shift();
    while (next?.destroyed) next = waiting.shift();
    if (waiting.length > 0) readOnSoon();
    next?.resume();
  }, EVERY_MS);
}

/** What a socket brings after its close. */
export class Linger {
  readonly #socket: LingeringSocket;
  #bytes = 0;

  constructor(socket: LingeringSocket) {
    this.#socket = socket;
    socket.resume();
  }

  /** So much was read, and is of no use. */
  read(bytes: number): void {
    const socket = this.#socket;
    this.#bytes += bytes;
    if (this.#bytes > LINGER_BYTES) {
      socket.destroy();
      return;
    }
    socket.pause();
    waiting.push(socket);
    if (waiting.length === 1) readOnSoon();
  }
}
