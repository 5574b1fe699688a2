/** The receiving half of a version 2 session: order, acknowledgements, and every kind of frame to where it belongs. */

import type { FrameView } from "../codec/index.js";
import { reasonOf, statusOf } from "../errors.js";
import type { Link } from "../link/link.js";
import { USELESS_FRAME_WEIGHT } from "../link/rate-limit.js";
import { Credit, Goaway } from "../protocol/control-messages.js";
import {
  KIND_ACK,
  KIND_CANCEL,
  KIND_CREDIT,
  KIND_END,
  KIND_GOAWAY,
  KIND_HELLO,
  KIND_ITEM,
  KIND_MESSAGE,
  KIND_PING,
  KIND_PONG,
  KIND_REQUEST,
  KIND_RESPONSE,
  KIND_WELCOME,
} from "../protocol/frame-kind.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { Emitter } from "../runtime/emitter.js";
import type { ConnectionEvents } from "./events.js";
import { isOverlong, OVERLONG } from "./handshake.js";
import type { Outbound } from "./outbound.js";
import type { ReceivedSequence } from "./receive-sequence.js";

/** What takes the frames of calls of one direction, in order and once each. */
interface CallFrames {
  /** An item of a stream. False: it belongs to no call here. */
  onItem(frame: FrameView): boolean;
  /** More bytes of a stream may be sent. */
  onCredit(callId: number, bytes: number): void;
}

/** Calls that this side has made. */
export interface OwnCalls extends CallFrames {
  onResponse(frame: FrameView): void;
}

/** Calls and messages of the peer. */
export interface PeerCalls extends CallFrames {
  onMessage(frame: FrameView): void;
  /** False: it cannot be a call. */
  onRequest(frame: FrameView): boolean;
  onEnd(callId: number): void;
  onCancel(callId: number): void;
}

/** What a session routes between, and what it needs of its connection. */
export interface InboundHost {
  readonly clock: Clock;
  readonly options: { readonly ackDelayMs: number };
  readonly link: Link | undefined;
  readonly events: Emitter<ConnectionEvents>;
  readonly calls: OwnCalls;
  readonly served: PeerCalls;
  /** Sends what waited for an acknowledgement. */
  flush(): void;
  /** Frames that nobody sends again may be lost: what depends on them ends. */
  damaged(): void;
}

/** An ack frame with this status asks for everything after its ack again. */
const DATA_LOSS = statusOf("data-loss");

/** Largest payload of a ping, in bytes: what WebSocket allows its own (RFC 6455 section 5.5). */
const PING_PAYLOAD = 125;
/** Received frames that are acknowledged at once, and their bytes: well below what a sender keeps by default. */
const ACK_FRAMES = 512;
const ACK_BYTES = 32 * 1024;

/** From damage to the request for a resend, if no reliable frame shows before that nothing is missing. */
const DOUBT_MS = 25;

/** A request for a resend is repeated after two round trips, and at least this time, if nothing came of it; then after twice as long each time. */
const ASK_AGAIN_MS = 100;
const ASK_AT_MOST_MS = 16_000;
/** As long as bytes come, the answer may be among those that follow: the repetition waits up to this time. */
const ASK_PATIENCE_MS = 2_000;

export class Inbound {
  readonly #host: InboundHost;
  readonly #sender: Outbound;
  readonly #received: ReceivedSequence;
  /** Parity of the calls that this side opens. */
  readonly #ownParity: 0 | 1;
  #ackTimer: Timer | undefined;
  #unacknowledgedBytes = 0;
  #askTimer: Timer | undefined;
  /** The last request for a resend: when it went out, the number of the ping with it, and what had been received by then. */
  #askedAt = 0;
  #askNumber = 0;
  #askedBytes = 0;
  /** Set between damage and the next reliable frame, whose sequence shows whether anything is missing. */
  #doubt: Timer | undefined;

  constructor(side: "client" | "server", host: InboundHost, sender: Outbound, received: ReceivedSequence) {
    this.#host = host;
    this.#sender = sender;
    this.#received = received;
    this.#ownParity = side === "client" ? 1 : 0;
  }

