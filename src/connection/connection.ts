/**
 * A connection as its users see it: commands in and out, over one link after another. The same on both ends; the
 * server's accept and the client's connect do the handshake and hand it a link that is ready.
 */
import type { Discard, FrameInit, FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { Credit, Goaway } from "../gen/framewire/v1/session.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { type CallOptions, CallTable } from "./calls.js";
import type { Clock, Timer } from "./clock.js";
import type { Command } from "./commands.js";
import type { MessageSource } from "./definition.js";
import { ReceivedSequence, ReplayBuffer, type SequenceRange } from "./delivery.js";
import type { Dispatcher } from "./dispatcher.js";
import { Emitter } from "./emitter.js";
import type { CallHost } from "./host.js";
import type { Link, LinkEnd, LinkOwner } from "./link.js";
import { encodeMessage } from "./messages.js";
import { encodeExt, type Outgoing, SendQueue } from "./outgoing.js";
import { type HandlerFailure, ServedCalls } from "./served-calls.js";
import { V1Exchange } from "./v1-exchange.js";

/** Reliable frames that are lost for good: always told, never silent. */
export interface GapEvent extends SequenceRange {
  /** `in`: the peer's frames that never came; `out`: ours that the peer never got. */
  readonly direction: "in" | "out";
  readonly reason: string;
}

/** One frame that passed, for logs and tools. */
export interface FrameEvent {
  readonly direction: "in" | "out";
  readonly version: number;
  readonly cmd: number;
  readonly kind: FrameKind;
  /** 0 = belongs to no call. */
  readonly callId: number;
  /** Valid during the event only. */
  readonly payload: Uint8Array;
  /** Bytes on the wire. */
  readonly bytes: number;
}

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** Every application frame, and every frame received, if anybody listens. */
  frame: [FrameEvent];
  /** Bytes were lost to damage. */
  damage: [Discard];
  gap: [GapEvent];
  /** A handler failed, or a frame asked for what is not there. */
  failure: [HandlerFailure];
  /** The link is gone; the session may go on. */
  detach: [LinkEnd];
  /** The peer will close soon. */
  goaway: [Goaway];
  /** The connection ended for good. */
  close: [FramewireError];
}

/** What the two ends agreed on in the handshake. */
export interface Agreement {
  readonly version: 1 | 2;
  /** What our frames are sealed with from the first after the handshake. */
  readonly maxPayload: number;
  /** Credit that the peer gives each stream to start with. */
  readonly initialCredit: number;
  /** The session can be resumed on another link. */
  readonly resumable: boolean;
  /** Present if the session goes on from an earlier link: what the peer has of ours. Absent: a new session. */
  readonly resumed?: {
    readonly peerReceived: number;
    readonly lostIn?: GapEvent | undefined;
    readonly lostOut?: GapEvent | undefined;
  };
}

type State =
  | { readonly tag: "detached" }
  | { readonly tag: "attached"; readonly link: Link }
  | { readonly tag: "closed"; readonly error: FramewireError };

const EMPTY = new Uint8Array(0);
const DATA_LOSS = 15;

export class Connection implements CallHost, LinkOwner {
  readonly side: "client" | "server";
  readonly options: ResolvedConnectionOptions;
  readonly clock: Clock;
  readonly events = new Emitter<ConnectionEvents>();
  readonly #calls: CallTable;
  readonly #served: ServedCalls;
  readonly #v1: V1Exchange;
  readonly #queue: SendQueue;
  #replay: ReplayBuffer;
  #received = new ReceivedSequence();
  #state: State = { tag: "detached" };
  #agreement: Agreement = { version: 2, maxPayload: Number.MAX_SAFE_INTEGER, initialCredit: 0, resumable: false };
  #writable: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #ackTimer: Timer | undefined;
  #expiryTimer: Timer | undefined;
  #paused = false;
  #onIdle: (() => void) | undefined;

  /** `facade` is what handlers see as `context.connection`. */
  constructor(side: "client" | "server", dispatcher: Dispatcher, facade: unknown, options: ResolvedConnectionOptions, clock: Clock) {
    this.side = side;
    this.options = options;
    this.clock = clock;
    const failed = (failure: HandlerFailure) => this.events.emit("failure", failure);
    this.#calls = new CallTable(this, side);
    this.#served = new ServedCalls(this, dispatcher, facade, failed);
    this.#v1 = new V1Exchange(this, dispatcher, facade, failed);
    this.#queue = new SendQueue(options);
    this.#replay = this.#newReplay();
  }

