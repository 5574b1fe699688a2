/**
 * The kit's end of a version 2 session, written from docs/wire.md and apart from framewire's own connection: it keeps the rules where a case
 * does not break them on purpose, and holds the peer to all of them all the time.
 */
import { encodeFrame, type Frame, type FrameInit } from "../../codec/index.js";
import { FrameExt, FrameKind } from "../../gen/framewire/v1/data_frame.js";
import { Credit, Goaway, type Hello, type Limits, type Welcome } from "../../gen/framewire/v1/session.js";
import { Mismatch, NotApplicable, tellFrame } from "./verdict.js";
import type { Wire } from "./wire.js";

/** What an item costs beside its payload. */
export const ITEM_COST = 64;
/** What limits mean that are 0. */
export const DEFAULT_CREDIT = 262_144;
const DEFAULT_PAYLOAD = 1_048_576;
const DEFAULT_TRAILER = 1024;
/** What a told `max_payload` and `max_trailer` are at least. */
const LEAST_PAYLOAD = 1024;
const LEAST_TRAILER = 256;

export const DATA_LOSS = 15;
export const UNIMPLEMENTED = 12;

/** A call, whoever opened it. */
export interface KitCall {
  readonly id: number;
  readonly cmd: number;
  readonly request: Frame | undefined;
  /** The peer's items, and its end of them. */
  readonly items: Frame[];
  ended: boolean;
  response: Frame | undefined;
  cancelled: boolean;
  /** A call of the peer's that the kit has answered. */
  answered: boolean;
  /** What the peer may still send, in bytes; below 0 after an item that took it there. */
  credit: number;
  /** What the kit may still send. */
  creditToSend: number;
}

export interface SessionSettings {
  readonly seed?: number;
  readonly limits?: Partial<Limits>;
  /** Acknowledges what comes; default true. */
  readonly acks?: boolean;
  /** Answers pings; default true. */
  readonly pongs?: boolean;
  /** Sends again what is asked for; default true. */
  readonly resends?: boolean;
  readonly batching?: boolean;
  /** The peer may leave sequences out; default false. */
  readonly minimal?: boolean;
}

/** Of a session that acknowledges nothing: no pong either, as that would tell the peer to send everything again unasked (5.6). */
export const SILENT: SessionSettings = { acks: false, pongs: false };

export class KitSession {
  wire: Wire;
  /** The kit's role. */
  readonly role: "client" | "server";
  readonly settings: SessionSettings;
  seed: number;
  hello: Hello | undefined;
  welcome: Welcome | undefined;
  /** The last sequence sent. */
  sent = 0;
  received = 0;
  /** Sent and not acknowledged. */
  kept: { readonly sequence: number; readonly frame: FrameInit }[] = [];
  /** Calls by their id. */
  readonly calls = new Map<number, KitCall>();
  /** Frames that came in order and for the first time, of all links. */
  readonly inbox: Frame[] = [];
  /** Frames that came again. */
  readonly repetitions: Frame[] = [];
  /** The acks of frames that asked to send again. */
  readonly asks: number[] = [];
  /** The highest ack that came. */
  acked = 0;
  acks: boolean;
  #nextCall: number;

  constructor(wire: Wire, role: "client" | "server", settings: SessionSettings, seed: number) {
    this.wire = wire;
    this.role = role;
    this.settings = settings;
    this.seed = seed;
    this.acks = settings.acks ?? true;
    this.#nextCall = role === "client" ? 1 : 2;
  }

  /** What the kit says of itself in hello or welcome. */
  get ownLimits(): Limits {
    return { maxPayload: DEFAULT_PAYLOAD, maxCalls: 1000, initialCredit: DEFAULT_CREDIT, maxTrailer: 1024, ...this.settings.limits };
  }

  /** What the peer said. */
  get peerLimits(): { maxPayload: number; maxCalls: number; initialCredit: number; maxTrailer: number } {
    const said = (this.role === "client" ? this.welcome?.limits : this.hello?.limits) ?? undefined;
    return {
      maxPayload: Math.max(said?.maxPayload || DEFAULT_PAYLOAD, LEAST_PAYLOAD),
      maxCalls: said?.maxCalls ?? 0,
      initialCredit: said?.initialCredit || DEFAULT_CREDIT,
      maxTrailer: Math.max(said?.maxTrailer || DEFAULT_TRAILER, LEAST_TRAILER),
    };
  }

  /** Goes on over this wire, whose handshake is done. */
  attach(wire: Wire): void {
    this.wire = wire;
    wire.onFrame = (frame) => this.#take(frame);
  }

  /** A new session over the same object: all counts begin again. */
  forget(): void {
    this.sent = this.received = this.acked = 0;
    this.kept = [];
    this.calls.clear();
    this.#nextCall = this.role === "client" ? 1 : 2;
  }

  // Sending

  /** The bytes of a frame of this session. */
  seal(frame: FrameInit, seed: number | undefined = this.seed): Uint8Array {
    return encodeFrame({ version: 2, ...frame }, { checksumSeed: seed, maxPayload: 0x7fff_ffff, maxTrailer: 0x7fff_ffff });
  }