  /** Sends a frame on to where it belongs; one that breaks the rules ends the link. */
  route(link: Link, frame: FrameView): void {
    const host = this.#host;
    const sender = this.#sender;
    if (frame.ackNumber > 0) {
      if (!sender.acknowledge(frame.ackNumber)) {
        return link.fail("protocol-violation", "an ack above the highest sequence sent");
      }
      if (sender.held && frame.status !== DATA_LOSS) this.#host.flush();
    }
    if (frame.sequenceNumber > 0 && !this.#accept(link, frame)) return;
    const callId = frame.callIdNumber;
    switch (frame.kindNumber) {
      case KIND_MESSAGE:
        return host.served.onMessage(frame);
      case KIND_REQUEST:
        if (this.#isOwn(callId) || !host.served.onRequest(frame)) {
          link.fail("protocol-violation", `the call id ${callId} is in use or has the wrong parity`);
        }
        return;
      case KIND_RESPONSE:
        return host.calls.onResponse(frame);
      case KIND_ITEM:
        if (!(this.#isOwn(callId) ? host.calls : host.served).onItem(frame)) {
          link.fail("protocol-violation", "the peer sent more items than its credit");
        }
        return;
      case KIND_END:
        return host.served.onEnd(callId);
      case KIND_CREDIT: {
        const credit = this.#read(link, frame, Credit);
        return credit && (this.#isOwn(callId) ? host.calls : host.served).onCredit(callId, credit.bytes);
      }
      case KIND_CANCEL:
        // Calls that are cancelled as fast as they are opened never count against the calls in flight, and cost as much.
        link.charge(USELESS_FRAME_WEIGHT);
        return host.served.onCancel(callId);
      case KIND_PING:
        link.chargeTimed("ping");
        if (frame.payloadEnd - frame.payloadStart > PING_PAYLOAD) return link.fail("protocol-violation", "a ping with too large a payload");
        return sender.control(KIND_PONG, frame.payload.slice());
      case KIND_PONG:
        if (isOverlong(frame)) return link.fail("protocol-violation", OVERLONG);
        // As a sign of life it was counted when its bytes came.
        return this.#ponged(frame.payload, frame.ackNumber);
      case KIND_ACK:
        if (isOverlong(frame)) return link.fail("protocol-violation", OVERLONG);
        if (frame.status !== DATA_LOSS) return;
        link.chargeTimed("ask");
        return this.#resend(link, frame.ackNumber);
      case KIND_GOAWAY: {
        if (isOverlong(frame)) return link.fail("protocol-violation", OVERLONG);
        const goaway = this.#read(link, frame, Goaway);
        if (goaway === undefined) return;
        if (goaway.closeCode !== 0) link.endedByPeer(goaway.closeCode, goaway.reason);
        else this.#host.events.emit("goaway", goaway);
        return;
      }
      case KIND_HELLO:
      case KIND_WELCOME:
        return link.fail("protocol-violation", "a second handshake on one connection");
      default:
      // A kind from the future means nothing to us.
    }
  }

  /**
   * Bytes were damaged, and with them perhaps reliable frames. If none follows soon whose sequence says so, everything after the
   * last good one is asked for. At once would be too often: what was damaged may have been a repetition, and each answer is
   * a chance for more damage.
   */
  damaged(): void {
    if (this.#received.shouldAsk) {
      this.#doubt ??= this.#host.clock.setTimer(DOUBT_MS, () => {
        this.#doubt = undefined;
        this.#ask();
      });
    }
    this.#host.damaged();
  }

  /** The link is gone: nothing is owed on it any more. */
  detach(): void {
    this.#ackTimer?.cancel();
    this.#ackTimer = undefined;
    this.#askTimer?.cancel();
    this.#askTimer = undefined;
    this.#doubt?.cancel();
    this.#doubt = undefined;
    this.#unacknowledgedBytes = 0;
    this.#received.reattach();
  }

  #isOwn(callId: number): boolean {
    return (callId & 1) === this.#ownParity;
  }

