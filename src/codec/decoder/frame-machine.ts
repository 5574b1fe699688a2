/**
 * The decoder's state machine: D of docs/wire.md section 4 over one buffer at a time, a chunk or the ring. It knows what is
 * decided, not where bytes are kept; {@link FrameDecoder} moves it from buffer to buffer.
 */
import type { FramewireError } from "../../errors.js";
import type { DecoderOptions, Recovery } from "../../options.js";
import type { Damage, Discard, DiscardReason } from "../frame.js";
import type { ByteSource } from "./byte-source.js";
import { CandidateChecksum } from "./candidate-checksum.js";
import { DiscardLog } from "./discard-log.js";
import { FAILED, FrameParser, READY, WAIT } from "./frame-parser.js";
import { FrameCursor, type FrameHandler } from "./frame-view.js";
import type { PlainWay } from "./plain-frame.js";
import { PREFIX_LENGTH, prefixFor, type SyncPrefix } from "./sync-prefix.js";

/** What {@link FrameDecoder.update} can change. */
export type DecoderUpdate = Pick<DecoderOptions, "checksumSeed" | "minVersion" | "maxPayload">;

/**
 * `scan`: looking for a prefix at the cursor or after it. `candidate`: the prefix stands at the cursor, the rest is
 * undecided. `empty`: an empty version 1 frame ended at the cursor; an empty payload field belongs to it.
 */
type State = "scan" | "candidate" | "empty";

/** The mask that leaves positions in a chunk as they are. */
export const IN_PLACE = -1;

const TAG_PAYLOAD = 0x2a;

// Imported constants are looked up at each use; those of the module itself are part of the code.
const HEAD = PREFIX_LENGTH;

/** Bytes that {@link PlainWay} may look at without asking whether they are there: up to N, and a tag. */
const PLAIN_HEADER = 20;

/** The short way for whole frames in a chunk. Absent on pages, which save its size. */
let plainWay: PlainWay | undefined;

/** Makes all machines go the short way where they can; `undefined`: none does. */
export function providePlainWay(provided: PlainWay | undefined): void {
  plainWay = provided;
}

/** All of a decoder's options, with `undefined` for a seed or a handler that was not given. */
export interface MachineOptions extends Required<Omit<DecoderOptions, "checksumSeed">> {
  readonly checksumSeed: number | undefined;
  readonly onDamage: ((damage: Damage) => void) | undefined;
  readonly onDiscard: ((discard: Discard) => void) | undefined;
}

export class FrameMachine {
  readonly #prefix: SyncPrefix;
  readonly #recovery: Recovery;
  readonly #log: DiscardLog;
  readonly #frame = new FrameCursor();
  readonly #parser = new FrameParser(this.#frame);
  readonly #checksum: CandidateChecksum;
  #update: DecoderUpdate | undefined;

  #state: State = "scan";
  /** Stream offset of position 0 of the buffer at hand; the next three are positions in that buffer. */
  #base = 0;
  #cursor = 0;
  /** Where the discard that is still open begins; the cursor's or a frame's end when there is none. */
  #open = 0;
  #openReason: DiscardReason = "garbage";
  /** Behind the last frame delivered. */
  #frameEnd = 0;
  #need = 1;

  /** Set to have `run` return after the frame at hand. Only in a chunk: what is in the ring has been taken already. */
  stopped = false;

  #frames = 0;

  constructor(options: MachineOptions) {
    this.#prefix = prefixFor(options.magic);
    this.#recovery = options.recovery;
    this.#log = new DiscardLog(options.onDamage, options.onDiscard);
    this.#parser.maxPayload = options.maxPayload;
    this.#parser.maxTrailer = options.maxTrailer;
    this.#parser.minVersion = options.minVersion;
    this.#checksum = new CandidateChecksum(this.#prefix.bytes, options.checksumSeed);
  }

  /** Position of the first byte that is not decided. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Stream offset of the first byte that is not decided. */
  get offset(): number {
    return this.#base + this.#cursor;
  }

  /** Bytes from the cursor on that can decide more. */
  get need(): number {
    return this.#need;
  }

  /** Frames delivered. */
  get frames(): number {
    return this.#frames;
  }

  /** Runs of discarded bytes, and the bytes in them, the run that is still growing included. */
  get discards(): number {
    return this.#log.discards + (this.#cursor > this.#open ? 1 : 0);
  }

  get discardedBytes(): number {
    return this.#log.bytes + this.#cursor - this.#open;
  }

  /** With recovery `"close"`: what ended the decoding. */
  get failure(): FramewireError | undefined {
    return this.#log.failure;
  }

