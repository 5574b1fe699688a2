/**
 * The decoder's state machine: D of docs/wire.md section 4 over one buffer at a time, a chunk or the ring. It knows what is
 * decided, not where bytes are kept; {@link FrameDecoder} moves it from buffer to buffer.
 */
import { FramewireError } from "../../errors.js";
import type { DecoderOptions, Recovery } from "../../options.js";
import { crcOfSeed, crcUpdate } from "../checksum/crc32.js";
import { crcOfRange, PrefixCrc } from "../checksum/prefix-crc.js";
import type { Damage, Discard, DiscardReason } from "../frame.js";
import type { ByteSource } from "./byte-source.js";
import { FAILED, type FrameLimits, FrameParser, READY, WAIT } from "./frame-parser.js";
import { FrameCursor, type FrameView } from "./frame-view.js";
import { PREFIX_LENGTH, prefixFor, type SyncPrefix } from "./sync-prefix.js";

/** Called for each frame; `frame` is valid until it returns. */
export type FrameHandler = (frame: FrameView) => void;

/** What {@link FrameDecoder.update} can change. */
export type DecoderUpdate = Pick<DecoderOptions, "checksumSeed" | "minVersion" | "maxPayload">;

/**
 * `scan`: looking for a prefix at the cursor or behind it. `candidate`: the prefix stands at the cursor, the rest is
 * undecided. `swallow`: an empty version 1 frame ended at the cursor; an empty payload field belongs to it.
 */
type State = "scan" | "candidate" | "swallow";

/** The mask that leaves positions in a chunk as they are. */
export const IN_PLACE = -1;

const TAG_PAYLOAD = 0x2a;

// Imported constants are looked up at each use; those of the module itself are part of the code.
const HEAD = PREFIX_LENGTH;

/** Bytes that {@link PlainWay} may look at without asking whether they are there: up to N, and a tag. */
const PLAIN_HEADER = 20;

/** The short way for whole frames in a chunk: plain-frame.ts. */
export interface PlainWay {
  parse(frame: FrameCursor, limits: FrameLimits, data: DataView, start: number, end: number): boolean;
  crcOfFrame(chunk: ByteSource, data: DataView, start: number, end: number, last: number, crc: number): number;
  forgetWindow(): void;
}