  /** Whether the frame is next in order and may be handled. */
  #accept(link: Link, frame: FrameView): boolean {
    const received = this.#received;
    const sequence = frame.sequenceNumber;
    if (this.#doubt !== undefined) {
      this.#doubt.cancel();
      this.#doubt = undefined;
    }
    switch (received.accept(sequence)) {
      case "deliver":
        this.#askTimer?.cancel();
        this.#askTimer = undefined;
        this.#oweAck(frame.end - frame.start);
        return true;
      case "duplicate":
        // The sender has missed that it was acknowledged.
        received.acknowledged = Math.min(received.acknowledged, sequence - 1);
        this.#oweAck(0);
        return false;
      case "gap":
        if (received.shouldAskAgain(sequence)) this.#ask();
        return false;
      case "invalid":
        link.fail("protocol-violation", "a sequence is out of range");
        return false;
    }
  }

  /** Acknowledges soon; at once, when much has come since the last time: the sender may wait for it. */
  #oweAck(bytes: number): void {
    const received = this.#received;
    const { clock, options } = this.#host;
    // The first since the last acknowledgement, which may have gone out with a frame of ours.
    if (received.received - received.acknowledged === 1) this.#unacknowledgedBytes = 0;
    this.#unacknowledgedBytes += bytes;
    if (this.#unacknowledgedBytes >= ACK_BYTES || received.received - received.acknowledged >= ACK_FRAMES) return this.#acknowledge();
    this.#ackTimer ??= clock.setTimer(options.ackDelayMs, () => {
      this.#ackTimer = undefined;
      this.#acknowledge();
    });
  }

  #acknowledge(): void {
    this.#unacknowledgedBytes = 0;
    if (this.#received.owesAck) this.#sender.control(KIND_ACK);
  }

  /**
   * Asks for everything after the last good frame. The pong of the ping that goes with it shows that the peer has read the request; it
   * comes before or after what is sent again.
   */
  #ask(againMs = this.#sender.retransmission.roundTrip.twice(ASK_AGAIN_MS)): void {
    const sender = this.#sender;
    const { clock, link } = this.#host;
    this.#askedAt = clock.now();
    this.#askedBytes = link?.receivedBytes ?? 0;
    this.#askNumber = (this.#askNumber + 1) & 0xff;
    sender.control(KIND_ACK, undefined, DATA_LOSS);
    sender.control(KIND_PING, Uint8Array.of(this.#askNumber));
    this.#received.asked();
    this.#askAgainIn(againMs);
  }

  #askAgainIn(delayMs: number): void {
    this.#askTimer?.cancel();
    this.#askTimer = delayMs > ASK_AT_MOST_MS ? undefined : this.#host.clock.setTimer(delayMs, () => this.#askAgain(delayMs));
  }

  #askAgain(delayMs: number): void {
    const { clock, link } = this.#host;
    const bytes = link?.receivedBytes ?? 0;
    if (bytes === this.#askedBytes || clock.now() - this.#askedAt >= ASK_PATIENCE_MS) return this.#ask(delayMs * 2);
    this.#askedBytes = bytes;
    this.#askAgainIn(delayMs);
  }

  /** A pong, with the payload of its ping, from a peer that says it has all up to `received`. */
  #ponged(payload: Uint8Array, received: number): void {
    if (payload.length !== 1 || payload[0] !== this.#askNumber || this.#askTimer === undefined) {
      return this.#sender.retransmission.ponged(payload, received);
    }
    this.#sender.retransmission.roundTrip.sample(this.#host.clock.now() - this.#askedAt);
    // The peer knows. Unless something is known to be missing, there may be nothing that it could send.
    if (!this.#received.shouldAsk) return;
    this.#askTimer.cancel();
    this.#askTimer = undefined;
  }

  /** The peer lost frames to damage: all after its last good one go out again, in order. */
  #resend(link: Link, received: number): void {
    const missing = this.#sender.retransmission.resendLost(received);
    if (missing !== undefined) {
      return link.fail("resend-impossible", `frames ${missing.from} to ${missing.to} are no longer kept`);
    }
    this.#host.damaged();
    this.#host.flush();
  }

  #read<T>(link: Link, frame: FrameView, codec: { decode(bytes: Uint8Array): T }): T | undefined {
    try {
      return codec.decode(frame.payload);
    } catch (cause) {
      link.fail("protocol-violation", `a control frame could not be read: ${reasonOf(cause)}`, cause);
      return undefined;
    }
  }
}
