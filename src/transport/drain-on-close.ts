/**
 * Reads a socket on after its close, and drops the bytes. A socket that is closed with unread bytes is reset by the kernel, and a reset takes
 * from the peer what it has not read yet, such as the reason for the close.
 */
import { Queue } from "../runtime/queue.js";

/** A closing socket that brings more bytes is destroyed. */
export const MAX_DRAINED_BYTES = 1024 * 1024;

/** Of all closing sockets whose peers go on sending, one is read per this time, in milliseconds: dropping bytes takes little of the event loop. */
const EVERY_MS = 1;

/** A socket that is drained. */
export interface ClosingSocket {
  readonly destroyed: boolean;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

const paused = new Queue<ClosingSocket>();

function resumeNext(): void {
  setTimeout(() => {
    let next = paused.shift();
    while (next?.destroyed) next = paused.shift();
    if (paused.length > 0) resumeNext();
    next?.resume();
  }, EVERY_MS);
}

/** Drains one socket. */
export class DrainOnClose {
  readonly #socket: ClosingSocket;
  #bytes = 0;

  constructor(socket: ClosingSocket) {
    this.#socket = socket;
    socket.resume();
  }

  /** This many bytes were read and dropped. */
  dropped(bytes: number): void {
    const socket = this.#socket;
    this.#bytes += bytes;
    if (this.#bytes > MAX_DRAINED_BYTES) {
      socket.destroy();
      return;
    }
    socket.pause();
    paused.push(socket);
    if (paused.length === 1) resumeNext();
  }
}
