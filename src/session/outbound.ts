/** The sending half of a connection: what waits, what goes out, and what is kept until the peer has it. */

import { FramewireError, inFull } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { Link } from "../link/link.js";
import { CONNECTION_DEFAULTS, type ResolvedConnectionOptions } from "../options.js";
import { inPlace } from "../protobuf/messages.js";
import { KIND_REQUEST } from "../protocol/frame-kind.js";
import type { Clock } from "../runtime/clock.js";
import type { Emitter } from "../runtime/emitter.js";
import { QUEUED_MEMORY } from "../runtime/memory-costs.js";
import { serving } from "../runtime/serving.js";
import { CallsInFlight } from "./calls-in-flight.js";
import type { ConnectionEvents, DropEvent } from "./events.js";
import { explain, type Linked } from "./explain.js";
import { expires } from "./frame-queue.js";
import type { SizeLimits } from "./frame-sizes.js";
import { OWN_TRAILER } from "./handshake.js";
import type { Journal } from "./journal.js";
import type { NegotiatedSettings } from "./negotiated-settings.js";
import type { Outgoing } from "./outgoing.js";
import type { ReceivedSequence, SequenceRange } from "./receive-sequence.js";
import { Retransmission, type RetransmissionHost } from "./retransmission.js";
import { WaitingFrames } from "./waiting-frames.js";

const EMPTY = new Uint8Array(0);

const WIRE_VERSION = 2;
/** Of a W3C traceparent. */
const TRACE_BYTES = 55;

/** Who hears of frames that turn out not to be sendable after a wait. */
export interface OutboundHost extends Linked {
  unsendable(frame: Outgoing, error: unknown): void;
  /** What is kept has changed, and no link's flush follows. */
  memoryChanged(): void;
}

export class Outbound implements RetransmissionHost {
  readonly #options: ResolvedConnectionOptions;
  readonly #clock: Clock;
  readonly #events: Emitter<ConnectionEvents>;
  readonly #received: ReceivedSequence;
  readonly #sent: Retransmission;
  readonly #calls = new CallsInFlight();
  /** Made when it is first needed: most connections of a server never wait for anything. */
  #waiting: WaitingFrames | undefined;
  readonly #host: OutboundHost;
  #link: Link | undefined;
  /** Set while no link is to be expected. */
  #refusal: FramewireError | undefined;
  #version: 1 | 2 = 2;
  /** The limits are the receiver's, not this side's own. */
  #agreed = false;
  #maxPayload: number;
  #maxTrailer: number;
  #writable: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  readonly #journal: Journal | undefined;
  /** A frame is being written. What the getters of its message send has the sequences after it, and so waits. */
  #writing = false;

  /** `received` is acknowledged by every frame that goes out. */
  constructor(
    options: ResolvedConnectionOptions,
    clock: Clock,
    events: Emitter<ConnectionEvents>,
    received: ReceivedSequence,
    host: OutboundHost,
    journal?: Journal | undefined,
  ) {
    this.#journal = journal;
    this.#options = options;
    this.#sent = new Retransmission(options, clock, this);
    this.#clock = clock;
    this.#events = events;
    this.#received = received;
    this.#host = host;
    this.#maxPayload = options.maxPayload;
    this.#maxTrailer = CONNECTION_DEFAULTS.maxTrailer;
  }

  /** What was sent and may have to be sent again. */
  get retransmission(): Retransmission {
    return this.#sent;
  }

