/** A durable outbox: what a client has accepted for sending, and its session, beyond the end of the process or page. */

import type { ClientOutbox, OutboxClaim } from "../client/outbox.js";
import { FramewireError } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import type { Transport } from "../link/transport.js";
import { cmdName } from "../protocol/commands.js";
import type { GapEvent } from "../session/events.js";
import { ACKNOWLEDGED } from "../session/handshake.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";
import { Outgoing } from "../session/outgoing.js";
import type { SequenceRange } from "../session/receive-sequence.js";
import { GuardedTransport } from "./guarded-transport.js";
import type { OutboxContents, OutboxFrame, OutboxSession, OutboxStorage } from "./storage.js";

/** So many numbers of calls are set aside at once: one record of the session for each block of them. */
const CALL_ID_BLOCK = 0x1_0000;
const LAST_CALL_ID = 0xffff_ffff;

/** Memory that an entry costs beside its bytes, roughly. */
const ENTRY_OVERHEAD = 128;

interface Entry {
  readonly id: number;
  readonly frame: Outgoing;
  readonly cost: number;
  /** What it last went out with; 0 = it did not. */
  sequence: number;
  /** Whether the connection of this process has had it. */
  posted: boolean;
}

/**
 * Handed to `createClient` as `outbox`. From then on every reliable one-way send and every reliable call with one
 * reply is written down before it goes out: a `send` resolves as soon as that is done. One client uses it at a time.
 */
export class Outbox implements ClientOutbox {
  readonly #storage: OutboxStorage;
  readonly #entries = new Map<Outgoing, Entry>();
  /** By sequence, in the order they went out. */
  readonly #numbered = new Map<number, Entry>();
  /** Those that were too large for the peer. */
  readonly #aside = new Set<Entry>();
  /** Bytes in the middle of what was kept that could not be read: sends may have been lost with them. */
  readonly damagedBytes: number;
  #session: OutboxSession;
  #nextId = 1;
  #bytes = 0;
  #limits: OutboxClaim | undefined;
  #failed: (error: FramewireError) => void = () => {};
  #closed = false;

  private constructor(storage: OutboxStorage, { session, entries, damagedBytes }: OutboxContents) {
    this.#storage = storage;
    this.#session = session;
    this.damagedBytes = damagedBytes;
    for (const { id, frame, sequence } of entries) {
      this.#add(id, outgoingOf(frame), sequence);
      this.#nextId = id + 1;
    }
  }

  /** An outbox that keeps everything in `storage`. Rejects with `outbox-failed`. */
  static async over(storage: OutboxStorage): Promise<Outbox> {
    return new Outbox(storage, await storage.load());
  }

