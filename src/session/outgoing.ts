/** Frames on their way out: what a connection sends before it has a sequence, and the queue where such frames wait. */

import type { SharedFrame } from "../codec/encoder/shared-frame.js";
import { FramewireError, inFull } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { completeMessage, encodeMessage, encodeOwned, inPlace } from "../protobuf/messages.js";
import type { Command, SlowConsumerPolicy } from "../protocol/commands.js";
import { FrameExt } from "../protocol/control-messages.js";
import { cutText } from "../protocol/cut-text.js";
import type { MessageCodec } from "../protocol/definition.js";
import { serving } from "../runtime/serving.js";
import type { DropEvent } from "./events.js";
import { FrameQueue, type Waiting } from "./frame-queue.js";

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
  waiting: Waiting | undefined = undefined;
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

/** Memory that a queued frame costs beside its payload, roughly. */
const FRAME_OVERHEAD = 128;

function costOf(frame: Outgoing): number {
  return FRAME_OVERHEAD + (frame.payload?.length ?? 0) + (frame.ext?.length ?? 0);
}

/** Frames that wait for a connection, or for room in the socket; bounded in bytes, frames and age. */
export class SendQueue {
  readonly #options: ResolvedConnectionOptions;
  readonly #waiting = new FrameQueue();
  readonly #onDrop: (frame: Outgoing) => void;
  #bytes = 0;
  #sharedBytes = 0;

