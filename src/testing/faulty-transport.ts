/** A transport around another one, on the side that connected, that misbehaves as told. */
import type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
import { Chaos, type ChaosOptions } from "./chaos.js";
import type { Direction, FaultyLink } from "./faulty-link.js";

export class FaultyTransport implements Transport {
  readonly info: TransportInfo;
  readonly #inner: Transport;
  readonly #chaos: Chaos;
  readonly #link: FaultyLink;
  #receiver: TransportReceiver | undefined;
  /** What was asked for, until what was written has arrived. */
  #closing: (() => void) | undefined;
  #innerEnd: Parameters<TransportReceiver["onClose"]> | undefined;
  #over = false;

  constructor(inner: Transport, chaos: Chaos) {
    this.info = inner.info;
    this.#inner = inner;
    this.#chaos = chaos;
    this.#link = chaos.link(
      {
        arrived: (direction, bytes) => this.#arrived(direction, bytes),
        ended: (direction) => this.#ended(direction),
        cut: () => {
          inner.destroy();
          this.#end(1006, "");
        },
      },
      inner.info.messages,
    );
  }

  get bufferedBytes(): number {
    return this.#link.up.queuedBytes + this.#inner.bufferedBytes;
  }

  get incomingMessage(): number {
    return this.#inner.incomingMessage ?? 0;
  }

  open(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    const { down } = this.#link;
    this.#inner.open({
      onData: (chunk) => down.send(chunk.slice()),
      onAlive: (weight) => !down.silent && receiver.onAlive(weight),
      onViolation: (message, error) => receiver.onViolation?.(message, error),
      onDrain: () => receiver.onDrain(),
      onClose: (...end) => {
        this.#innerEnd = end;
        down.finish();
      },
    });
    this.#link.start();
  }

  write(bytes: Uint8Array): void {
    if (this.#closing === undefined) this.#link.up.send(bytes);
  }

  pause(): void {
    this.#link.down.hold();
    this.#inner.pause();
  }

  resume(): void {
    this.#link.down.release();
    this.#inner.resume();
  }

  close(closeCode: number, reason: string): void {
    this.#finish(() => this.#inner.close(closeCode, reason));
    // Into silence: this side is done, and the other never hears of it.
    if (this.#link.up.silent) this.#end(1006, "");
  }

  destroy(): void {
    // As on a kernel's socket, what was written is under way and still arrives.
    this.#finish(() => {
      this.#inner.destroy();
      this.#chaos.over(this.#link);
    });
    this.#receiver?.onClose(1006, "");
    this.#receiver = undefined;
    if (this.#link.up.silent) this.#chaos.over(this.#link);
  }

  probe(): void {
    if (!this.#link.up.silent) this.#inner.probe?.();
  }

  #finish(closing: () => void): void {
    if (this.#closing !== undefined) return;
    this.#closing = closing;
    this.#link.up.finish();
  }

  #arrived(direction: Direction, bytes: Uint8Array): void {
    if (direction === "down") return this.#receiver?.onData(bytes);
    this.#inner.write(bytes);
    this.#receiver?.onDrain();
  }

  #ended(direction: Direction): void {
    if (direction === "up") this.#closing?.();
    else this.#end(...(this.#innerEnd ?? [1006, ""]));
  }

  #end(closeCode: number, reason: string, error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#chaos.over(this.#link);
    this.#receiver?.onClose(closeCode, reason, error);
    this.#receiver = undefined;
  }
}

/** Wraps the transport of the side that connected: `up` is what it writes, `down` what it receives. */
export function faultyTransport(inner: Transport, options: ChaosOptions = {}): Transport {
  return new FaultyTransport(inner, new Chaos(options));
}
