/**
 * A connection as its users see it: commands in and out, over one link after another. The same on both ends; the
 * server's accept and the client's connect do the handshake and hand it a link that is ready.
 */

import type { Discard, FrameView } from "../codec/index.js";
import { type CallErrorCode, closeCodeOf, FramewireError, inFull, reasonOf, statusOf } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { AccountKeeper, LateShare } from "../link/account.js";
import type { Link, LinkEnd, LinkOwner } from "../link/link.js";
import { USELESS_FRAME_WEIGHT } from "../link/rate-limit.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Command } from "../protocol/commands.js";
import { KIND_GOAWAY, KIND_HELLO, KIND_PING, KIND_REQUEST, KIND_RESPONSE } from "../protocol/frame-kind.js";
import type { Clock } from "../runtime/clock.js";
import { Emitter } from "../runtime/emitter.js";
import type { FailureEvent } from "../runtime/guard.js";
import { serving } from "../runtime/serving.js";
import type { ConnectionEvents, GapEvent, InvalidEvent, Sent } from "../session/events.js";
import { OWN_TRAILER, sayClosing, versionOneAgreement } from "../session/handshake.js";
import { Inbound, type InboundHost } from "../session/inbound.js";
import type { Journal } from "../session/journal.js";
import { encodeExt } from "../session/metadata.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";
import { Outbound } from "../session/outbound.js";
import { Outgoing } from "../session/outgoing.js";
import { ReceivedSequence, type SequenceRange } from "../session/receive-sequence.js";
import type { ReplayBuffer } from "../session/replay-buffer.js";
import { type CallOptions, checkCallOptions } from "./call-options.js";
import type { Caller } from "./caller.js";
import { CallTable } from "./calls.js";
import type { Dispatcher } from "./dispatcher.js";
import { named, raise, refused } from "./failure.js";
import type { CallHost } from "./host.js";
import type { ConnectionParts, PeerCallTable, VersionOneCalls } from "./parts.js";

/** What a connection starts with. */
export interface ConnectionStart {
  /** What it can do beyond calls of its own with one request. */
  readonly parts: ConnectionParts;
  /** Wire version expected until the first handshake. Default 2. */
  readonly version?: 1 | 2 | undefined;
  /** Keeps what is sent beyond this process. */
  readonly journal?: Journal | undefined;
  /** Counts what it holds. */
  readonly account?: AccountKeeper | undefined;
}

/** The message was handed over. */
const SENT: Sent = Object.freeze({ dropped: undefined });

type State =
  | { readonly tag: "detached" }
  | { readonly tag: "attached"; readonly link: Link }
  | { readonly tag: "closed"; readonly error: FramewireError };

export class Connection implements Caller, CallHost, LinkOwner, InboundHost {
  readonly options: ResolvedConnectionOptions;
  readonly clock: Clock;
  readonly events = new Emitter<ConnectionEvents>();
  /** Set when this side is about to close, which the peer was told: new calls of the peer are refused. */
  draining = false;
  /** Called when nothing of the connection is in flight, also when it has closed. Servers only. */
  onIdle: (() => void) | undefined;
  readonly #side: "client" | "server";
  readonly #received = new ReceivedSequence();
  readonly #parts: ConnectionParts;
  readonly #dispatcher: Dispatcher;
  readonly #facade: unknown;
  readonly #sender: Outbound;
  readonly #router: Inbound;
  // Made when they are first needed: a server's connections are thousands, and most need one of the three.
  #calls: CallTable | undefined;
  #served: PeerCallTable | undefined;
  #v1: VersionOneCalls | undefined;
  readonly #journal: Journal | undefined;
  readonly #account: AccountKeeper | undefined;
  /** Memory of what the peer has sent and the application has not taken. */
  #receivedMemory = 0;
  /** Where what its handlers hold is counted once it has closed, and all that can be released at once has been. */
  #late: LateShare | undefined;
  /** @internal Bytes that its account has counted for it, without those that it shares with others. */
  counted = 0;
  #state: State = { tag: "detached" };
  #agreement: NegotiatedSettings;
  #paused = false;
  #unreported: SequenceRange | undefined;