  /** `onDrop` hears of frames that are dropped as their slow-consumer policy says, and tells their owners. */
  constructor(options: ResolvedConnectionOptions, onDrop: (frame: Outgoing) => void) {
    this.#options = options;
    this.#onDrop = onDrop;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Those of them that wait in other queues too. */
  get sharedBytes(): number {
    return this.#sharedBytes;
  }

  /** When the first frame has waited too long. */
  get expiresAt(): number {
    for (const { at } of this.#waiting.ages) return at + this.#options.maxQueuedMs;
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a frame in, or drops it or others as its slow-consumer policy says.
   * @throws FramewireError `queue-full` if there is no room and the policy is to close.
   */
  push(frame: Outgoing, now: number): void {
    const policy = frame.slowConsumer;
    const cost = costOf(frame);
    if (policy === "keep-latest") for (const queued of this.#removeCommand(frame.cmd)) this.#onDrop(queued);
    if (policy === "drop-oldest") while (!this.#fits(cost) && this.#dropOldest(frame.cmd));
    if (!this.#fits(cost)) {
      if (policy !== "close") return this.#onDrop(frame);
      const { maxQueuedFrames, maxQueuedBytes } = this.#options;
      throw new FramewireError(
        "queue-full",
        `${this.length} frames and ${this.#bytes} bytes wait to be sent; maxQueuedFrames is ${maxQueuedFrames}, maxQueuedBytes ${maxQueuedBytes}`,
      );
    }
    this.#waiting.push(frame, now);
    this.#entered(frame, cost);
  }

  /** Whether frames of this call wait here. */
  hasCall(callId: number): boolean {
    return this.#waiting.ofCall(callId) !== undefined;
  }

  /** Takes frames in that have waited elsewhere, whatever the bounds. */
  append(frames: readonly Outgoing[], now: number): void {
    for (const frame of frames) {
      this.#waiting.push(frame, now);
      this.#entered(frame, costOf(frame));
    }
  }

  /** Puts frames that have been through the queue before back in front, whatever the bounds. */
  putBack(frames: readonly Outgoing[], now: number): void {
    for (let i = frames.length - 1; i >= 0; i--) {
      const frame = frames[i] as Outgoing;
      this.#waiting.unshift(frame, now);
      this.#entered(frame, costOf(frame));
    }
  }

  shift(): Outgoing | undefined {
    const frame = this.#waiting.shift();
    if (frame !== undefined) this.#left(frame);
    return frame;
  }

  #entered(frame: Outgoing, cost: number): void {
    this.#bytes += cost;
    const { broadcast } = frame;
    if (!serving || broadcast === undefined) return;
    this.#sharedBytes += broadcast.payload.length;
    broadcast.retain();
  }

  #left(frame: Outgoing): void {
    this.#bytes -= costOf(frame);
    const { broadcast } = frame;
    if (!serving || broadcast === undefined) return;
    this.#sharedBytes -= broadcast.payload.length;
    broadcast.release();
  }

  /** Takes out the frames that have waited too long. */
  expire(now: number): Outgoing[] {
    const expired: Outgoing[] = [];
    for (const waiting of this.#waiting.ages) {
      if (waiting.at + this.#options.maxQueuedMs > now) break;
      expired.push(this.#take(waiting));
    }
    return expired;
  }

  /** Takes out every frame that `match` names. */
  remove(match: (frame: Outgoing) => boolean): Outgoing[] {
    const removed: Outgoing[] = [];
    for (const waiting of this.#waiting) if (match(waiting.frame)) removed.push(this.#take(waiting));
    return removed;
  }

  /** Takes one frame out. False if it does not wait here. */
  removeFrame({ waiting }: Outgoing): boolean {
    if (waiting?.queue !== this.#waiting) return false;
    this.#take(waiting);
    return true;
  }

  /** Takes out every frame of a call. */
  removeCall(callId: number): Outgoing[] {
    const removed: Outgoing[] = [];
    for (let next = this.#waiting.ofCall(callId); next !== undefined; next = this.#waiting.ofCall(callId)) removed.push(this.#take(next));
    return removed;
  }

  /** Takes out every frame of a command that belongs to no call. */
  #removeCommand(cmd: number): Outgoing[] {
    const removed: Outgoing[] = [];
    for (let next = this.#waiting.ofCommand(cmd); next !== undefined; next = this.#waiting.ofCommand(cmd)) removed.push(this.#take(next));
    return removed;
  }

  #take(waiting: Waiting): Outgoing {
    const { frame } = waiting;
    this.#waiting.take(waiting);
    this.#left(frame);
    return frame;
  }

  /** Drops the first frame of a command that belongs to no call. */
  #dropOldest(cmd: number): boolean {
    const oldest = this.#waiting.ofCommand(cmd);
    if (oldest === undefined) return false;
    this.#onDrop(this.#take(oldest));
    return true;
  }

  #fits(cost: number): boolean {
    return this.#bytes + cost <= this.#options.maxQueuedBytes && this.length < this.#options.maxQueuedFrames;
  }
}

/** A serialised FrameExt; `undefined` if there is nothing to say. */
export function encodeExt(metadata: Readonly<Record<string, string>> | undefined, message?: string): Uint8Array | undefined {
  const checked = checkMetadata(metadata);
  if (message === undefined && (checked === undefined || Object.keys(checked).length === 0)) return undefined;
  return FrameExt.encode({ metadata: checked ?? {}, message: message ?? "" });
}

/** The same for the response of a call that failed: its text is cut to what leaves at most `most` bytes. Metadata that leaves no room is refused. */
export function encodeFailure(metadata: Readonly<Record<string, string>> | undefined, text: string, most: number): Uint8Array {
  const ext = encodeExt(metadata, cutText(text, most)) as Uint8Array;
  if (ext.length <= most) return ext;
  const room = most - (encodeExt(metadata, "") as Uint8Array).length - TEXT_OVERHEAD;
  if (room < 0) throw new FramewireError("frame-too-large", `the metadata of a failed call takes more than ${most} bytes`);
  return encodeExt(metadata, cutText(text, room)) as Uint8Array;
}

/** Of the text in a FrameExt: its tag and length. */
const TEXT_OVERHEAD = 6;

/** A copy of metadata, each value read once. @throws FramewireError `invalid-option` if it is not an object of strings */
export function checkMetadata(metadata: unknown): Readonly<Record<string, string>> | undefined {
  if (metadata === undefined || metadata === null) return undefined;
  if (typeof metadata !== "object" || Array.isArray(metadata)) throw notMetadata("metadata", metadata);
  const checked: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") throw notMetadata(`metadata ${JSON.stringify(key)}`, value);
    checked[key] = value;
  }
  return checked;
}

function notMetadata(what: string, value: unknown): FramewireError {
  const kind = !inFull ? "wrong" : Array.isArray(value) ? "an array" : value === null ? "null" : `a ${typeof value}`;
  return new FramewireError("invalid-option", `${what} is ${kind}; metadata is an object whose values are strings`);
}

/** What {@link decodeExt} gives for an absent ext. */
export const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});
const NO_EXT = { metadata: NO_METADATA, message: "" };

/** Reads a FrameExt that may be absent. @throws Error if the bytes are not one. */
export function decodeExt(ext: Uint8Array | undefined): { metadata: Readonly<Record<string, string>>; message: string } {
  if (ext === undefined) return NO_EXT;
  const { metadata, message } = FrameExt.decode(ext);
  return { metadata, message: message ?? "" };
}