  #queue(): WaitingFrames {
    this.#waiting ??= new WaitingFrames(this.#options, this.#clock, this.#host, (frame) =>
      this.#drop(frame, "slow-consumer", frame.slowConsumer as DropEvent["policy"]),
    );
    return this.#waiting;
  }

  /** Frames that could go out if there were room. */
  #ready(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.ready;
  }

  /** Frames that wait for a link or for room. */
  get waiting(): number {
    return this.#waiting?.length ?? 0;
  }

  /** Bytes of the frames that wait. */
  get waitingBytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  /** Bytes kept: waiting to be sent, or for an acknowledgement. */
  get heldBytes(): number {
    return serving ? this.waitingBytes + this.#sent.bytes : 0;
  }

  /** Memory of what is kept. */
  get memory(): number {
    const waiting = serving && this.#waiting !== undefined ? this.#waiting.bytes + this.#waiting.length * QUEUED_MEMORY : 0;
    return waiting + this.#sent.memory;
  }

  /** Bytes of what is kept that other connections keep too. */
  get sharedBytes(): number {
    return serving && this.#waiting !== undefined ? this.#waiting.sharedBytes : 0;
  }

  /** Whether a frame would go out at once. */
  get passable(): boolean {
    return !this.#writing && this.#ready() === 0 && this.#open() && !this.#sent.behind;
  }

  /** Whether somebody waits for frames to pass. */
  get held(): boolean {
    return this.#ready() > 0 || this.#writable !== undefined || this.#sent.behind;
  }

  /** Whether what waits, waits for room in the socket, and not for a link or an acknowledgement. */
  get blocked(): boolean {
    return this.#ready() > 0 && this.#link?.writable === false;
  }

  #open(): boolean {
    return this.#link?.writable === true && this.#sent.open;
  }

  /** Goes on over another link. What the peer lacks of the replay is sent by `resend`, then what waits by `flush`. */
  attach(
    link: Link,
    { version, maxPayload, maxTrailer, maxCalls }: Pick<NegotiatedSettings, "version" | "maxPayload" | "maxTrailer" | "maxCalls">,
  ): void {
    this.#waiting?.releaseBusy();
    this.#calls.most = maxCalls;
    const grown = maxPayload > this.#maxPayload || maxTrailer > this.#maxTrailer;
    this.#maxTrailer = maxTrailer;
    if (grown && this.#journal !== undefined) this.#sendAgain(this.#journal.reclaim());
    this.#sent.attach(link, maxTrailer);
    this.#link = link;
    this.#version = version;
    if (inFull) this.#agreed = version === 2;
    this.#maxPayload = maxPayload;
    link.limitTo(maxPayload, maxTrailer);
  }

  /** What is kept and larger than a peer of these limits takes is not sent again, nor is anything before it. */
  evictOversize(limits: SizeLimits): void {
    // All that is kept fits the limits of the last link.
    if (limits.maxPayload < this.#maxPayload || limits.maxTrailer < this.#maxTrailer) this.#sent.evictOversize(limits);
  }

  /** The peer is about to close the link and takes no new calls: from here they wait for the next one. */
  holdCalls(): void {
    this.#queue().holdCalls();
  }

  /** The link is gone. Reliable frames wait for the next one; others end here, as those do that are sent without a link. */
  detach(): void {
    this.#link = undefined;
    this.#sent.stop();
    this.#waiting?.release();
    for (const frame of this.#waiting?.remove(({ reliable }) => !reliable) ?? []) {
      if (frame.callId === undefined) this.#drop(frame, "not-connected");
      else frame.owner?.frameSettled(this.#noConnection());
    }
  }

  #noConnection(): FramewireError {
    return new FramewireError("unavailable", explain === undefined ? "there is no connection" : explain.away(this.#host));
  }

  #drop({ cmd, name, owner }: Outgoing, reason: DropEvent["reason"], policy?: DropEvent["policy"]): void {
    const drop = { cmd, command: name, reason, policy };
    owner?.frameSettled(undefined, drop);
    this.#events.emit("drop", drop);
  }

  /**
   * Sends a frame now, or as soon as there is a link and room.
   * @throws FramewireError `frame-too-large`, `queue-full`, `unavailable`; whatever the codec of its message throws
   */
  post(frame: Outgoing): void {
    if (!frame.durable || this.#journal === undefined) return this.#post(frame);
    frame.settleOwned();
    this.#checkSize(frame);
    this.#journal.accept(frame, () => this.#post(frame));
  }

  #post(frame: Outgoing): void {
    const busy = this.#link !== undefined && this.#ready() === 0 && this.#isBusy(frame);
    if (busy && frame.failsWhenBusy) throw tooManyCalls(this.#calls.most);
    if (!busy && this.passable && this.#waiting?.markIfNextLink(frame) !== true) {
      try {
        return this.#transmit(this.#link as Link, frame);
      } finally {
        // What the frame's own message sent.
        if (this.#waiting !== undefined && this.#waiting.length > 0) this.flush();
      }
    }
    if (!frame.reliable && this.#link === undefined) {
      if (frame.callId === undefined) return this.#drop(frame, "not-connected");
      throw this.#noConnection();
    }
    if (this.#refusal !== undefined && expires(frame)) throw this.#refusal;
    frame.park();
    this.#checkSize(frame);
    if (busy && this.#waiting?.markIfNextLink(frame) !== true) this.#queue().pushBusy(frame);
    else this.#queue().push(frame);
    this.#host.memoryChanged();
    if (this.#link === undefined) this.#events.emit("queued");
  }

  /** Whether a request has to wait until a call has ended, or a frame belongs to one that does. Calls go out in the order that they were made. */
  #isBusy(frame: Outgoing): boolean {
    const waiting = this.#waiting === undefined ? 0 : this.#waiting.busy;
    if (frame.kind === KIND_REQUEST) return waiting > 0 || this.#calls.full;
    return waiting > 0 && this.#waiting?.isBusy(frame) === true;
  }

  /** A call of this side is over: one that waits may take its place. */
  callEnded(request: Outgoing): void {
    if (this.#calls.remove(request) && this.#waiting !== undefined && this.#waiting.busy > 0) this.flush();
  }

  /** A response came to a call that nobody waits for. */
  answered(callId: number): void {
    const request = this.#calls.takeEarlier(callId);
    if (request !== undefined) this.callEnded(request);
  }

  #checkSize(frame: Outgoing): void {
    const length = frame.payload?.length ?? 0;
    if (length > this.#maxPayload) throw this.#tooLarge(`payload of ${length} bytes; maxPayload is ${this.#maxPayload}`);
  }

  #tooLarge(text: string): FramewireError {
    return new FramewireError("frame-too-large", inFull ? `${text} (${this.#agreed ? "the receiver's" : "this side's"} limit)` : text);
  }

  /** Sends a frame of the protocol itself: it has no sequence, passes everything that waits, and is lost without a link. */
  control(kind: FrameKind, payload?: Uint8Array, status?: number): void {
    const link = this.#link;
    if (link?.open !== true) return;
    const { received } = this.#received;
    this.#received.acknowledged = received;
    link.write({ version: WIRE_VERSION, cmd: 0, payload, ack: received > 0 ? received : undefined, kind, status });
  }

  /** Sends what waits, as far as there is room: first what is to be sent again, then what is new. */
  flush(): void {
    if (this.#writing) return;
    this.#sent.flush(this.#link);
    if (this.#sent.behind) return;
    while (this.#ready() > 0 && this.#open()) {
      const frame = this.#queue().shift() as Outgoing;
      if (!this.#isBusy(frame)) this.#send(frame);
      else if (frame.failsWhenBusy) this.#refuse(frame, tooManyCalls(this.#calls.most));
      else this.#queue().moveToBusy(frame);
    }
    while (this.#waiting !== undefined && this.#waiting.busy > 0 && !this.#calls.full && this.#ready() === 0 && this.#open()) {
      const request = this.#waiting.admit();
      if (request !== undefined) this.#send(request);
      while (this.#ready() > 0 && this.#open()) this.#send(this.#queue().shift() as Outgoing);
    }
    if (this.passable) this.#releaseWritable();
  }

  #send(frame: Outgoing): void {
    try {
      this.#transmit(this.#link as Link, frame);
    } catch (error) {
      // What fitted when it began to wait may be too large for the peer of this link.
      this.#refuse(frame, error);
    }
  }

  #refuse(frame: Outgoing, error: unknown): void {
    const tooLarge = error instanceof FramewireError && error.code === "frame-too-large";
    if (frame.kept && tooLarge && frame.owner === undefined) {
      // Nobody waits for it: it stays in the journal, for a peer that takes more.
      this.#journal?.setAside(frame);
      const kept = new FramewireError("frame-too-large", `${error.message}; it stays in the outbox`, { cause: error });
      return this.#events.emit("failure", { command: frame.name, error: kept });
    }
    if (frame.kept) this.#journal?.withdrawn(frame);
    this.#host.unsendable(frame, error);
  }

  /** The peer has everything up to `sequence`. False if it can't have. Frames that waited for that may go now: `flush`. */
  acknowledge(sequence: number): boolean {
    if (!this.#sent.acknowledge(sequence)) return false;
    this.#journal?.acknowledged(sequence);
    return true;
  }

  /**
   * Sequences start anew behind `received`, the last that the peer has: 0 in a new session. What a journal keeps is sent
   * again. Gives the range of frames that had been sent, were not acknowledged, and are not.
   */
  restart(received = 0): SequenceRange | undefined {
    const { acked, next } = this.#sent.restart(received);
    this.#calls.dropEarlier();
    if (this.#waiting !== undefined && this.#waiting.busy > 0) this.flush();
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
    for (const frame of frames) {
      frame.sent = false;
      this.#calls.remove(frame);
    }
    if (frames.length > 0) this.#queue().putBack(frames);
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
    if (this.waiting > 0) this.#withdrawn(this.#waiting?.remove(match));
  }

  /** The same for the frames of a call. */
  withdrawCall(callId: number, request?: Outgoing): void {
    if (this.waiting > 0) this.#withdrawn(this.#waiting?.removeCall(callId, request));
  }

  #withdrawn(frames: readonly Outgoing[] = []): void {
    for (const frame of frames) if (frame.kept) this.#journal?.withdrawn(frame);
    this.#host.memoryChanged();
  }

  /**
   * What waits for a link fails with `error`, and what would have to from now on, but for what a journal keeps and what belongs to something that the
   * peer knows of. Without `error` frames wait again.
   */
  refuse(error: FramewireError | undefined): void {
    this.#refusal = error;
    if (error !== undefined) for (const frame of this.#waiting?.clear() ?? []) frame.owner?.frameSettled(error);
  }

  /** Ends everything that waits with `error`. */
  close(error: FramewireError): void {
    this.#link = undefined;
    this.#sent.close();
    for (const frame of this.#waiting?.clear(() => true) ?? []) frame.owner?.frameSettled(error);
    this.#waiting = undefined;
    this.#releaseWritable();
  }

  #transmit(link: Link, frame: Outgoing): void {
    // The encoder checks the others. What goes to many was framed without a look at this peer's limit.
    if (serving && frame.broadcast !== undefined) this.#checkSize(frame);
    const observed = this.#events.has("frame");
    if (observed) frame.settleForGood();
    const before = link.writtenBytes;
    this.#writing = true;
    try {
      if (this.#version === 1) this.#writeV1(link, frame);
      else this.#writeSealed(link, frame);
    } catch (error) {
      // The encoder does not know whose the limit is.
      throw inFull && error instanceof FramewireError && error.code === "frame-too-large" ? this.#tooLarge(error.message) : error;
    } finally {
      this.#writing = false;
    }
    if (frame.kind === KIND_REQUEST) this.#calls.add(frame);
    frame.left();
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
    if (serving && frame.broadcast !== undefined) link.writeEncoded(frame.broadcast.frame(1).bytes, true);
    else link.write({ cmd: frame.cmd, payload: frame.payload ?? EMPTY });
  }

  #writeSealed(link: Link, frame: Outgoing): void {
    const received = this.#received;
    const { codec, broadcast } = frame;
    if (frame.ext !== undefined || frame.trace !== undefined) checkTrailer(frame, this.#maxTrailer - OWN_TRAILER);
    const keep = frame.reliable ? this.#sent.replay : undefined;
    if (keep !== undefined) this.#sent.stamp();
    frame.version = WIRE_VERSION;
    frame.sequence = keep?.next;
    frame.ack = received.owesAck ? received.received : undefined;
    if (frame.kept) this.#journal?.numbered(frame, this.#sent.replay.next);
    if (serving && broadcast !== undefined) {
      link.writeShared(broadcast.frame(2), frame, keep);
    } else if (codec !== undefined && inPlace?.suits(codec)) {
      inPlace.write(link, frame, codec, keep);
    } else {
      frame.settlePayload();
      link.write(frame, keep);
    }
    received.acknowledged = received.received;
    if (keep !== undefined) this.#sent.sentOne();
  }

  #releaseWritable(): void {
    const writable = this.#writable;
    this.#writable = undefined;
    writable?.resolve();
  }
}

/** What is longer than a W3C traceparent is counted with the metadata. @throws FramewireError `frame-too-large` */
function checkTrailer({ ext, trace = "" }: Outgoing, most: number): void {
  const length = (ext?.length ?? 0) + Math.max(0, trace.length - TRACE_BYTES);
  if (length > most) {
    throw new FramewireError("frame-too-large", `metadata of ${length} bytes; maxTrailer is ${most + OWN_TRAILER} and leaves ${most}`);
  }
}

function tooManyCalls(most: number): FramewireError {
  return new FramewireError("resource-exhausted", `${most} calls are in flight, which is the receiver's maxCalls`);
}