  /** Holds from the next candidate on. The values have been checked. */
  update(options: DecoderUpdate): void {
    this.#update = { ...this.#update, ...options };
    if (this.#state !== "candidate") this.#applyUpdate(this.#update);
  }

  /** Moves to other coordinates, those in which the cursor is at `position`. */
  rebase(position: number): void {
    const by = position - this.#cursor;
    this.#cursor = position;
    this.#open += by;
    this.#frameEnd += by;
    this.#base -= by;
  }

  /** Between pushes: holds no bytes, nor checkpoints that nothing undecided needs. */
  rest(): void {
    this.#frame.letGo();
    plainWay?.forgetWindow();
    this.#checksum.rest(this.#base + this.#cursor);
  }

  /** Whether nothing of the stream is undecided, open or left to skip: another stream may have its turn. */
  get clean(): boolean {
    return this.#state === "scan" && this.#cursor === this.#open && this.#cursor === this.#frameEnd && this.#log.failure === undefined;
  }

  /** Goes on with another stream, at its offset `offset`, where it was clean. */
  rebind(offset: number, seed: number | undefined, minVersion: number): void {
    this.#base = offset;
    this.#cursor = this.#open = this.#frameEnd = this.#checksum.failedEnd = 0;
    this.#parser.minVersion = minVersion;
    this.#checksum.setSeed(seed);
  }

  /** Behind a `run` that was the last one: what comes next does not continue what was there. */
  restart(): void {
    this.#closeGap(this.#cursor, "garbage");
    this.#state = "scan";
  }

  /** Counts the bytes up to stream offset `end` as discarded, unreported: nothing is decoded after a failure. */
  giveUp(end: number): void {
    this.#cursor = end - this.#base;
    this.#log.bytes += this.#cursor - this.#open;
    this.#open = this.#cursor;
  }

  /**
   * Decodes from the cursor on, in the bytes before `end`, until they cannot decide more or the cursor has reached
   * `stop` with no candidate; in a chunk also once it is `stopped`, with no candidate either. `final`: there will be no more bytes.
   */
  run(source: ByteSource, mask: number, end: number, stop: number, final: boolean, onFrame: FrameHandler): void {
    const parser = this.#parser;
    const frame = this.#frame;
    const buffer = source.bytes;
    frame.moveTo(source, this.#base);
    this.#need = 1;
    for (;;) {
      if (this.#state !== "candidate") {
        if (mask === IN_PLACE) {
          if (plainWay !== undefined && this.#cursor + PLAIN_HEADER <= end && !this.stopped) this.#runPlain(plainWay, source, onFrame);
          if (this.stopped) return;
        }
        if (this.#cursor >= stop) return;
        if (this.#state === "empty" && !this.#skipEmptyPayload(buffer, mask, end, final)) return;
        if (!this.#seek(buffer, mask, end, final)) return;
        parser.begin();
        this.#state = "candidate";
      }
      const start = this.#cursor;
      let outcome = parser.parse(buffer, mask, start, end);
      if (
        outcome === READY &&
        frame.version !== 1 &&
        !this.#checksum.isIntact(buffer, mask, this.#base, start, frame.checksumOffset, frame.endOffset)
      ) {
        parser.reason = "checksum";
        parser.failedAt = frame.endOffset;
        outcome = FAILED;
      }
      if (outcome === WAIT) {
        if (!final) {
          this.#need = parser.need;
          return;
        }
        parser.reason = "truncated";
        parser.failedAt = end - start;
        outcome = FAILED;
      }
      this.#state = "scan";
      if (this.#update !== undefined) this.#applyUpdate(this.#update);
      if (outcome === READY) {
        const from = start & mask;
        if (from + frame.endOffset <= buffer.length) {
          // In the ring a position may be a turn or more ahead of its place in the buffer.
          frame.base = this.#base + start - from;
          this.#deliver(start, from, onFrame);
        } else {
          frame.moveTo(source.unwrap(from, frame.endOffset), this.#base + start);
          this.#deliver(start, 0, onFrame);
          frame.moveTo(source, this.#base);
        }
      } else {
        if (this.#recovery === "close") this.#fail(start, start + parser.failedAt, parser.reason);
        this.#openReason = parser.reason;
        this.#cursor = start + 1;
        this.#log.damage(this.#base + start, parser.reason);
      }
    }
  }

  /** The loop that a good stream spends its time in: frames that follow each other, whole, in the chunk. */
  #runPlain({ parse, crcOfFrame }: PlainWay, chunk: ByteSource, onFrame: FrameHandler): void {
    const parser = this.#parser;
    const frame = this.#frame;
    const checksum = this.#checksum;
    const { head, tail } = this.#prefix;
    const { data } = chunk;
    const end = data.byteLength;
    const last = end - PLAIN_HEADER;
    for (;;) {
      const start = this.#cursor;
      if (start > last || start !== this.#open) return;
      if (data.getInt32(start, true) !== head || data.getInt32(start + 3, true) !== tail) return;
      if (!parse(frame, parser, data, start, end)) return;
      if (frame.version !== 1) {
        if (this.#base + start < checksum.failedEnd) return;
        const checksumAt = start + frame.checksumOffset;
        const from = start + HEAD;
        const crc = crcOfFrame(chunk, data, from, checksumAt, end, checksum.prefixCrc);
        if (crc !== data.getInt32(checksumAt + 1, true)) return;
      }
      if (this.#state !== "scan") this.#state = "scan";
      this.#deliver(start, start, onFrame);
      if (this.stopped) return;
    }
  }

  /** Skips an empty payload field after an empty version 1 frame. False if it takes more bytes to decide. */
  #skipEmptyPayload(buffer: Uint8Array, mask: number, end: number, final: boolean): boolean {
    const p = this.#cursor;
    if (buffer[p & mask] === TAG_PAYLOAD) {
      if (p + 1 >= end) {
        if (!final) {
          this.#need = 2;
          return false;
        }
      } else if (buffer[(p + 1) & mask] === 0) {
        this.#cursor = this.#open = this.#frameEnd = p + 2;
      } else if (this.#recovery === "close") {
        this.#fail(p, p + 2, "garbage");
      }
    }
    this.#state = "scan";
    return true;
  }

  /** Moves the cursor to the next prefix, or as far as there can be none. True if one stands there. */
  #seek(buffer: Uint8Array, mask: number, end: number, final: boolean): boolean {
    const prefix = this.#prefix;
    const from = this.#cursor;
    if (from >= end) return false;
    if (this.#recovery === "close") {
      const matched = prefix.matched(buffer, mask, from, end);
      if (matched === PREFIX_LENGTH) return true;
      if (from + matched < end) this.#fail(from, from + matched + 1, "garbage");
      if (final) this.#fail(from, end, "truncated");
      this.#need = matched + 1;
      return false;
    }
    const found = prefix.find(buffer, mask, from, end);
    const next = found < 0 ? ~found : found;
    this.#cursor = next;
    // Behind a failed candidate the bytes belong to its discard.
    if (next > from && from === this.#open) this.#log.damage(this.#base + from, "garbage");
    if (found >= 0) {
      this.#closeGap(found, "garbage");
      return true;
    }
    if (next < end) {
      if (final) {
        this.#cursor = end;
        this.#closeGap(next, "truncated");
        this.#log.damage(this.#base + next, "truncated");
      } else {
        this.#need = end - next + 1;
      }
    }
    return false;
  }

  /** Reports the open discard, which ends at `end`, if there is one; the next begins there, with `reason`. */
  #closeGap(end: number, reason: DiscardReason): void {
    const start = this.#open;
    const endedReason = this.#openReason;
    this.#open = end;
    this.#openReason = reason;
    if (start < end) this.#log.discard(this.#base + start, this.#base + end, endedReason);
  }

  /** Hands over the frame at `start`, which lies at `position` in the buffer that the frame was moved to. */
  #deliver(start: number, position: number, onFrame: FrameHandler): void {
    const frame = this.#frame;
    frame.place(position, start - this.#frameEnd);
    if (frame.version === 1 && frame.payloadEndOffset === frame.payloadOffset) this.#state = "empty";
    const end = start + frame.endOffset;
    this.#cursor = end;
    this.#open = end;
    this.#frameEnd = end;
    this.#frames++;
    onFrame(frame);
  }

  /** Recovery `"close"`: reports the damage and throws. */
  #fail(start: number, end: number, reason: DiscardReason): never {
    this.#cursor = end;
    this.#open = end;
    return this.#log.fail(this.#base + start, this.#base + end, reason);
  }

  #applyUpdate(options: DecoderUpdate): void {
    this.#update = undefined;
    if (options.checksumSeed !== undefined) this.#checksum.setSeed(options.checksumSeed);
    if (options.minVersion !== undefined) this.#parser.minVersion = options.minVersion;
    if (options.maxPayload !== undefined) this.#parser.maxPayload = options.maxPayload;
  }
}
