/** Frames on their way out: what a connection sends before it has a sequence, and the queue where such frames wait. */
import { FramewireError } from "../errors.js";
import { FrameExt, type FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { Broadcast } from "./broadcast.js";
import type { SlowConsumerPolicy } from "./commands.js";
import { Deque } from "./deque.js";

/** One frame to send. The connection adds version, sequence and ack when it goes out. */
export interface Outgoing {
  readonly cmd: number;
  readonly kind: FrameKind;
  /** 0 = the frame belongs to no call. */
  readonly callId: number;
  /** Owned by the frame. */
  readonly payload: Uint8Array | undefined;
  /** Set if the frame goes to many: it is framed already, up to its trailer. */
  readonly broadcast?: Broadcast;
  readonly status?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly trace?: string | undefined;
  readonly ext?: Uint8Array | undefined;
  readonly reliable: boolean;
  readonly slowConsumer?: SlowConsumerPolicy;
  /** Told once: the frame went out, or never will. */
  readonly settled?: (error?: FramewireError) => void;
  /** Whether the frame went out at least once. */
  sent: boolean;
}

/** Memory that a queued frame costs beside its payload, roughly. */
const FRAME_OVERHEAD = 128;

function costOf(frame: Outgoing): number {
  return FRAME_OVERHEAD + (frame.payload?.length ?? 0) + (frame.ext?.length ?? 0);
}

interface Waiting {
  readonly frame: Outgoing;
  readonly since: number;
}

/** Frames that wait for a connection, or for room in the socket; bounded in bytes, frames and age. */
export class SendQueue {
  readonly #options: ResolvedConnectionOptions;
  readonly #waiting = new Deque<Waiting>();
  #bytes = 0;

  constructor(options: ResolvedConnectionOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest frame stops waiting. */
  get expiresAt(): number {
    const oldest = this.#waiting.peek();
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.since + this.#options.maxQueuedMs;
  }

  /**
   * Takes a frame in, or drops it or others as its slow-consumer policy says.
   * @throws FramewireError `queue-full` if there is no room and the policy is to close.
   */
  push(frame: Outgoing, now: number): void {
    const policy = frame.slowConsumer ?? "close";
    if (policy === "keep-latest") this.dropWhere((queued) => queued.cmd === frame.cmd && queued.callId === 0);
    const cost = costOf(frame);
    if (policy === "drop-oldest") {
      while (!this.#fits(cost) && this.#dropOldest(frame.cmd));
    }
    if (!this.#fits(cost)) {
      if (policy !== "close") return frame.settled?.();
      const { maxQueuedFrames, maxQueuedBytes } = this.#options;
      throw new FramewireError(
        "queue-full",
        `${this.length} frames and ${this.#bytes} bytes are waiting to be sent; the limits are ${maxQueuedFrames} and ${maxQueuedBytes}`,
      );
    }
    this.#waiting.push({ frame, since: now });
    this.#bytes += cost;
  }

  shift(): Outgoing | undefined {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) this.#bytes -= costOf(waiting.frame);
    return waiting?.frame;
  }

  /** Takes out the frames that have waited too long. */
  expire(now: number): Outgoing[] {
    const expired: Outgoing[] = [];
    while (this.expiresAt <= now) expired.push(this.shift() as Outgoing);
    return expired;
  }

  /** Takes out every frame that `match` names. */
  remove(match: (frame: Outgoing) => boolean): Outgoing[] {
    const removed = this.#waiting.remove((waiting) => match(waiting.frame));
    for (const { frame } of removed) this.#bytes -= costOf(frame);
    return removed.map(({ frame }) => frame);
  }

  /** Drops every frame that `match` names; for their senders they count as sent. */
  dropWhere(match: (frame: Outgoing) => boolean): void {
    for (const frame of this.remove(match)) frame.settled?.();
  }

  #dropOldest(cmd: number): boolean {
    let found = false;
    this.dropWhere((frame) => {
      if (found || frame.cmd !== cmd || frame.callId !== 0) return false;
      found = true;
      return true;
    });
    return found;
  }

  #fits(cost: number): boolean {
    return this.#bytes + cost <= this.#options.maxQueuedBytes && this.length < this.#options.maxQueuedFrames;
  }
}

/** A serialised FrameExt; `undefined` if there is nothing to say. */
export function encodeExt(metadata: Readonly<Record<string, string>> | undefined, message?: string): Uint8Array | undefined {
  if (message === undefined && (metadata === undefined || Object.keys(metadata).length === 0)) return undefined;
  return FrameExt.encode({ metadata: metadata ?? {}, message: message ?? "" }).finish();
}

/** Reads a FrameExt that may be absent. @throws Error if the bytes are not one. */
export function decodeExt(ext: Uint8Array | undefined): { metadata: Readonly<Record<string, string>>; message: string } {
  if (ext === undefined) return { metadata: {}, message: "" };
  const { metadata, message } = FrameExt.decode(ext);
  return { metadata, message: message ?? "" };
}
