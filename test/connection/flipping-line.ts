/** A line between a client and a server in virtual time that flips one bit where a test says, and nothing else. */
import type { Connector } from "../../src/client/client-options.js";
import type { Transport, TransportReceiver } from "../../src/link/transport.js";
import type { VirtualClock } from "../../src/testing/index.js";
import { memoryPair } from "../../src/transport/memory.js";

export type Way = "up" | "down";

export class FlippingLine {
  readonly #clock: VirtualClock;
  readonly #latencyMs: number;
  readonly #messages: boolean;
  /** Bytes sent since the last `flip`. */
  readonly sent = { up: 0, down: 0 };
  /** Length of the first write after that. */
  readonly first = { up: 0, down: 0 };
  #flip: { readonly way: Way; readonly bit: number } | undefined;
  /** Whether the bit was sent and flipped. */
  flipped = false;

  /** `latencyMs`: the time a byte is under way. `messages`: as WebSocket. */
  constructor(clock: VirtualClock, latencyMs: number, messages: boolean) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
    this.#messages = messages;
  }

  /** From here on the bit with this number, counted over all bytes sent this way from now on, arrives wrong. */
  flip(way: Way, bit: number): void {
    this.#flip = { way, bit };
    this.sent.up = this.sent.down = this.first.up = this.first.down = 0;
    this.flipped = false;
  }

  connector(server: { accept(transport: Transport): void }): Connector {
    return async () => {
      const [near, far] = memoryPair({
        messages: this.#messages,
        ...(this.#messages ? { protocol: 2 } : {}),
        schedule: (deliver) => this.#clock.defer(deliver),
      });
      server.accept(far);
      return this.#over(near);
    };
  }

  #over(inner: Transport): Transport {
    const later = (run: () => void) => void this.#clock.setTimer(this.#latencyMs, run);
    const passed = (way: Way, bytes: Uint8Array, arrive: (bytes: Uint8Array) => void) => {
      const damaged = this.#passed(way, bytes);
      later(() => arrive(damaged));
    };
    return {
      info: inner.info,
      bufferedBytes: 0,
      open: (receiver: TransportReceiver) =>
        inner.open({
          onData: (chunk) => passed("down", chunk, (bytes) => receiver.onData(bytes)),
          onAlive: (weight) => receiver.onAlive(weight),
          onDrain: () => receiver.onDrain(),
          onClose: (...end) => later(() => receiver.onClose(...end)),
        }),
      write: (bytes) => passed("up", bytes, (arrived) => inner.write(arrived)),
      pause: () => inner.pause(),
      resume: () => inner.resume(),
      close: (...end) => later(() => inner.close(...end)),
      destroy: () => later(() => inner.destroy()),
    };
  }

  #passed(way: Way, bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    const flip = this.#flip;
    const at = flip?.way === way ? flip.bit - this.sent[way] * 8 : -1;
    if (at >= 0 && at < copy.length * 8) {
      copy[at >> 3]! ^= 1 << (at & 7);
      this.flipped = true;
    }
    this.sent[way] += copy.length;
    this.first[way] ||= copy.length;
    return copy;
  }
}