/** Absent on pages, which save its size. */
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
  readonly #onDamage: ((damage: Damage) => void) | undefined;
  readonly #onDiscard: ((discard: Discard) => void) | undefined;
  readonly #frame = new FrameCursor();
  readonly #parser = new FrameParser(this.#frame);
  /** Made for the first candidate that starts before W. */
  #checksums: PrefixCrc | undefined;
  #seed: number | undefined;
  /** CRC of the seed's four bytes, 0 without a seed. */
  #seedCrc = 0;
  /** The same with the seven bytes that every frame begins with. */
  #prefixCrc = 0;
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
  /** W of docs/wire.md: the largest stream offset that a failed checksum comparison reached. */
  #failedCheckEnd = 0;

  /** Set to have `run` return behind the frame at hand. Only in a chunk: what is in the ring has been taken already. */
  stopped = false;

  #frames = 0;
  #discards = 0;
  #discardedBytes = 0;
  #failure: FramewireError | undefined;

  constructor(options: MachineOptions) {
    this.#prefix = prefixFor(options.magic);
    this.#recovery = options.recovery;
    this.#onDamage = options.onDamage;
    this.#onDiscard = options.onDiscard;
    this.#parser.maxPayload = options.maxPayload;
    this.#parser.maxTrailer = options.maxTrailer;
    this.#parser.minVersion = options.minVersion;
    this.#setSeed(options.checksumSeed);
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
    return this.#discards + (this.#cursor > this.#open ? 1 : 0);
  }

  get discardedBytes(): number {
    return this.#discardedBytes + this.#cursor - this.#open;
  }

  /** With recovery `"close"`: what ended the decoding. */
  get failure(): FramewireError | undefined {
    return this.#failure;
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
    if (this.#base + this.#cursor >= this.#failedCheckEnd) this.#checksums = undefined;
  }

  /** Whether nothing of the stream is undecided, open or left to swallow: another stream may have its turn. */
  get clean(): boolean {
    return this.#state === "scan" && this.#cursor === this.#open && this.#cursor === this.#frameEnd && this.#failure === undefined;
  }

  /** Goes on with another stream, at its offset `offset`, where it was clean. */
  rebind(offset: number, seed: number | undefined, minVersion: number): void {
    this.#base = offset;
    this.#cursor = this.#open = this.#frameEnd = this.#failedCheckEnd = 0;
    this.#parser.minVersion = minVersion;
    if (seed !== this.#seed) this.#setSeed(seed);
  }

  /** Behind a `run` that was the last one: what comes next does not continue what was there. */
  restart(): void {
    this.#closeGap(this.#cursor, "garbage");
    this.#state = "scan";
  }

  /** Counts the bytes up to stream offset `end` as discarded, untold: nobody decodes behind a failure. */
  giveUp(end: number): void {
    this.#cursor = end - this.#base;
    this.#discardedBytes += this.#cursor - this.#open;
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
        if (this.#state === "swallow" && !this.#swallow(buffer, mask, end, final)) return;
        if (!this.#seek(buffer, mask, end, final)) return;
        parser.begin();
        this.#state = "candidate";
      }
      const start = this.#cursor;
      let outcome = parser.parse(buffer, mask, start, end);
      if (outcome === READY && frame.version !== 1 && !this.#isIntact(buffer, mask, start)) {
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
        this.#reportDamage(start, parser.reason);
      }
    }
  }

  /** The loop that a good stream spends its time in: frames that follow each other, whole, in the chunk. */
  #runPlain({ parse, crcOfFrame }: PlainWay, chunk: ByteSource, onFrame: FrameHandler): void {
    const parser = this.#parser;
    const frame = this.#frame;
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
        if (this.#base + start < this.#failedCheckEnd) return;
        const checksumAt = start + frame.checksumOffset;
        const from = start + HEAD;
        const crc = crcOfFrame(chunk, data, from, checksumAt, end, this.#prefixCrc);
        if (crc !== data.getInt32(checksumAt + 1, true)) return;
      }
      if (this.#state !== "scan") this.#state = "scan";
      this.#deliver(start, start, onFrame);
      if (this.stopped) return;
    }
  }

  /** Takes an empty payload field behind an empty version 1 frame. False if more bytes must tell. */
  #swallow(buffer: Uint8Array, mask: number, end: number, final: boolean): boolean {
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
    if (next > from && from === this.#open) this.#reportDamage(from, "garbage");
    if (found >= 0) {
      this.#closeGap(found, "garbage");
      return true;
    }
    if (next < end) {
      if (final) {
        this.#cursor = end;
        this.#closeGap(next, "truncated");
        this.#reportDamage(next, "truncated");
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
    if (start < end) this.#report(start, end, endedReason);
  }

  #reportDamage(start: number, reason: DiscardReason): void {
    this.#onDamage?.({ start: this.#base + start, reason });
  }

  #report(start: number, end: number, reason: DiscardReason): void {
    this.#discards++;
    this.#discardedBytes += end - start;
    this.#onDiscard?.({ start: this.#base + start, end: this.#base + end, reason });
  }

  /** Compares the checksum of the candidate at `start`, all of whose bytes are there. */
  #isIntact(buffer: Uint8Array, mask: number, start: number): boolean {
    const base = this.#base;
    const at = start + this.#frame.checksumOffset;
    let crc: number;
    if (base + start >= this.#failedCheckEnd) {
      crc = crcOfRange(buffer, mask, start + PREFIX_LENGTH, at, this.#prefixCrc);
    } else {
      this.#checksums ??= new PrefixCrc();
      crc = this.#checksums.update(buffer, mask, base, base + start, base + at, this.#seedCrc);
    }
    const written =
      buffer[(at + 1) & mask]! | (buffer[(at + 2) & mask]! << 8) | (buffer[(at + 3) & mask]! << 16) | (buffer[(at + 4) & mask]! << 24);
    if (crc === written) return true;
    this.#failedCheckEnd = Math.max(this.#failedCheckEnd, base + start + this.#frame.endOffset);
    return false;
  }

  /** Hands over the frame at `start`, which lies at `position` in the buffer that the frame was moved to. */
  #deliver(start: number, position: number, onFrame: FrameHandler): void {
    const frame = this.#frame;
    frame.place(position, start - this.#frameEnd);
    if (frame.version === 1 && frame.payloadEndOffset === frame.payloadOffset) this.#state = "swallow";
    const end = start + frame.endOffset;
    this.#cursor = end;
    this.#open = end;
    this.#frameEnd = end;
    this.#frames++;
    onFrame(frame);
  }

  /** Recovery `"close"`: reports the damage and throws. */
  #fail(start: number, end: number, reason: DiscardReason): never {
    const code = reason === "oversize" ? "frame-too-large" : "frame-malformed";
    const text = `${reason} in the bytes ${this.#base + start} to ${this.#base + end} of the stream`;
    this.#failure = new FramewireError(code, text, { fault: "remote" });
    this.#cursor = end;
    this.#open = end;
    this.#reportDamage(start, reason);
    this.#report(start, end, reason);
    throw this.#failure;
  }

  #applyUpdate(options: DecoderUpdate): void {
    this.#update = undefined;
    if (options.checksumSeed !== undefined) this.#setSeed(options.checksumSeed);
    if (options.minVersion !== undefined) this.#parser.minVersion = options.minVersion;
    if (options.maxPayload !== undefined) this.#parser.maxPayload = options.maxPayload;
  }

  #setSeed(seed: number | undefined): void {
    this.#seed = seed;
    this.#seedCrc = crcOfSeed(seed);
    this.#prefixCrc = crcUpdate(this.#prefix.bytes, 0, PREFIX_LENGTH, this.#seedCrc);
  }
}
