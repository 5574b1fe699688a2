/** A frame on its way out: what is sent before it has a sequence. */

import type { SharedFrame } from "../codec/encoder/shared-frame.js";
import type { FramewireError } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { completeMessage, encodeMessage, encodeOwned, inPlace } from "../protobuf/messages.js";
import type { Command, SlowConsumerPolicy } from "../protocol/commands.js";
import type { MessageCodec } from "../protocol/definition.js";
import type { DropEvent } from "./events.js";

/** A message on its way to many. */
export interface SharedMessage {
  readonly payload: Uint8Array;
  /** The frame for receivers of one wire version: whole for version 1, without its trailer for version 2. */
  frame(version: 1 | 2): SharedFrame;
  /** It waits in one more queue. */
  retain(): void;
  /** It has left a queue. */
  release(): void;
}

/** Told once: the frame went out; or, with an error or as dropped, that it never will. */
export interface FrameOwner {
  frameSettled(error?: FramewireError, dropped?: DropEvent): void;
}

/**
 * One frame to send. It goes to the encoder as it is: the connection fills in version, sequence and ack when it goes
 * out. The payload is either there, or a message still to be encoded into its place.
 */
export class Outgoing {
  version: number | undefined = undefined;
  readonly cmd: number;
  /** The command's name, for errors and events. */
  readonly name: string;
  /** Owned by the frame. */
  payload: Uint8Array | undefined = undefined;
  sequence: number | undefined = undefined;
  ack: number | undefined = undefined;
  /** Absent = belongs to no call. */
  readonly callId: number | undefined;
  /** Absent = a one-way message. */
  readonly kind: FrameKind | undefined;
  status: number | undefined = undefined;
  timeoutMs: number | undefined = undefined;
  trace: string | undefined = undefined;
  ext: Uint8Array | undefined = undefined;
  /** Together with `message` instead of `payload`. */
  codec: MessageCodec | undefined = undefined;
  message: unknown = undefined;
  /** Set if the frame goes to many: it is framed already, up to its trailer. */
  broadcast: SharedMessage | undefined = undefined;
  readonly reliable: boolean;
  slowConsumer: SlowConsumerPolicy = "close";
  owner: FrameOwner | undefined = undefined;
  /** Whether the frame went out at least once. */
  sent = false;
  /** A request that counts among the calls in flight at the peer. */
  counted = false;
  /** A request that is refused while the peer takes no more. */
  failsWhenBusy = false;
  /** Whether a journal may keep the frame: it stands for itself, and is of use without the process that sent it. */
  durable = false;
  /** Whether a journal does. */
  kept = false;
  /** @internal Where it stands while it waits. */
  waiting: QueuedFrame | undefined = undefined;
  /** What the payload lies in, while it is on loan. */
  #memory: Uint8Array | undefined = undefined;

  constructor({ cmd, name }: Pick<Command, "cmd" | "name">, kind: FrameKind | undefined, callId: number | undefined, reliable: boolean) {
    this.cmd = cmd;
    this.name = name;
    this.kind = kind;
    this.callId = callId;
    this.reliable = reliable;
  }

  /** Encodes the message, if that was still to be done, for a frame that is written at once. @throws whatever the codec throws */
  settlePayload(): void {
    if (this.codec !== undefined) this.settleTo(encodeMessage(this.codec, this.message));
  }

  /** The same for a frame that is kept: its payload is no codec's memory. */
  settleOwned(): void {
    if (this.codec !== undefined) this.settleTo(encodeOwned(this.codec, this.message));
  }

  /** The message is encoded. */
  settleTo(payload: Uint8Array): void {
    this.payload = payload;
    this.codec = undefined;
    this.message = undefined;
  }

  /** The same for a frame that has to wait: its payload may lie in memory on loan until it `left`. */
  park(): void {
    const { codec } = this;
    if (inPlace === undefined || codec === undefined || !inPlace.suits(codec)) return this.settleOwned();
    const { bytes, memory } = inPlace.park(codec, completeMessage(codec, this.message));
    this.settleTo(bytes);
    this.#memory = memory;
  }

  /** The same where the payload is shown to somebody who may keep it: its memory is not given back. */
  settleForGood(): void {
    this.settleOwned();
    this.#memory = undefined;
  }

  /** The frame has gone out. */
  left(): void {
    this.sent = true;
    if (inPlace === undefined || this.#memory === undefined) return;
    inPlace.giveBack(this.#memory);
    this.#memory = undefined;
    this.payload = undefined;
  }
}

/** The place of a frame in the queue where it waits. */
export class QueuedFrame {
  readonly frame: Outgoing;
  readonly queue: object;
  /** When the frame began to wait, in whole milliseconds. */
  readonly at: number;
  before: QueuedFrame | undefined = undefined;
  after: QueuedFrame | undefined = undefined;
  /** The next before and behind it of the same call or, if it belongs to none, of the same command; in a circle. */
  sameBefore: QueuedFrame = this;
  sameAfter: QueuedFrame = this;

  constructor(frame: Outgoing, queue: object, at: number) {
    this.frame = frame;
    this.queue = queue;
    this.at = at;
  }
}
