/** The sending half of a connection: what waits, what goes out, and what is kept until the peer has it. */
import { FramewireError } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Clock, Timer } from "./clock.js";
import { cmdName } from "./commands.js";
import { type ReceivedSequence, ReplayBuffer, type SequenceRange } from "./delivery.js";
import type { Emitter } from "./emitter.js";
import type { ConnectionEvents } from "./events.js";
import type { Journal } from "./journal.js";
import type { Link } from "./link.js";
import type { ByteSink } from "./link-writer.js";
import { isTsProto } from "./messages.js";
import { type Outgoing, SendQueue } from "./outgoing.js";

const EMPTY = new Uint8Array(0);
const WIRE_VERSION = 2;

export class FrameSender {
  readonly #options: ResolvedConnectionOptions;
  readonly #clock: Clock;
  readonly #events: Emitter<ConnectionEvents>;
  readonly #received: ReceivedSequence;
  readonly #queue: SendQueue;
  #replay: ReplayBuffer;
  #link: Link | undefined;
  #version: 1 | 2 = 2;
  #maxPayload: number;
  #writable: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #expiryTimer: Timer | undefined;
  readonly #journal: Journal | undefined;

  /** `received` is acknowledged by every frame that goes out. */
  constructor(
    options: ResolvedConnectionOptions,
    clock: Clock,
    events: Emitter<ConnectionEvents>,
    received: ReceivedSequence,
    journal?: Journal | undefined,
  ) {
    this.#journal = journal;
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    this.#received = received;
    this.#queue = new SendQueue(options);
    this.#replay = this.#newReplay();
    this.#maxPayload = options.maxPayload;
  }

  /** What was sent and is not acknowledged. */
  get replay(): ReplayBuffer {
    return this.#replay;
  }

  /** Frames that wait for a link or for room. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Bytes of the frames that wait. */
  get waitingBytes(): number {
    return this.#queue.bytes;
  }

  /** Bytes kept: waiting to be sent, or for an acknowledgement. */
  get heldBytes(): number {
    return this.#queue.bytes + this.#replay.bytes;
  }

  /** Whether a frame would go out at once. */
  get passable(): boolean {
    return this.#link !== undefined && this.#queue.length === 0 && this.#link.writable;
  }

  /** Goes on over another link. What the peer lacks of the replay is sent by `resend`, then what waits by `flush`. */
  attach(link: Link, version: 1 | 2, maxPayload: number): void {
    this.#link = link;
    this.#version = version;
    this.#maxPayload = maxPayload;
    link.maxPayload = maxPayload;
  }

  detach(): void {
    this.#link = undefined;
  }

  /**
   * Sends a frame now, or as soon as there is a link and room.
   * @throws FramewireError `frame-too-large`, `queue-full`, `unavailable`; whatever the codec of its message throws
   */
  post(frame: Outgoing): void {
    if (frame.durable && this.#journal !== undefined) return this.#postKept(frame, this.#journal);
    this.#post(frame);
  }

  #postKept(frame: Outgoing, journal: Journal): void {
    frame.settlePayload();
    this.#checkSize(frame);
    journal.accept(frame);
    frame.kept = true;
    try {
      this.#post(frame);
    } catch (error) {
      journal.withdrawn(frame);
      throw error;
    }
  }

  #post(frame: Outgoing): void {
    if (this.passable) return this.#transmit(this.#link as Link, frame);
    if (!frame.reliable && this.#link === undefined) {
      if (frame.callId === undefined) return frame.owner?.frameSettled();
      throw new FramewireError("unavailable", "there is no connection, and the command is not kept for the next one");
    }
    frame.settlePayload();
    this.#checkSize(frame);
    this.#queue.push(frame, this.#clock.now());
    this.#watchExpiry();
    if (this.#link === undefined) this.#events.emit("queued");
  }

