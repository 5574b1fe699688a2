/** A transport that lets nothing out before what it stands for would survive a crash. */
import type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";

/**
 * The order that makes an outbox safe: a frame is on disk with its sequence before the peer can have it. Otherwise a
 * client that crashed in between would send it again under another sequence, and it would be handled twice.
 */
export class GuardedTransport implements Transport {
  readonly #inner: Transport;
  readonly #flushed: () => Promise<void> | undefined;
  #receiver: TransportReceiver | undefined;
  /** Bytes that wait, and the last of the steps that let them out one after the other. */
  #heldBytes = 0;
  #last: Promise<void> | undefined;
  #destroyed = false;

  /** `flushed`: as of OutboxStorage; what it rejects with is told elsewhere. */
  constructor(inner: Transport, flushed: () => Promise<void> | undefined) {
    this.#inner = inner;
    this.#flushed = flushed;
  }

  get info(): TransportInfo {
    return this.#inner.info;
  }

  get bufferedBytes(): number {
    return this.#heldBytes + this.#inner.bufferedBytes;
  }

  get incomingMessage(): number {
    return this.#inner.incomingMessage ?? 0;
  }

  get firstMagic(): number {
    return this.#inner.firstMagic ?? -1;
  }

  open(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#inner.open(receiver);
  }

  write(bytes: Uint8Array): void {
    const flushed = this.#flushed();
    if (flushed === undefined && this.#last === undefined) return this.#inner.write(bytes);
    this.#heldBytes += bytes.length;
    this.#then(flushed, () => {
      this.#heldBytes -= bytes.length;
      this.#inner.write(bytes);
      this.#receiver?.onDrain();
    });
  }

  cork(): void {
    this.#inner.cork?.();
  }

  uncork(): void {
    this.#inner.uncork?.();
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(closeCode: number, reason: string): void {
    if (this.#last === undefined) return this.#inner.close(closeCode, reason);
    this.#then(undefined, () => this.#inner.close(closeCode, reason));
  }

  destroy(): void {
    this.#destroyed = true;
    this.#inner.destroy();
  }

  probe(): void {
    this.#inner.probe?.();
  }

  /** Takes a step behind those that wait, once `flushed` holds. */
  #then(flushed: Promise<void> | undefined, step: () => void): void {
    const last: Promise<void> = Promise.all([this.#last, flushed]).then(
      () => {
        if (this.#last === last) this.#last = undefined;
        if (!this.#destroyed) step();
      },
      () => this.destroy(),
    );
    this.#last = last;
  }
}
