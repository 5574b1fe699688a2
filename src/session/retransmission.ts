/**
 * What was sent and may have to be sent again: the replay buffer, how much of it may be under way, and whether the peer
 * acknowledges. docs/wire.md sections 5.3 to 5.6.
 */
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { Link } from "../link/link.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { KIND_ACK, KIND_PING } from "../protocol/frame-kind.js";
import type { Clock } from "../runtime/clock.js";
import { RoundTrip } from "../runtime/round-trip.js";
import { serving } from "../runtime/serving.js";
import { AckWatch, type AckWatched } from "./ack-watch.js";
import type { SizeLimits } from "./frame-sizes.js";
import type { SequenceRange } from "./receive-sequence.js";
import { ReplayBuffer } from "./replay-buffer.js";

/** Payload of a ping that asks for an acknowledgement, with its number in front: the largest that there is. The heartbeat's pings have none. */
const PROBE_BYTES = 125;
/** Length of the shortest acknowledgement, as a frame. */
const ACK_FRAME_BYTES = 19;
/** Bytes that follow a probe at most, whatever trailer the peer says that it takes. */
const MAX_FILLING = 8 * 1024;

/**
 * Bytes that go out again at first, on a new link and when the peer says that frames were lost to damage. Twice as many
 * with each round that it acknowledges: a link that breaks or damages again soon must not cost all that is kept each time.
 */
const RESUME_BYTES = 64 * 1024;
const RESEND_BYTES = 16 * 1024;

/** The side that sends. */
export interface RetransmissionHost {
  /** Sends a frame of the protocol itself, ahead of all that waits. */
  control(kind: FrameKind, payload?: Uint8Array): void;
  /** Sends what waits, as far as there is room. */
  flush(): void;
}

export class Retransmission implements AckWatched {
  readonly #options: ResolvedConnectionOptions;
  readonly #clock: Clock;
  readonly #host: RetransmissionHost;
  // Made when they are first needed: most connections of a server have nothing under way.
  #watch: AckWatch | undefined;
  #roundTrip: RoundTrip | undefined;
  #replay: ReplayBuffer | undefined;
  /** The peer does not acknowledge: what it may lack is not waited for. */
  #unacknowledging = false;
  /** Bytes that may be on their way unacknowledged: few behind damage, as more of it would waste all that was under way. */
  #window: number | undefined;
  /** The link's peer settles damage at the end of a message; otherwise bytes up to the largest trailer must follow. */
  #filling = 0;

  constructor(options: ResolvedConnectionOptions, clock: Clock, host: RetransmissionHost) {
    this.#options = options;
    this.#clock = clock;
    this.#host = host;
  }

  /** What was sent and is not acknowledged. */
  get replay(): ReplayBuffer {
    this.#replay ??= new ReplayBuffer(this.#options);
    return this.#replay;
  }

  /** How long round trips of the link take. */
  get roundTrip(): RoundTrip {
    this.#roundTrip ??= new RoundTrip();
    return this.#roundTrip;
  }

  /** Bytes of the frames that are kept. */
  get bytes(): number {
    return this.#replay?.bytes ?? 0;
  }

  /** Memory of what is kept. */
  get memory(): number {
    return serving && this.#replay !== undefined ? this.#replay.memory : 0;
  }

  /** Whether frames are being sent again. */
  get behind(): boolean {
    return this.#replay?.behind === true;
  }

  /** Whether a new frame may go out: there is room to keep it, and in the window. */
  get open(): boolean {
    const replay = this.#replay;
    return replay === undefined || this.#unacknowledging || (!replay.full && this.#inWindow(replay));
  }