  #checkSize({ payload }: Outgoing): void {
    const length = payload?.length ?? 0;
    if (length > this.#maxPayload) {
      throw new FramewireError("frame-too-large", `payload of ${length} bytes; at most ${this.#maxPayload} are allowed`);
    }
  }

  /** Sends a frame of the protocol itself: it has no sequence, passes everything that waits, and is lost without a link. */
  control(kind: FrameKind, payload?: Uint8Array, status?: number): void {
    const link = this.#link;
    if (link?.open !== true) return;
    const { received } = this.#received;
    this.#received.acknowledged = received;
    link.write({ version: WIRE_VERSION, cmd: 0, payload, ack: received > 0 ? received : undefined, kind, status });
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    while (this.#queue.length > 0 && this.#link?.writable === true) this.#transmitQueued(this.#link, this.#queue.shift() as Outgoing);
    if (this.passable) this.#releaseWritable();
  }

  /** Sends everything after `sequence` again. Gives the range that it cannot, and then sends nothing. */
  resend(sequence: number): SequenceRange | undefined {
    const missing = this.#replay.missingAfter(sequence);
    if (missing !== undefined) return missing;
    for (const bytes of this.#replay.after(sequence)) this.#link?.writeEncoded(bytes);
    return undefined;
  }

  /** The peer has everything up to `sequence`. False if it can't have: the frame was never sent. */
  acknowledge(sequence: number): boolean {
    if (!this.#replay.ack(sequence)) return false;
    this.#journal?.acknowledged(sequence);
    return true;
  }

  /**
   * Sequences start anew behind `received`, the last that the peer has: 0 in a new session. What a journal keeps is sent
   * again. Gives the range of frames that had been sent, were not acknowledged, and are not.
   */
  restart(received = 0): SequenceRange | undefined {
    const { acked, next } = this.#replay;
    this.#replay = this.#newReplay(received);
    const again = this.#journal?.restart(received) ?? [];
    const lost = next - 1 - acked - again.filter(({ sent }) => sent).length;
    this.#sendAgain(again);
    return lost > 0 ? { from: acked + 1, to: next - 1 } : undefined;
  }

  /** The peer has gone past `range` without having it. What a journal keeps of it is sent under new numbers. */
  lost(range: SequenceRange): void {
    this.#sendAgain(this.#journal?.lost(range) ?? []);
  }

  #sendAgain(frames: readonly Outgoing[]): void {
    for (const frame of frames) frame.sent = false;
    this.#queue.putBack(frames, this.#clock.now());
  }

  /** Gives memory back that is not in use. */
  shrink(): void {
    this.#replay.shrink();
  }

  /** Resolves when bulk data may be sent; `undefined` = now. */
  whenWritable(): Promise<void> | undefined {
    if (this.passable) return undefined;
    if (this.#writable === undefined) {
      let resolve = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#writable = { promise, resolve };
    }
    return this.#writable.promise;
  }

  /** Takes frames that still wait back; their owners hear nothing. */
  withdraw(match: (frame: Outgoing) => boolean): void {
    if (this.#queue.length === 0) return;
    for (const frame of this.#queue.remove(match)) if (frame.kept) this.#journal?.withdrawn(frame);
  }

  /** Ends everything that waits with `error`. */
  close(error: FramewireError): void {
    this.#link = undefined;
    this.#expiryTimer?.cancel();
    for (const frame of this.#queue.remove(() => true)) frame.owner?.frameSettled(error);
    this.#replay = this.#newReplay();
    this.#releaseWritable();
  }

  /** A frame that waited for its link may be more than this one takes. */
  #transmitQueued(link: Link, frame: Outgoing): void {
    try {
      this.#transmit(link, frame);
    } catch (error) {
      if (!(error instanceof FramewireError)) throw error;
      if (frame.kept) this.#journal?.withdrawn(frame);
      if (frame.owner === undefined) this.#events.emit("failure", { command: cmdName(frame.cmd), error });
      else frame.owner.frameSettled(error);
    }
  }

  #transmit(link: Link, frame: Outgoing): void {
    const observed = this.#events.has("frame");
    if (observed) frame.settlePayload();
    const before = link.writtenBytes;
    if (this.#version === 1) this.#writeV1(link, frame);
    else this.#writeSealed(link, frame);
    frame.sent = true;
    if (observed) {
      const { cmd, kind = 0, callId = 0, payload = EMPTY } = frame;
      this.#events.emit("frame", {
        direction: "out",
        version: this.#version,
        cmd,
        kind,
        callId,
        payload,
        bytes: link.writtenBytes - before,
      });
    }
    frame.owner?.frameSettled();
  }

  #writeV1(link: Link, frame: Outgoing): void {
    frame.settlePayload();
    if (frame.broadcast === undefined) link.write({ cmd: frame.cmd, payload: frame.payload ?? EMPTY });
    else link.writeEncoded(frame.broadcast.frame(1).bytes);
  }

  #writeSealed(link: Link, frame: Outgoing): void {
    const received = this.#received;
    const { codec, broadcast } = frame;
    const keep = frame.reliable ? this.#keep : undefined;
    frame.version = WIRE_VERSION;
    frame.sequence = frame.reliable ? this.#replay.next : undefined;
    frame.ack = received.owesAck ? received.received : undefined;
    if (frame.kept) this.#journal?.numbered(frame, this.#replay.next);
    if (broadcast !== undefined) {
      link.writeShared(broadcast.frame(2), frame, keep);
    } else if (codec !== undefined && isTsProto(codec)) {
      link.writeMessage(frame, codec, codec.fromPartial(frame.message ?? {}), keep);
    } else {
      frame.settlePayload();
      link.write(frame, keep);
    }
    received.acknowledged = received.received;
  }

  readonly #keep: ByteSink = (buffer, start, end) => this.#replay.add(buffer, start, end);

  #releaseWritable(): void {
    const writable = this.#writable;
    this.#writable = undefined;
    writable?.resolve();
  }

  #watchExpiry(): void {
    if (this.#expiryTimer !== undefined) return;
    const { expiresAt } = this.#queue;
    if (expiresAt === Number.POSITIVE_INFINITY) return;
    this.#expiryTimer = this.#clock.setTimer(Math.max(0, expiresAt - this.#clock.now()), () => {
      this.#expiryTimer = undefined;
      for (const frame of this.#queue.expire(this.#clock.now())) {
        frame.owner?.frameSettled(
          new FramewireError("queue-expired", `the frame waited longer than ${this.#options.maxQueuedMs} ms to be sent`),
        );
      }
      this.#watchExpiry();
    });
  }

  #newReplay(acked = 0): ReplayBuffer {
    return new ReplayBuffer({ maxBytes: this.#options.replayBytes, maxFrames: this.#options.replayFrames }, acked);
  }
}