  /** The link in use, if there is one. */
  get link(): Link | undefined {
    return this.#state.tag === "attached" ? this.#state.link : undefined;
  }

  get closed(): boolean {
    return this.#state.tag === "closed";
  }

  /** Wire version agreed on; 2 until there was a handshake. */
  get version(): 1 | 2 {
    return this.#agreement.version;
  }

  get peerCredit(): number {
    return this.#agreement.initialCredit || this.options.initialCredit;
  }

  /** Calls and handlers of both directions that have not settled. */
  get inFlight(): number {
    return this.#calls.size + this.#served.size + this.#v1.size;
  }

  /** Highest sequence received with none missing before it. */
  get received(): number {
    return this.#received.received;
  }

  /** What was sent and is not acknowledged. */
  get replay(): ReplayBuffer {
    return this.#replay;
  }

  /** Bytes kept for this connection: waiting to be sent, or for an acknowledgement. */
  get heldBytes(): number {
    return this.#queue.bytes + this.#replay.bytes;
  }

  // Calls and messages

  /** Sends a one-way message. Resolves when it went out; rejects if it never will. `undefined`: it is out already. */
  send(command: Command, message: unknown, options: Pick<CallOptions, "metadata" | "trace"> = {}): Promise<void> | undefined {
    return this.sendPayload(command, encodeMessage(command.request, message), options);
  }