  /** Sends that the server has not acknowledged, those of earlier clients included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of these sends, with what each costs beside its payload. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when every send and call so far would survive a crash. Rejects with `outbox-failed`. */
  written(): Promise<void> {
    // A turn later, so that sends that are made together are written together.
    return Promise.resolve().then(() => this.#flushed());
  }

  /** Writes down what is left and lets go of the place; a client that uses the outbox does this when it is closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#storage.close();
  }

  // ClientOutbox

  /** @internal */
  get token(): Uint8Array {
    return this.#session.token;
  }

  /** @internal */
  get firstCallId(): number {
    return this.#session.callIds > LAST_CALL_ID ? 1 : this.#session.callIds | 1;
  }

  /** @internal */
  claim(options: OutboxClaim, failed: (error: FramewireError) => void): void {
    // Version 1 acknowledges nothing: there would never be anything to forget.
    if (options.version === 1) throw new FramewireError("invalid-option", "an outbox needs version 2");
    if (this.#closed) throw new FramewireError("invalid-option", "the outbox is closed");
    if (this.#limits !== undefined) throw new FramewireError("invalid-option", "the outbox belongs to another client");
    this.#limits = options;
    this.#failed = failed;
  }

  /** @internal */
  startAnew(peerReceived: number, missing: GapEvent | undefined): NonNullable<NegotiatedSettings["resumed"]> {
    if (!Number.isSafeInteger(peerReceived) || !Number.isSafeInteger(missing?.to ?? 0)) {
      throw new FramewireError("protocol-violation", "the welcome has impossible sequences");
    }
    const had = missing?.reason === ACKNOWLEDGED ? missing.to : 0;
    return { peerReceived, lostIn: had > 0 ? undefined : missing, restarted: { side: "own", received: had } };
  }

  /** @internal */
  nextAttempt(): number {
    const attempts = this.#session.attempts + 1;
    this.#setSession({ ...this.#session, attempts });
    return attempts;
  }

  /** @internal */
  welcomed(token: Uint8Array): void {
    this.#setSession({ ...this.#session, token });
  }

  /** @internal */
  usesCallId(callId: number): void {
    if (callId >= this.#session.callIds) this.#setSession({ ...this.#session, callIds: callId + CALL_ID_BLOCK });
  }

  /** @internal */
  accept(frame: Outgoing, post: () => void): void {
    const { maxQueuedFrames, maxQueuedBytes } = this.#limits as OutboxClaim;
    if (this.#closed) throw new FramewireError("connection-closed", "the outbox is closed");
    const { full } = this.#storage;
    if (full !== undefined) throw full;
    if (this.size >= maxQueuedFrames || this.#bytes + costOf(frame) > maxQueuedBytes) {
      throw new FramewireError(
        "queue-full",
        `the outbox holds ${this.size} sends and ${this.#bytes} bytes; the limits are ${maxQueuedFrames} and ${maxQueuedBytes}`,
      );
    }
    const entry = this.#add(this.#nextId++, frame, 0);
    entry.posted = true;
    this.#storage.put(entry.id, frameOf(frame));
    frame.kept = true;
    try {
      post();
    } catch (error) {
      this.#remove(entry);
      throw error;
    }
  }

  /** @internal */
  numbered(frame: Outgoing, sequence: number): void {
    const entry = this.#entries.get(frame);
    if (entry !== undefined) this.#number(entry, sequence);
  }

  /** @internal */
  acknowledged(sequence: number): void {
    for (const [number, entry] of this.#numbered) {
      if (number > sequence) return;
      this.#remove(entry);
    }
  }

  /** @internal */
  withdrawn(frame: Outgoing): void {
    const entry = this.#entries.get(frame);
    if (entry !== undefined) this.#remove(entry);
  }

  /** @internal */
  setAside(frame: Outgoing): void {
    const entry = this.#entries.get(frame);
    if (entry === undefined) return;
    if (entry.sequence > 0) this.#number(entry, 0);
    entry.posted = false;
    this.#aside.add(entry);
  }

  /** @internal */
  reclaim(): Outgoing[] {
    return [...this.#aside].map((entry) => this.#sendAgain(entry));
  }

  /** @internal */
  restart(received: number): Outgoing[] {
    const again: Outgoing[] = [];
    for (const entry of [...this.#entries.values()]) {
      if (entry.sequence > 0 && entry.sequence <= received) {
        this.#remove(entry);
      } else if (entry.sequence > 0 || !entry.posted) {
        again.push(this.#sendAgain(entry));
      }
    }
    return again;
  }

  /** @internal */
  lost({ from, to }: SequenceRange): Outgoing[] {
    const lost = [...this.#numbered.values()].filter(({ sequence }) => sequence >= from && sequence <= to);
    return lost.map((entry) => this.#sendAgain(entry));
  }

  /** @internal */
  guard(transport: Transport): Transport {
    return new GuardedTransport(transport, () => this.#flushed());
  }

  #add(id: number, frame: Outgoing, sequence: number): Entry {
    const entry: Entry = { id, frame, cost: costOf(frame), sequence, posted: false };
    this.#entries.set(frame, entry);
    if (sequence > 0) this.#numbered.set(sequence, entry);
    this.#bytes += entry.cost;
    return entry;
  }

  #remove(entry: Entry): void {
    this.#numbered.delete(entry.sequence);
    this.#entries.delete(entry.frame);
    this.#aside.delete(entry);
    this.#bytes -= entry.cost;
    this.#storage.remove(entry.id);
  }

  #sendAgain(entry: Entry): Outgoing {
    // Its old number may soon be another frame's: it must not be taken for it after a crash.
    if (entry.sequence > 0) this.#number(entry, 0);
    entry.posted = true;
    this.#aside.delete(entry);
    return entry.frame;
  }

  #number(entry: Entry, sequence: number): void {
    this.#numbered.delete(entry.sequence);
    entry.sequence = sequence;
    if (sequence > 0) this.#numbered.set(sequence, entry);
    this.#storage.number(entry.id, sequence);
  }

  #setSession(session: OutboxSession): void {
    this.#session = session;
    this.#storage.session(session);
  }

  #flushed(): Promise<void> | undefined {
    return this.#storage.flushed()?.catch((error: FramewireError) => {
      this.#failed(error);
      throw error;
    });
  }
}

function costOf({ payload, ext }: Outgoing): number {
  return ENTRY_OVERHEAD + (payload?.length ?? 0) + (ext?.length ?? 0);
}

function frameOf({ cmd, kind, callId, payload, timeoutMs, trace, ext }: Outgoing): OutboxFrame {
  return { cmd, kind, callId, payload, timeoutMs, trace, ext };
}

function outgoingOf({ cmd, kind, callId, payload, timeoutMs, trace, ext }: OutboxFrame): Outgoing {
  // What an earlier process has sent has no name here.
  const frame = new Outgoing({ cmd, name: cmdName(cmd) }, kind as FrameKind | undefined, callId, true);
  frame.payload = payload;
  frame.timeoutMs = timeoutMs;
  frame.trace = trace;
  frame.ext = ext;
  frame.durable = true;
  frame.kept = true;
  return frame;
}