  /** `facade` is what handlers see as `context.connection`. */
  constructor(
    side: "client" | "server",
    dispatcher: Dispatcher,
    facade: unknown,
    options: ResolvedConnectionOptions,
    clock: Clock,
    { parts, version = 2, journal, account }: ConnectionStart,
  ) {
    this.#side = side;
    this.options = options;
    this.clock = clock;
    this.#parts = parts;
    this.#agreement = { ...versionOneAgreement(options), version };
    this.#dispatcher = dispatcher;
    this.#facade = facade;
    this.#journal = journal;
    this.#account = account;
    this.#sender = new Outbound(options, clock, this.events, this.#received, this, journal);
    this.#router = new Inbound(side, this, this.#sender, this.#received);
  }

  /** The calls of this side. */
  get calls(): CallTable {
    this.#calls ??= new CallTable(this, this.#side, this.#parts, this.#journal);
    return this.#calls;
  }

  /** The calls of the peer. */
  get served(): PeerCallTable {
    this.#served ??= this.#parts.serve(this, this.#dispatcher, this.#facade);
    return this.#served;
  }

  /** All there is of a version 1 peer. */
  #exchange(): VersionOneCalls {
    this.#v1 ??= this.#parts.exchange(this, this.#dispatcher, this.#facade);
    return this.#v1;
  }

  /** The link in use, if there is one. */
  get link(): Link | undefined {
    return this.#state.tag === "attached" ? this.#state.link : undefined;
  }

  get closed(): boolean {
    return this.#state.tag === "closed";
  }

  /** Wire version agreed on, or expected until there was a handshake. */
  get version(): 1 | 2 {
    return this.#agreement.version;
  }

  get peerCredit(): number {
    return this.#agreement.initialCredit;
  }

  get peerMaxCalls(): number {
    return this.#agreement.maxCalls;
  }

  get maxExt(): number {
    return this.#agreement.maxTrailer - OWN_TRAILER;
  }

  /** Its sending half. */
  get sender(): Outbound {
    return this.#sender;
  }

  /** Calls and handlers of both directions that have not settled. */
  get inFlight(): number {
    return (this.#calls?.size ?? 0) + (this.#served?.size ?? 0) + (this.#v1?.size ?? 0);
  }

  /** Highest sequence received with none missing before it. */
  get received(): number {
    return this.#received.received;
  }

  /**
   * Frames that the peer lost on its way here, as the last welcome said. Nothing has come from the peer since, so that
   * it may not have heard of them.
   */
  get unreported(): SequenceRange | undefined {
    return this.#unreported;
  }

  /** What was sent and is not acknowledged. */
  get replay(): ReplayBuffer {
    return this.#sender.retransmission.replay;
  }

  /** Gives up what is too old to be sent again on another link (`replayMs`). */
  expireReplay(): void {
    this.#sender.retransmission.expire();
  }

  /** Memory of what the peer has sent and the application has not taken: items that nobody has read, requests whose handlers run. */
  get receivedMemory(): number {
    return this.#receivedMemory;
  }

  // Calls and messages

  /**
   * Sends a one-way message. Resolves when it was handed over, with a journal when that has it, or dropped; rejects if
   * it never goes out for another reason. No promise: it was handed over at once.
   */
  send(command: Command, message: unknown, options: CallOptions = {}): Sent | Promise<Sent> {
    try {
      return this.#sendMessage(command, message, options);
    } catch (error) {
      throw refused(command.name, error);
    }
  }

  #sendMessage(command: Command, message: unknown, options: CallOptions): Sent | Promise<Sent> {
    checkCallOptions(options);
    const frame = new Outgoing(command, undefined, undefined, command.reliable);
    frame.codec = command.request;
    frame.message = message;
    frame.trace = options.trace ?? options.parent?.trace;
    frame.ext = encodeExt(options.metadata);
    frame.slowConsumer = command.slowConsumer;
    frame.durable = command.reliable && command.slowConsumer === "close";
    if (frame.durable && this.#journal !== undefined) {
      this.post(frame);
      return this.#journal.written().then(() => SENT);
    }
    if (this.#sender.passable) {
      this.post(frame);
      return SENT;
    }
    const sent = new Promise<Sent>((resolve) => {
      frame.owner = {
        frameSettled: (error, dropped) => resolve(error === undefined ? { dropped } : raise(named(command.name, error))),
      };
    });
    this.post(frame);
    return sent;
  }

  call(command: Command, request: unknown, options: CallOptions = {}): Promise<unknown> {
    return this.calls.call(command, request, options);
  }

  stream(command: Command, request: unknown, options: CallOptions = {}): AsyncIterable<unknown> {
    return this.calls.stream(command, request, options);
  }

  // Life

  /** Takes a link whose handshake is done. An earlier link is dropped; its late events change nothing. */
  attach(link: Link, agreement: NegotiatedSettings): void {
    if (this.closed) return link.close(1001, "the connection is closed");
    const { resumed } = agreement;
    const old = this.link;
    if (resumed !== undefined) this.#sender.evictOversize(agreement);
    this.#state = { tag: "attached", link };
    this.#agreement = agreement;
    this.#paused = false;
    link.handTo(this);
    this.#router.detach();
    this.#sender.attach(link, agreement);
    if (serving) old?.fail("session-replaced", "a newer link took over this session");
    if (resumed === undefined) {
      this.#startAfresh("the peer has no session of this connection");
    } else {
      const lostOut = this.#news(resumed.lostOut);
      if (resumed.lostIn !== undefined) {
        this.#received.skip(resumed.lostIn);
        if (serving) this.#unreported = { from: this.#unreported?.from ?? resumed.lostIn.from, to: resumed.lostIn.to };
      }
      if (resumed.restarted !== undefined) this.#restarted(resumed.restarted);
      // What is kept goes out before anything new, such as what a loss makes this side say.
      if (resumed.restarted?.side === "own") {
        this.#sender.restart(resumed.peerReceived);
      } else {
        if (lostOut !== undefined) this.#sender.lost(lostOut);
        this.#sender.acknowledge(resumed.peerReceived);
        const missing = this.#sender.retransmission.resend(resumed.peerReceived);
        // A client learns the server's limits with the verdict: what they make it lose is in its next hello.
        if (missing !== undefined)
          link.fail("resend-impossible", `one of the frames ${missing.from} to ${missing.to} is larger than the peer's new limits`);
      }
      if (resumed.lostIn !== undefined) this.#lost(resumed.lostIn);
      if (lostOut !== undefined) this.#lost(lostOut);
    }
    if (agreement.version === 1) this.#dropNumberedCalls();
    this.flush();
    this.memoryChanged();
  }

  /** Ends the connection for good: everything in flight fails. */
  close(closeCode: number, reason: string, error = new FramewireError("connection-closed", reason)): void {
    if (this.closed) return;
    const link = this.link;
    this.#state = { tag: "closed", error };
    link?.close(closeCode, reason, error);
    this.#router.detach();
    this.#sender.close(error);
    this.#calls?.failWhere(() => true, "unavailable", reason);
    this.#served?.abortWhere(() => true, reason);
    this.#v1?.end();
    this.#calls?.close();
    this.#served?.close();
    // What is left are requests whose handlers still run.
    if (serving) {
      this.#late = this.#account?.closes(this, this.#receivedMemory);
      this.#receivedMemory = 0;
      this.memoryChanged();
    }
    this.callSettled();
    this.events.emit("close", error);
  }

  /**
   * The session cannot be resumed any more, as far as this side knows: its calls fail, in both directions. If the peer resumes it all the same,
   * it hears of that. Calls that have not gone out wait for the next session; those that a journal keeps are made again in it.
   */
  failSession(error: FramewireError, match: (request: Outgoing) => boolean = ({ sent }) => sent): void {
    this.#calls?.cancelWhere((request) => !request.kept && match(request), error);
    this.#served?.failWhere(() => true, error);
  }

  /**
   * No link is to be expected, because of `cause`: calls and what waits for a link fail, as does what is sent from now on, but for what a journal
   * keeps. Without `cause` a link is on its way again.
   */
  giveUp(cause: FramewireError | undefined): void {
    const error = cause && new FramewireError("unavailable", `the client is disconnected: ${cause.message}`, { cause });
    if (error !== undefined) this.failSession(error, () => true);
    this.#sender.refuse(error);
    this.#calls?.close();
    this.#served?.close();
  }

  /** Whether no call and no handler is in flight and every frame has gone out. */
  get idle(): boolean {
    return this.inFlight === 0 && this.#sender.waiting === 0;
  }

  /** The peer will close soon: calls that this side opens from now on wait for the next link. */
  holdCalls(): void {
    this.#sender.holdCalls();
  }

  // CallHost

  post(frame: Outgoing): void {
    if (this.#state.tag === "closed") throw this.#state.error;
    this.#sender.post(frame);
  }

  answer(frame: Outgoing): void {
    if (this.closed) return;
    try {
      this.#sender.post(frame);
    } catch (error) {
      const code = error instanceof FramewireError ? error.code : undefined;
      if (code === "queue-full") this.#tooSlow();
      else if (code !== "unavailable") this.#unanswerable(frame, error);
    }
  }

  ended(request: Outgoing): void {
    this.#sender.callEnded(request);
  }

  answered(callId: number): void {
    this.#sender.answered(callId);
  }

  awaitReply(cmd: number, callId: number): void {
    this.#exchange().awaitReply(cmd, callId);
  }

  withdraw(callId: number, request?: Outgoing): void {
    this.#sender.withdrawCall(callId, request);
  }

  whenWritable(): Promise<void> | undefined {
    return this.closed ? undefined : this.#sender.whenWritable();
  }

  held(bytes: number): void {
    if (!serving) return;
    if (serving && this.#late !== undefined) return this.#account?.lateChanged(this.#late, bytes);
    this.#receivedMemory += bytes;
    if (bytes < 0) this.#unpause();
    this.memoryChanged();
  }

  get callRoom(): number {
    const { maxCalls } = this.options;
    return serving && this.#account !== undefined ? Math.ceil(maxCalls * this.#account.callShare(this)) : maxCalls;
  }

  memoryChanged(): void {
    if (serving) this.#account?.connectionChanged(this);
  }

  callSettled(): void {
    this.#unpause();
    if (serving && this.onIdle !== undefined && this.idle) this.onIdle();
  }

  invalid(event: InvalidEvent): void {
    this.link?.charge(USELESS_FRAME_WEIGHT);
    this.events.emit("invalid", event);
  }

  failed(failure: FailureEvent): void {
    this.events.emit("failure", failure);
  }

  damaged(): void {
    this.#unreliableLost("frames were lost to damage", "data-loss");
  }

  limited(error: FramewireError): void {
    this.events.emit("limit", error);
  }

  // LinkOwner

  onFrame(link: Link, frame: FrameView): void {
    if (link !== this.link) return;
    // A client that gives up waiting for the welcome may still say goodbye.
    if (serving && this.#unreported !== undefined && frame.kindNumber !== KIND_GOAWAY) this.#unreported = undefined;
    if (this.events.has("frame")) {
      const { version, cmd, kindNumber, callIdNumber: callId, payload, start, end } = frame;
      this.events.emit("frame", { direction: "in", version, cmd, kind: kindNumber as FrameKind, callId, payload, bytes: end - start });
    }
    if (this.version === 2) this.#router.route(link, frame);
    else if (serving && frame.version !== 1 && frame.kindNumber === KIND_HELLO && frame.cmd === 0) this.#refuseHello(link);
    // Of version 2 as well: their trailers mean nothing here.
    else this.#exchange().onFrame(frame);
    if (!this.#paused && this.#overloaded(1)) {
      this.#paused = true;
      link.pause();
    }
  }

  /** The peer speaks version 2, and knows what a goaway is. */
  #refuseHello(link: Link): void {
    const reason = "this connection speaks version 1";
    sayClosing(link, closeCodeOf("version-unsupported"), reason);
    link.fail("version-unsupported", reason);
  }

  onDamage(link: Link): void {
    if (link === this.link && this.version === 2) this.#router.damaged();
  }

  onDiscard(link: Link, discard: Discard): void {
    if (link === this.link) this.events.emit("damage", discard);
  }

  onWritable(link: Link): void {
    if (link === this.link) this.flush();
  }

  onFault(error: unknown): void {
    this.events.fail({ error });
  }

  onPing(link: Link): void {
    // Nothing came for a whole interval: what was only needed while something did goes.
    this.#sender.retransmission.shrink();
    if (this.#served?.idle === true) {
      this.#served.close();
      this.#served = undefined;
    }
    if (this.version === 2) this.#sender.control(KIND_PING);
    else link.probeTransport();
  }

  onClosing(link: Link, closeCode: number, reason: string): void {
    if (this.version === 2) sayClosing(link, closeCode, reason);
  }

  onEnd(link: Link, end: LinkEnd): void {
    if (link !== this.link) return;
    this.#state = { tag: "detached" };
    this.#sender.detach();
    this.#router.detach();
    const { resumable } = this.#agreement;
    const why = end.reason === "" ? "the connection broke" : end.reason;
    this.#v1?.end();
    // What is not kept for a resume ends here; what is kept waits for the next link.
    if (resumable) {
      this.#unreliableLost(why, "unavailable");
    } else {
      this.#calls?.failWhere((request) => request.sent, "unavailable", why);
      this.#served?.abortWhere(() => true, why);
    }
    this.memoryChanged();
    this.events.emit("detach", end);
  }

  /** Frames that are never sent again may be lost: the calls that depend on them end, on both sides. */
  #unreliableLost(why: string, code: CallErrorCode): void {
    this.#calls?.failWhere((request) => request.sent && !request.reliable, code, why);
    this.#served?.abortWhere((command) => !command.reliable, why);
  }

  /**
   * Whether reading should stop, at `share` of the limits. Calls do not count, they have a limit of their own: one
   * may need what the peer sends next. Frames that wait for room in the socket count on servers only: if both ends
   * stopped reading until the other reads, neither ever would again. Frames that wait for an acknowledgement do not
   * count: it has to be read. Nor does what this side sends: only what the peer has sent and the application has not taken.
   */
  #overloaded(share: number): boolean {
    const { maxQueuedBytes } = this.options;
    if (serving && this.#account !== undefined && this.#receivedMemory >= this.#account.pauseBytes * share) return true;
    const v1 = this.#v1 === undefined ? 0 : this.#v1.size + this.#v1.late;
    const handlers = (this.#served?.messages ?? 0) + v1;
    if (handlers > 0 && handlers >= this.callRoom * share) return true;
    return serving && this.#side === "server" && this.#sender.blocked && this.#sender.waitingBytes >= (maxQueuedBytes / 2) * share;
  }

  #unpause(): void {
    if (!this.#paused || this.#overloaded(0.5)) return;
    this.#paused = false;
    this.link?.resume();
  }

  /** Sends what waits. */
  flush(): void {
    this.#sender.flush();
    this.callSettled();
  }

  /** A frame that waited cannot be sent after all. */
  unsendable(frame: Outgoing, error: unknown): void {
    if (frame.owner === undefined) return this.#unanswerable(frame, error);
    frame.owner.frameSettled(
      error instanceof FramewireError
        ? error
        : new FramewireError("internal", `the message could not be sent: ${reasonOf(error)}`, { cause: error }),
    );
  }

  /** What a handler gave cannot be sent: too large, or not what its codec encodes. */
  #unanswerable(frame: Outgoing, error: unknown): void {
    this.events.emit("failure", { command: frame.name, error });
    if (this.version === 1 || frame.callId === undefined || frame.kind === KIND_REQUEST) return;
    const tooLarge = error instanceof FramewireError && error.code === "frame-too-large";
    const refusal = new Outgoing(frame, KIND_RESPONSE, frame.callId, frame.reliable);
    refusal.status = statusOf(tooLarge ? "resource-exhausted" : "internal");
    refusal.ext = encodeExt(undefined, `${frame.name}: ${tooLarge ? error.message : "the reply could not be encoded"}`);
    this.answer(refusal);
  }

  #tooSlow(): void {
    const { maxQueuedBytes, maxQueuedFrames } = this.options;
    const limits = inFull
      ? `${maxQueuedBytes} bytes (maxQueuedBytes) or ${maxQueuedFrames} frames (maxQueuedFrames)`
      : `${maxQueuedBytes} bytes or ${maxQueuedFrames} frames`;
    this.exceed("slow-consumer", `more than ${limits} wait for the peer`);
  }

  /** Ends the connection because of a limit. */
  exceed(code: "slow-consumer" | "rate-exceeded", message: string): void {
    if (this.closed) return;
    const error = new FramewireError(code, message, { fault: "remote" });
    // The end of a link tells of its limit itself; a client that is away has none.
    if (this.link === undefined) this.limited(error);
    this.close(closeCodeOf(code), message, error);
  }

  /** The part of a loss that was not told here before: a welcome may get lost with its link, and the next one says it again. */
  #news(lost: GapEvent | undefined): GapEvent | undefined {
    if (lost === undefined) return undefined;
    const { acked } = this.replay;
    if (lost.to <= acked) return undefined;
    return { ...lost, from: Math.max(lost.from, acked + 1) };
  }

  /** A new session: what the old one had not delivered is lost, and told. */
  #startAfresh(reason: string): void {
    const lost = this.#sender.restart();
    this.#received.restart();
    this.#calls?.failWhere((request) => request.sent, "unavailable", reason);
    this.#served?.abortWhere(() => true, reason);
    // What still waits for calls of the old session must not meet calls of the new one that have their numbers.
    this.#sender.withdraw(({ callId, kept }) => callId !== undefined && !kept && this.#calls?.has(callId) !== true);
    if (lost !== undefined) this.events.emit("gap", { direction: "out", ...lost, reason });
  }

  /** One side knows nothing of the session's calls any more. Calls with one reply run on: what was asked for once is done once. */
  #restarted(restarted: NonNullable<NonNullable<NegotiatedSettings["resumed"]>["restarted"]>): void {
    if (restarted.side === "own") return this.#received.skip({ from: 1, to: restarted.received });
    const reason = "the client has started anew";
    this.#calls?.failWhere((request) => request.sent, "unavailable", reason);
    this.#served?.abortWhere((command) => command.requestStream || command.responseStream, reason);
  }

  /** The peer turned out to speak version 1: its replies have no numbers. Calls that wait were opened the other way. */
  #dropNumberedCalls(): void {
    this.#sender.withdraw((frame) => frame.callId !== undefined);
    this.#calls?.failWhere(({ callId }) => callId !== undefined, "unavailable", "the peer speaks version 1 only; call again");
  }

  /** Frames are lost for good. Nobody knows any more whose they were: every call that may have been among them fails. */
  #lost(gap: GapEvent): void {
    const whose = gap.direction === "in" ? "of the peer" : "to the peer";
    const lost = `frames ${gap.from} to ${gap.to} ${whose} were lost (${gap.reason})`;
    // A peer like this one cancels its calls itself, as it hears of the same loss; another may wait for the answer.
    const error = new FramewireError("data-loss", lost);
    this.#served?.failWhere((command) => gap.direction === "out" || command.requestStream, error);
    this.#calls?.cancelWhere((request) => request.sent, error);
    this.events.emit("gap", gap);
  }
}