  /** The same for a message that is serialised already. The connection owns the bytes from here. */
  sendPayload(command: Command, payload: Uint8Array, options: Pick<CallOptions, "metadata" | "trace"> = {}): Promise<void> | undefined {
    const { cmd, reliable, slowConsumer } = command;
    const base = {
      cmd,
      kind: FrameKind.FRAME_KIND_MESSAGE,
      callId: 0,
      payload,
      trace: options.trace,
      ext: encodeExt(options.metadata),
      reliable,
      slowConsumer,
    };
    if (this.#passable) {
      this.#transmit({ ...base, sent: false });
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const settled = (error?: FramewireError) => (error === undefined ? resolve() : reject(error));
      try {
        this.post({ ...base, settled, sent: false });
      } catch (error) {
        reject(error);
      }
    });
  }

  unary(command: Command, request: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.version === 1) return this.#v1.request(command, request, options);
    return this.#calls.unary(command, request, options);
  }

  serverStream(command: Command, request: unknown, options: CallOptions = {}): AsyncIterable<unknown> {
    return this.#calls.serverStream(command, request, options);
  }

  clientStream(command: Command, requests: MessageSource<unknown>, options: CallOptions = {}): Promise<unknown> {
    return this.#calls.clientStream(command, requests, options);
  }

  bidiStream(command: Command, requests: MessageSource<unknown>, options: CallOptions = {}): AsyncIterable<unknown> {
    return this.#calls.bidiStream(command, requests, options);
  }

  // Life

  /** Takes a link whose handshake is done. An earlier link is dropped; its late events change nothing. */
  attach(link: Link, agreement: Agreement): void {
    if (this.#state.tag === "closed") return link.close(1001, "the connection is closed");
    const old = this.link;
    this.#state = { tag: "attached", link };
    this.#agreement = agreement;
    link.handTo(this);
    old?.fail("session-replaced", "a newer link took over this session");
    const { resumed } = agreement;
    if (resumed === undefined) {
      this.#startAfresh("the peer no longer has the session");
    } else {
      if (resumed.lostIn !== undefined) this.#lostIncoming(resumed.lostIn);
      if (resumed.lostOut !== undefined) this.#lostOutgoing(resumed.lostOut);
      this.#replay.ack(resumed.peerReceived);
      for (const bytes of this.#replay.after(resumed.peerReceived)) link.writeEncoded(bytes);
    }
    this.#paused = false;
    this.#flushQueue();
  }

  /** Ends the connection for good: everything in flight fails. */
  close(closeCode: number, reason: string, error = new FramewireError("connection-closed", reason)): void {
    if (this.#state.tag === "closed") return;
    const link = this.link;
    link?.close(closeCode, reason);
    this.#state = { tag: "closed", error };
    this.#ackTimer?.cancel();
    this.#expiryTimer?.cancel();
    for (const frame of this.#queue.remove(() => true)) frame.settled?.(error);
    this.#calls.failWhere(() => true, "unavailable", reason);
    this.#served.abortWhere(() => true, reason);
    this.#v1.end(reason);
    this.#replay = this.#newReplay();
    this.#releaseWritable();
    this.#onIdle?.();
    this.events.emit("close", error);
  }

  /** Resolves when no call and no handler is in flight and every frame has gone out. */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Tells the peer that this side will close soon. */
  goaway(reason: string, reconnectSpreadMs: number): void {
    if (this.version === 2) this.#control(FrameKind.FRAME_KIND_GOAWAY, Goaway.encode({ reason, reconnectSpreadMs, closeCode: 0 }).finish());
  }

  // CallHost

  post(frame: Outgoing): void {
    if (this.#state.tag === "closed") throw this.#state.error;
    if ((frame.payload?.length ?? 0) > this.#agreement.maxPayload) {
      throw new FramewireError(
        "frame-too-large",
        `the message has ${frame.payload?.length} bytes; the peer takes ${this.#agreement.maxPayload}`,
      );
    }
    if (this.#passable) return this.#transmit(frame);
    if (!frame.reliable && this.#state.tag === "detached") {
      if (frame.callId !== 0)
        throw new FramewireError("unavailable", "there is no connection, and the command is not kept for the next one");
      return frame.settled?.();
    }
    this.#queue.push(frame, this.clock.now());
    this.#watchExpiry();
  }

  answer(frame: Outgoing): void {
    if (this.#state.tag === "closed") return;
    try {
      this.post(frame);
    } catch (error) {
      if (error instanceof FramewireError && error.code === "frame-too-large") {
        this.events.emit("failure", { command: `cmd ${frame.cmd}`, error });
        if (this.version === 2)
          this.answer({
            ...frame,
            kind: FrameKind.FRAME_KIND_RESPONSE,
            payload: undefined,
            status: 8,
            ext: encodeExt(undefined, error.message),
          });
      } else {
        this.#tooSlow();
      }
    }
  }

  withdraw(callId: number): void {
    if (this.#queue.length > 0) this.#queue.remove((frame) => frame.callId === callId);
  }

  whenWritable(): Promise<void> | undefined {
    if (this.#passable || this.closed) return undefined;
    if (this.#writable === undefined) {
      let resolve = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#writable = { promise, resolve };
    }
    return this.#writable.promise;
  }

  callSettled(): void {
    if (this.#paused && this.#served.size < this.options.maxCalls / 2) {
      this.#paused = false;
      this.link?.resume();
    }
    if (this.#isIdle) this.#onIdle?.();
  }

  // LinkOwner

  onFrame(link: Link, frame: FrameView): void {
    if (link !== this.link) return;
    if (this.events.has("frame"))
      this.#tell("in", frame.version, frame.cmd, frame.kindNumber, frame.callIdNumber, frame.payload, frame.end - frame.start);
    if (this.version === 1) {
      if (frame.version >= 2) return link.fail("protocol-violation", "a version 2 frame on a version 1 connection");
      this.#v1.onFrame(frame);
    } else {
      this.#onSessionFrame(link, frame);
    }
    if (this.#served.size + this.#v1.size >= this.options.maxCalls && !this.#paused) {
      this.#paused = true;
      link.pause();
    }
  }

  onDamage(link: Link, discard: Discard): void {
    if (link !== this.link) return;
    this.events.emit("damage", discard);
    // What was damaged may have been reliable: ask for everything after the last good one, at the end of the turn.
    if (this.version === 2) this.#askAgain();
  }

  onWritable(link: Link): void {
    if (link === this.link) this.#flushQueue();
  }

  onPing(link: Link): void {
    if (this.version === 2) this.#control(FrameKind.FRAME_KIND_PING, undefined);
    else link.probeTransport();
  }

  onClosing(link: Link, closeCode: number, reason: string): void {
    if (this.version === 1 || link.info.kind === "ws") return;
    const goaway = Goaway.encode({ reason, reconnectSpreadMs: 0, closeCode }).finish();
    link.write({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_GOAWAY, payload: goaway });
  }

  onEnd(link: Link, end: LinkEnd): void {
    if (link !== this.link) return;
    this.#state = { tag: "detached" };
    this.#ackTimer?.cancel();
    this.#ackTimer = undefined;
    const { version, resumable } = this.#agreement;
    const why = end.reason === "" ? "the connection broke" : end.reason;
    if (version === 1) this.#v1.end(why);
    // What is not kept for a resume ends here; what is kept waits for the next link.
    this.#calls.failWhere((request) => request.sent && !(resumable && request.reliable), "unavailable", why);
    this.#served.abortWhere((command) => !(resumable && command.reliable), why);
    this.events.emit("detach", end);
  }

  // Sending

  get #passable(): boolean {
    return this.#state.tag === "attached" && this.#queue.length === 0 && this.#state.link.writable;
  }

  get #isIdle(): boolean {
    return this.inFlight === 0 && this.#queue.length === 0;
  }

  #transmit(frame: Outgoing): void {
    const link = this.link as Link;
    frame.sent = true;
    const before = link.bufferedBytes;
    if (this.version === 1) {
      link.write({ cmd: frame.cmd, payload: frame.payload ?? EMPTY });
    } else {
      const received = this.#received;
      const init: FrameInit = {
        version: 2,
        cmd: frame.cmd,
        payload: frame.payload,
        sequence: frame.reliable ? this.#replay.next : undefined,
        ack: received.owesAck ? received.received : undefined,
        callId: frame.callId === 0 ? undefined : frame.callId,
        kind: frame.kind === FrameKind.FRAME_KIND_MESSAGE ? undefined : frame.kind,
        status: frame.status,
        timeoutMs: frame.timeoutMs,
        trace: frame.trace,
        ext: frame.ext,
      };
      received.acknowledged = received.received;
      if (frame.reliable) this.#replay.add(link.write(init, true));
      else link.write(init);
    }
    if (this.events.has("frame")) {
      this.#tell(
        "out",
        this.version,
        frame.cmd,
        frame.kind,
        frame.callId,
        frame.payload ?? EMPTY,
        Math.max(0, link.bufferedBytes - before),
      );
    }
    frame.settled?.();
  }

  /** Control frames have no sequence and pass everything that waits. */
  #control(kind: FrameKind, payload: Uint8Array | undefined, status?: number): void {
    const link = this.link;
    if (link === undefined || !link.open) return;
    const received = this.#received;
    received.acknowledged = received.received;
    link.write({ version: 2, cmd: 0, payload, ack: received.received, kind, status });
  }

  #flushQueue(): void {
    while (this.#queue.length > 0 && this.link?.writable === true) this.#transmit(this.#queue.shift() as Outgoing);
    if (this.#passable) this.#releaseWritable();
    if (this.#isIdle) this.#onIdle?.();
  }

  #releaseWritable(): void {
    const writable = this.#writable;
    this.#writable = undefined;
    writable?.resolve();
  }

  #watchExpiry(): void {
    if (this.#expiryTimer !== undefined || this.#queue.length === 0) return;
    this.#expiryTimer = this.clock.setTimer(Math.max(0, this.#queue.expiresAt - this.clock.now()), () => {
      this.#expiryTimer = undefined;
      for (const frame of this.#queue.expire(this.clock.now())) {
        frame.settled?.(new FramewireError("queue-expired", `the frame waited longer than ${this.options.maxQueuedMs} ms to be sent`));
      }
      this.#watchExpiry();
    });
  }

  #tooSlow(): void {
    const message = `more than ${this.options.maxQueuedBytes} bytes or ${this.options.maxQueuedFrames} frames wait for a peer that does not take them`;
    const error = new FramewireError("slow-consumer", message, { fault: "remote" });
    this.link?.fail("slow-consumer", message);
    this.close(1006, message, error);
  }

  // Receiving

  #onSessionFrame(link: Link, frame: FrameView): void {
    if (frame.ackNumber > 0 && !this.#replay.ack(frame.ackNumber)) {
      return link.fail("protocol-violation", "the peer acknowledged a sequence that was never sent");
    }
    if (frame.sequenceNumber > 0 && !this.#acceptSequence(link, frame.sequenceNumber)) return;
    switch (frame.kindNumber) {
      case FrameKind.FRAME_KIND_MESSAGE:
        return this.#served.onMessage(frame);
      case FrameKind.FRAME_KIND_REQUEST:
        if ((frame.callIdNumber & 1) !== (this.side === "client" ? 0 : 1) || !this.#served.onRequest(frame)) {
          link.fail("protocol-violation", `the call id ${frame.callIdNumber} is in use or not the peer's to give`);
        }
        return;
      case FrameKind.FRAME_KIND_RESPONSE:
        return this.#calls.onResponse(frame);
      case FrameKind.FRAME_KIND_ITEM:
        if (!(this.#isOurs(frame) ? this.#calls.onItem(frame) : this.#served.onItem(frame))) {
          link.fail("protocol-violation", "the peer sent more items than its credit allows");
        }
        return;
      case FrameKind.FRAME_KIND_END:
        return this.#served.onEnd(frame.callIdNumber);
      case FrameKind.FRAME_KIND_CREDIT:
        return this.#onCredit(link, frame);
      case FrameKind.FRAME_KIND_CANCEL:
        return this.#served.onCancel(frame.callIdNumber);
      case FrameKind.FRAME_KIND_PING:
        return this.#control(FrameKind.FRAME_KIND_PONG, frame.payload.slice());
      case FrameKind.FRAME_KIND_PONG:
        return;
      case FrameKind.FRAME_KIND_ACK:
        if (frame.status === DATA_LOSS) this.#resend(link, frame.ackNumber);
        return;
      case FrameKind.FRAME_KIND_GOAWAY:
        return this.#onGoaway(link, frame);
      default:
        // A kind from the future means nothing to us; hello and welcome belong to the handshake.
        if (frame.kindNumber === FrameKind.FRAME_KIND_HELLO || frame.kindNumber === FrameKind.FRAME_KIND_WELCOME) {
          link.fail("protocol-violation", "a second handshake on one connection");
        }
    }
  }

  #isOurs(frame: FrameView): boolean {
    return (frame.callIdNumber & 1) === (this.side === "client" ? 1 : 0);
  }

  /** Whether the frame is next in order and may be handled. */
  #acceptSequence(link: Link, sequence: number): boolean {
    switch (this.#received.accept(sequence)) {
      case "deliver":
        this.#oweAck();
        return true;
      case "duplicate":
        this.#oweAck();
        return false;
      case "gap":
        if (this.#received.shouldAskAgain(sequence)) this.#askAgain();
        return false;
      case "invalid":
        link.fail("protocol-violation", "a sequence is out of range");
        return false;
    }
  }

  #oweAck(): void {
    this.#ackTimer ??= this.clock.setTimer(this.options.ackDelayMs, () => {
      this.#ackTimer = undefined;
      if (this.#received.owesAck) this.#control(FrameKind.FRAME_KIND_ACK, undefined);
    });
  }

  #askAgain(): void {
    this.#control(FrameKind.FRAME_KIND_ACK, undefined, DATA_LOSS);
  }

  /** The peer lost frames to damage: all after its last good one go out again, in order. */
  #resend(link: Link, received: number): void {
    const missing = this.#replay.missingAfter(received);
    if (missing !== undefined) return link.fail("resend-impossible", `frames ${missing.from} to ${missing.to} are no longer kept`);
    for (const bytes of this.#replay.after(received)) link.writeEncoded(bytes);
  }

  #onCredit(link: Link, frame: FrameView): void {
    let bytes: number;
    try {
      bytes = Credit.decode(frame.payload).bytes;
    } catch (cause) {
      return link.fail("protocol-violation", "a credit frame could not be read", cause);
    }
    if (this.#isOurs(frame)) this.#calls.onCredit(frame.callIdNumber, bytes);
    else this.#served.onCredit(frame.callIdNumber, bytes);
  }

  #onGoaway(link: Link, frame: FrameView): void {
    let goaway: Goaway;
    try {
      goaway = Goaway.decode(frame.payload);
    } catch (cause) {
      return link.fail("protocol-violation", "a goaway frame could not be read", cause);
    }
    if (goaway.closeCode !== 0) link.endedByPeer(goaway.closeCode, goaway.reason);
    else this.events.emit("goaway", goaway);
  }

  // Sessions

  #newReplay(): ReplayBuffer {
    return new ReplayBuffer({ maxBytes: this.options.replayBytes, maxFrames: this.options.replayFrames });
  }

  /** A new session: what the old one had not delivered is lost, and told. */
  #startAfresh(reason: string): void {
    const { acked, next } = this.#replay;
    this.#replay = this.#newReplay();
    this.#received = new ReceivedSequence();
    this.#calls.failWhere((request) => request.sent, "unavailable", reason);
    this.#served.abortWhere(() => true, reason);
    if (next - 1 > acked) this.events.emit("gap", { direction: "out", from: acked + 1, to: next - 1, reason });
  }

  #lostIncoming(gap: GapEvent): void {
    this.#received.skip(gap);
    this.events.emit("gap", gap);
    const lost = `frames ${gap.from} to ${gap.to} of the peer were lost (${gap.reason})`;
    this.#calls.failWhere((request) => request.sent, "data-loss", lost);
    this.#served.abortWhere((command) => command.requestStream, lost);
  }

  #lostOutgoing(gap: GapEvent): void {
    this.events.emit("gap", gap);
    const lost = `frames ${gap.from} to ${gap.to} were lost before they reached the peer (${gap.reason})`;
    this.#calls.failWhere((request) => request.sent, "data-loss", lost);
  }

  #tell(direction: "in" | "out", version: number, cmd: number, kind: number, callId: number, payload: Uint8Array, bytes: number): void {
    this.events.emit("frame", { direction, version, cmd, kind: kind as FrameKind, callId, payload, bytes });
  }
}
