/** A transport without a peer: it does nothing by itself and remembers what was asked of it. */
import type { Transport, TransportInfo, TransportReceiver } from "../../src/link/transport.js";

export class FakeTransport implements Transport {
  readonly info: TransportInfo;
  /** Everything written, one entry for each write. */
  readonly written: Uint8Array[] = [];
  /** What else was called, in order. */
  readonly calls: string[] = [];
  /** What it pretends the network has not taken. */
  bufferedBytes = 0;
  /** The message it pretends to be in the middle of. */
  incomingMessage = 0;
  /** Whether written bytes stay in `bufferedBytes`. */
  stuck = false;
  #receiver: TransportReceiver | undefined;

  constructor(info: Partial<TransportInfo> = {}) {
    this.info = { kind: "memory", protocol: undefined, messages: false, remoteAddress: "192.0.2.1", ...info };
  }

  get receiver(): TransportReceiver {
    if (this.#receiver === undefined) throw new Error("the transport was not opened");
    return this.#receiver;
  }

  open(receiver: TransportReceiver): void {
    this.#receiver = receiver;
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes.slice());
    if (this.stuck) this.bufferedBytes += bytes.length;
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  close(closeCode: number, reason: string): void {
    this.calls.push(`close ${closeCode} ${reason}`);
  }

  destroy(): void {
    this.calls.push("destroy");
  }
}