  /** Gives a frame the next sequence, and keeps it. It is not sent. */
  number(frame: FrameInit): FrameInit {
    const numbered = { ...frame, sequence: ++this.sent };
    this.kept.push({ sequence: this.sent, frame: numbered });
    return numbered;
  }

  /** Sends a reliable frame. */
  send(frame: FrameInit): void {
    this.write(this.number(frame));
  }

  /** Sends a frame as it is, with an ack where there is something to acknowledge. */
  write(frame: FrameInit): void {
    const ack = this.acks && this.received > 0 && frame.ack === undefined ? { ack: this.received } : {};
    this.wire.send(this.seal({ ...frame, ...ack }));
  }

  /** Opens a call. */
  request(cmd: number, payload: Uint8Array | undefined, extra: Partial<FrameInit> = {}): KitCall {
    const call = this.newCall(cmd, extra.callId);
    this.send({ cmd, payload, kind: FrameKind.FRAME_KIND_REQUEST, ...extra, callId: call.id });
    return call;
  }

  /** Notes a call whose request somebody else sends. */
  newCall(cmd: number, id = this.#takeCallId()): KitCall {
    const call = newCall(id, cmd, undefined, this.ownLimits.initialCredit || DEFAULT_CREDIT, this.peerLimits.initialCredit);
    this.calls.set(id, call);
    return call;
  }

  cancel(call: KitCall): void {
    call.cancelled = true;
    this.send({ cmd: call.cmd, callId: call.id, kind: FrameKind.FRAME_KIND_CANCEL });
  }

  /** Sends an item of a call, whatever the credit. */
  item(call: KitCall, payload: Uint8Array, cmd = call.cmd): void {
    call.creditToSend -= payload.length + ITEM_COST;
    this.send({ cmd, payload, callId: call.id, kind: FrameKind.FRAME_KIND_ITEM });
  }

  end(call: KitCall): void {
    this.send({ cmd: call.cmd, callId: call.id, kind: FrameKind.FRAME_KIND_END });
  }

  give(call: KitCall, bytes: number): void {
    call.credit += bytes;
    this.send({ cmd: call.cmd, callId: call.id, kind: FrameKind.FRAME_KIND_CREDIT, payload: Credit.encode({ bytes }).finish() });
  }

  /** Answers a call of the peer's. */
  respond(call: KitCall, payload: Uint8Array | undefined, status?: number, message?: string): void {
    call.answered = true;
    const ext = message === undefined ? undefined : FrameExt.encode({ metadata: {}, message }).finish();
    this.send({ cmd: call.cmd, callId: call.id, kind: FrameKind.FRAME_KIND_RESPONSE, payload, status, ext });
  }

  ping(payload: Uint8Array): void {
    this.write({ cmd: 0, kind: FrameKind.FRAME_KIND_PING, payload });
  }

  /** Acknowledges what came. */
  ack(extra: Partial<FrameInit> = {}): void {
    this.wire.send(this.seal({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: this.received, ...extra }));
  }

  /** Sends what is kept with a sequence above `after` again. */
  sendAgain(after: number): void {
    for (const { sequence, frame } of this.kept) if (sequence > after) this.write(frame);
  }

  goaway(goaway: Partial<Goaway>): void {
    this.write({ cmd: 0, kind: FrameKind.FRAME_KIND_GOAWAY, payload: Goaway.encode(Goaway.fromPartial(goaway)).finish() });
  }

  // Waiting

  /** Waits for the response of a call, whatever its status. */
  response(call: KitCall, what = `a response to call ${call.id}`, timeoutMs?: number): Promise<Frame> {
    return this.wire.wait(what, () => call.response, timeoutMs === undefined ? {} : { timeoutMs });
  }

  /** Calls and gives the payload of the reply. @throws NotApplicable if the peer does not serve the command */
  async unary(cmd: number, payload: Uint8Array | undefined, what: string): Promise<Uint8Array> {
    return this.reply(this.request(cmd, payload), what);
  }

  /** The payload of the reply to a call. @throws NotApplicable if the peer does not serve the command */
  async reply(call: KitCall, what: string): Promise<Uint8Array> {
    const response = await this.response(call, `the reply of ${what}`);
    const { status = 0, payload, ext } = response;
    if (status === UNIMPLEMENTED) throw new NotApplicable(`the peer does not serve ${what}`);
    if (status !== 0) {
      const message = ext === undefined ? "" : FrameExt.decode(ext).message;
      throw new Mismatch(`the reply of ${what}`, `${tellFrame(response)}${message === "" ? "" : `: “${message}”`}`);
    }
    return payload as Uint8Array;
  }

  // Receiving