  #inWindow(replay: ReplayBuffer): boolean {
    return this.#window === undefined || replay.inFlight < this.#window;
  }

  /** Goes on over another link, whose peer takes trailers of so many bytes. */
  attach(link: Link, maxTrailer: number): void {
    this.stop();
    this.#roundTrip?.forget();
    this.#unacknowledging = false;
    this.#window = undefined;
    this.#filling = link.info.messages ? 0 : Math.min(maxTrailer, MAX_FILLING);
  }

  /** There is no link: nothing is acknowledged now. */
  stop(): void {
    this.#watch?.stop();
  }

  /** Gives up what is too old to be sent again on another link. */
  expire(): void {
    this.replay.expire(this.#clock.now());
  }

  /** What is kept and larger than `limits` allow is not sent again, nor is anything before it. */
  evictOversize(limits: SizeLimits): void {
    this.#replay?.evictOversize(limits);
  }

  /** The next frame is about to be sent: it may be too old one day. */
  stamp(): void {
    if (this.#options.replayMs !== Number.POSITIVE_INFINITY) this.replay.stamp(this.#clock.now());
  }

  /** A frame was sent that is to be acknowledged. */
  sentOne(): void {
    this.#acks()?.start();
  }

  /** What waits for acknowledgements; `undefined` if none is to be waited for. */
  #acks(): AckWatch | undefined {
    if (this.#unacknowledging || this.replay.oldest === this.replay.next) return undefined;
    this.#watch ??= new AckWatch(this.#clock, this, this.roundTrip);
    return this.#watch;
  }

  /** Writes what is to be sent again, as far as there is room. */
  flush(link: Link | undefined): void {
    while (this.behind && link?.writable === true && this.#inWindow(this.replay)) link.writeEncoded(this.replay.again() as Uint8Array);
  }

  /** Sends everything after `sequence` again, before anything new. Gives the range that it cannot, and then sends nothing. */
  resend(sequence: number, window = RESUME_BYTES): SequenceRange | undefined {
    const missing = this.replay.missingAfter(sequence);
    if (missing !== undefined) return missing;
    this.#window = window;
    this.replay.rewind(sequence);
    this.#acks()?.resent();
    this.#host.flush();
    return undefined;
  }

  /** The same on a link that damages frames. */
  resendLost(sequence: number): SequenceRange | undefined {
    return this.resend(sequence, RESEND_BYTES);
  }

  /** The peer has everything up to `sequence`. False if it can't have. */
  acknowledge(sequence: number): boolean {
    const { acked, inFlight } = this.replay;
    if (!this.replay.ack(sequence)) return false;
    if (this.replay.acked > acked) {
      this.#unacknowledging = false;
      this.#watch?.acknowledged(sequence);
    }
    if (this.#window !== undefined) {
      this.#window += inFlight - this.replay.inFlight;
      if (this.#window > this.#options.replayBytes) this.#window = undefined;
    }
    return true;
  }

  /** A pong came, with the payload of its ping, from a peer that says it has all up to `received`. */
  ponged(payload: Uint8Array, received: number): void {
    if (payload.length === PROBE_BYTES) this.#watch?.answered(payload[0] as number, received);
  }

  /** Sequences start anew behind `received`. Gives what had been sent by then: the last acknowledged, and the next. */
  restart(received: number): { readonly acked: number; readonly next: number } {
    const { acked, next } = this.replay;
    this.stop();
    this.#replay = received === 0 ? undefined : new ReplayBuffer(this.#options, received);
    return { acked, next };
  }

  /** Gives memory back that is not in use. */
  shrink(): void {
    const replay = this.#replay;
    if (replay === undefined || replay.oldest < replay.next) return;
    replay.shrink();
    this.stop();
    this.#watch = undefined;
  }

  /** Nothing is sent again. */
  close(): void {
    this.stop();
    this.#replay = undefined;
  }

  // AckWatched

  /** @internal */
  probe(number: number, settling: boolean): void {
    const payload = new Uint8Array(PROBE_BYTES);
    payload[0] = number;
    this.#host.control(KIND_PING, payload);
    if (!settling) return;
    // What a peer has to do the least for: acknowledgements that say nothing new.
    for (let bytes = PROBE_BYTES; bytes < this.#filling; bytes += ACK_FRAME_BYTES) this.#host.control(KIND_ACK);
  }

  /** @internal */
  sendAgain(): void {
    this.resendLost(this.replay.acked);
  }

  /** @internal */
  giveUp(): void {
    this.#unacknowledging = true;
    this.#window = undefined;
    this.#host.flush();
  }
}
