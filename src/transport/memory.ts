/** Two transports joined in memory: for tests, and for peers in one process. */
import type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";

/** How a memory pair behaves. */
export interface MemoryPairOptions {
  /** Wire version "negotiated" below; default `undefined`: the first frame decides. */
  readonly protocol?: 1 | 2;
  /** Bytes come in messages that no frame spans, as on WebSocket. Default false. */
  readonly messages?: boolean;
  /** Runs a delivery later; default `queueMicrotask`. Nothing is ever delivered inside a write. */
  readonly schedule?: (deliver: () => void) => void;
}

class MemoryEnd implements Transport {
  readonly info: TransportInfo;
  readonly #schedule: (deliver: () => void) => void;
  #peer: MemoryEnd | undefined;
  #receiver: TransportReceiver | undefined;
  /** Bytes from the peer that were not delivered yet. */
  readonly #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #end: { readonly closeCode: number; readonly reason: string } | undefined;
  #paused = false;
  #scheduled = false;
  #closed = false;

  constructor(info: TransportInfo, schedule: (deliver: () => void) => void) {
    this.info = info;
    this.#schedule = schedule;
  }

  join(peer: MemoryEnd): void {
    this.#peer = peer;
  }

  get bufferedBytes(): number {
    return this.#peer === undefined ? 0 : this.#peer.#inboxBytes;
  }

  open(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#wake();
  }

  write(bytes: Uint8Array): void {
    const peer = this.#peer;
    if (this.#closed || peer === undefined || peer.#closed) return;
    peer.#inbox.push(bytes);
    peer.#inboxBytes += bytes.length;
    peer.#wake();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  close(closeCode: number, reason: string): void {
    this.#finish(closeCode, reason, closeCode, reason);
  }

  destroy(): void {
    this.#inbox.length = 0;
    this.#finish(1006, "", 1006, "");
  }

  #finish(ownCode: number, ownReason: string, peerCode: number, peerReason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const peer = this.#peer;
    if (peer !== undefined) {
      peer.#end ??= { closeCode: peerCode, reason: peerReason };
      peer.#wake();
    }
    this.#schedule(() => this.#receiver?.onClose(ownCode, ownReason));
  }

  #wake(): void {
    if (this.#scheduled || this.#paused || this.#closed || this.#receiver === undefined) return;
    if (this.#inbox.length === 0 && this.#end === undefined) return;
    this.#scheduled = true;
    this.#schedule(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    if (this.#closed || this.#paused) return;
    const receiver = this.#receiver as TransportReceiver;
    const chunk = this.#inbox.shift();
    if (chunk !== undefined) {
      this.#inboxBytes -= chunk.length;
      receiver.onData(chunk);
      if (this.#peer !== undefined) this.#peer.#receiver?.onDrain();
    } else if (this.#end !== undefined) {
      this.#closed = true;
      receiver.onClose(this.#end.closeCode, this.#end.reason);
    }
    this.#wake();
  }
}

/** A joined pair of transports: what one writes, the other receives. */
export function memoryPair(options: MemoryPairOptions = {}): [Transport, Transport] {
  const info: TransportInfo = { kind: "memory", protocol: options.protocol, messages: options.messages ?? false, remoteAddress: "memory" };
  const schedule = options.schedule ?? queueMicrotask;
  const a = new MemoryEnd(info, schedule);
  const b = new MemoryEnd(info, schedule);
  a.join(b);
  b.join(a);
  return [a, b];
}