  #take(frame: Frame): void {
    const { wire } = this;
    const { version = 1, kind = 0, cmd, payload } = frame;
    const [sequence, ack] = [Number(frame.sequence ?? 0n), frame.ack === undefined ? undefined : Number(frame.ack)];
    if (version !== (this.welcome?.version || 2)) wire.violate(`a frame of version ${version} in a session of version 2`);
    if (ack !== undefined) this.#acknowledged(ack);
    const control = kind >= FrameKind.FRAME_KIND_HELLO && kind <= FrameKind.FRAME_KIND_GOAWAY;
    if (control && cmd !== 0) wire.violate(`${tellFrame(frame)} has the cmd ${cmd}, not 0`);
    if (control && sequence !== 0) wire.violate(`${tellFrame(frame)} has a sequence`);
    if (!control && sequence === 0 && this.settings.minimal !== true) wire.violate(`${tellFrame(frame)} has no sequence`);
    const allowed = Math.max(this.ownLimits.maxPayload || DEFAULT_PAYLOAD, LEAST_PAYLOAD);
    if ((payload?.length ?? 0) > allowed) wire.violate(`a payload of ${payload?.length} bytes; ${allowed} are allowed`);
    if (sequence > 0 && !this.#inOrder(frame, sequence)) return;
    this.inbox.push(frame);
    this.#route(frame, kind);
  }

  #acknowledged(ack: number): void {
    if (ack > this.sent) this.wire.violate(`an ack of ${ack}, when ${this.sent} was the highest sequence sent`);
    this.acked = Math.max(this.acked, ack);
    this.kept = this.kept.filter(({ sequence }) => sequence > ack);
  }

  #inOrder(frame: Frame, sequence: number): boolean {
    if (sequence <= this.received) {
      this.repetitions.push(frame);
      return false;
    }
    if (sequence > this.received + 1) {
      this.wire.violate(`sequence ${sequence} behind ${this.received}: what is between them did not come`);
      return false;
    }
    this.received = sequence;
    if (this.acks) queueMicrotask(() => this.wire.ended === undefined && this.acks && this.ack());
    return true;
  }

  #route(frame: Frame, kind: number): void {
    const { wire } = this;
    const { callId = 0, payload = new Uint8Array(0) } = frame;
    const call = this.calls.get(callId);
    switch (kind) {
      case FrameKind.FRAME_KIND_REQUEST: {
        const parity = this.role === "client" ? 0 : 1;
        if (callId === 0 || callId % 2 !== parity)
          wire.violate(`the peer opened call ${callId}; its calls are ${parity === 0 ? "even" : "odd"}`);
        if (call !== undefined && call.response === undefined) wire.violate(`the peer opened call ${callId} twice`);
        const { initialCredit, maxCalls } = this.ownLimits;
        const inFlight = [...this.calls.values()].filter((each) => each.request && !each.answered && !each.cancelled).length;
        if (maxCalls > 0 && inFlight >= maxCalls)
          wire.violate(`the peer opened call ${callId} with ${inFlight} in flight; ${maxCalls} are allowed`);
        this.calls.set(callId, newCall(callId, frame.cmd, frame, initialCredit || DEFAULT_CREDIT, this.peerLimits.initialCredit));
        return;
      }
      case FrameKind.FRAME_KIND_RESPONSE:
        if (call === undefined || call.request !== undefined) return wire.violate(`${tellFrame(frame)} answers no call`);
        if (call.response !== undefined) return wire.violate(`call ${callId} was answered twice`);
        call.response = frame;
        return;
      case FrameKind.FRAME_KIND_ITEM:
        if (call === undefined) return wire.violate(`${tellFrame(frame)} belongs to no call`);
        if (call.response !== undefined && call.request === undefined) wire.violate(`an item of call ${callId} behind its response`);
        if (call.ended) wire.violate(`an item of call ${callId} behind its end`);
        if (call.credit <= 0) wire.violate(`an item of call ${callId} without credit (${call.credit} bytes left)`);
        call.credit -= payload.length + ITEM_COST;
        call.items.push(frame);
        return;
      case FrameKind.FRAME_KIND_END:
        if (call?.request === undefined) return wire.violate(`${tellFrame(frame)} ends no call of the peer's`);
        call.ended = true;
        return;
      case FrameKind.FRAME_KIND_CREDIT:
        if (call !== undefined) call.creditToSend += Credit.decode(payload).bytes;
        return;
      case FrameKind.FRAME_KIND_CANCEL:
        if (call !== undefined) call.cancelled = true;
        return;
      case FrameKind.FRAME_KIND_PING:
        if (this.settings.pongs ?? true) this.write({ cmd: 0, kind: FrameKind.FRAME_KIND_PONG, payload });
        return;
      case FrameKind.FRAME_KIND_ACK:
        if (frame.status !== DATA_LOSS) return;
        this.asks.push(Number(frame.ack ?? 0n));
        if (this.settings.resends ?? true) this.sendAgain(Number(frame.ack ?? 0n));
        return;
      case FrameKind.FRAME_KIND_HELLO:
      case FrameKind.FRAME_KIND_WELCOME:
        return wire.violate("a second hello or welcome");
      default:
    }
  }

  #takeCallId(): number {
    const id = this.#nextCall;
    this.#nextCall += 2;
    return id;
  }
}

function newCall(id: number, cmd: number, request: Frame | undefined, credit: number, creditToSend: number): KitCall {
  return { id, cmd, request, items: [], ended: false, response: undefined, cancelled: false, answered: false, credit, creditToSend };
}
