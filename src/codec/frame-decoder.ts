/**
 * Bytes to frames: finds the frames in a stream that may be cut and damaged anywhere. What it delivers is defined in
 * docs/wire.md section 4 and depends on the bytes alone, never on how they were cut into chunks.
 *
 * Three buffers play the same part, one at a time: the chunk at hand, read in place; the ring, which holds what
 * straddles chunks; and a copy of a single frame that wraps around the ring's end.
 */
import { FramewireError } from "../errors.js";
import { CONNECTION_DEFAULTS, type DecoderOptions, type Recovery, resolveOptions } from "../options.js";
import { ByteSource } from "./byte-source.js";
import { crcOfSeed, crcOfSource, crcUpdate } from "./crc32.js";
import type { Discard, DiscardReason } from "./frame.js";
import { FAILED, FrameParser, PLAIN_HEADER, READY, WAIT } from "./frame-parser.js";
import { FrameCursor, type FrameView } from "./frame-view.js";
import { crcOfRange, PrefixCrc } from "./prefix-crc.js";
import { RingBuffer } from "./ring-buffer.js";
import { PREFIX_LENGTH, prefixFor, type SyncPrefix } from "./sync-prefix.js";

/** Called for each frame; `frame` is valid until it returns. */
export type FrameHandler = (frame: FrameView) => void;

/** Options of {@link FrameDecoder}. */
export interface FrameDecoderOptions extends DecoderOptions {
  /** Told each run of bytes that no frame was made of, when its end is known and before the frame behind it. */
  readonly onDiscard?: (discard: Discard) => void;
}

/** What {@link FrameDecoder.update} can change. */
export type DecoderUpdate = Pick<DecoderOptions, "checksumSeed" | "minVersion" | "maxPayload">;

/** Counters of a decoder. `bytes` = those of frames + `discardedBytes` + `buffered`. */
export interface DecoderStats {
  /** Bytes pushed. */
  readonly bytes: number;
  /** Frames delivered. */
  readonly frames: number;
  /** Runs of discarded bytes, the one that is still growing included. */
  readonly discards: number;
  /** Bytes in those runs. */
  readonly discardedBytes: number;
  /** Bytes held because they may yet belong to a frame. */
  readonly buffered: number;
}

/**
 * `scan`: looking for a prefix at the cursor or behind it. `candidate`: the prefix stands at the cursor, the rest is
 * undecided. `swallow`: an empty version 1 frame ended at the cursor; an empty payload field belongs to it.
 */
type State = "scan" | "candidate" | "swallow";

const TAG_PAYLOAD = 0x2a;
const IN_PLACE = -1;
/** Up to this many bytes are copied one by one. */
const FEW = 48;
// Imported constants are looked up at each use; those of the module itself are part of the code.
const SHORTEST = PLAIN_HEADER;

export class FrameDecoder {
  readonly #prefix: SyncPrefix;
  readonly #recovery: Recovery;
  readonly #onDiscard: ((discard: Discard) => void) | undefined;
  readonly #frame = new FrameCursor();
  readonly #parser = new FrameParser(this.#frame);
  readonly #ring = new RingBuffer();
  /** The chunk, for the time of a push. */
  readonly #chunk = new ByteSource();
  /** Made for the first candidate that starts before W. */
  #checksums: PrefixCrc | undefined;
  /** CRC of the seed's four bytes, 0 without a seed. */
  #seedCrc = 0;
  /** The same with the seven bytes that every frame begins with. */
  #prefixCrc = 0;
  #update: DecoderUpdate | undefined;

  #state: State = "scan";
  /** Stream offset of position 0 of the buffer at hand; the next three are positions in that buffer. */
  #base = 0;
  /** First byte that is not decided. */
  #cursor = 0;
  /** Where the discard that is still open begins; the cursor's or a frame's end when there is none. */
  #open = 0;
  #openReason: DiscardReason = "garbage";
  /** Behind the last frame delivered. */
  #frameEnd = 0;
  /** Bytes from the cursor on that can decide more. */
  #need = 1;
  /** W of docs/wire.md: the largest stream offset that a failed checksum comparison reached. */
  #failedCheckEnd = 0;

  #bytes = 0;
  #frames = 0;
  #discards = 0;
  #discardedBytes = 0;

  #busy = false;
  #ended = false;
  #failure: FramewireError | undefined;

  /** @throws FramewireError `invalid-option` */
  constructor(options: FrameDecoderOptions = {}) {
    const { onDiscard, ...given } = options;
    const { magic, maxPayload, maxTrailer, minVersion, recovery, checksumSeed } = resolveOptions<
      typeof CONNECTION_DEFAULTS,
      DecoderOptions
    >(CONNECTION_DEFAULTS, given);
    this.#prefix = prefixFor(magic);
    this.#recovery = recovery;
    this.#onDiscard = onDiscard;
    this.#parser.maxPayload = maxPayload;
    this.#parser.maxTrailer = maxTrailer;
    this.#parser.minVersion = minVersion;
    this.#setSeed(checksumSeed);
  }

  /** Counters as of now; right inside the handlers too. */
  get stats(): DecoderStats {
    const decided = this.#base + this.#cursor;
    const open = this.#cursor - this.#open;
    return {
      bytes: this.#bytes,
      frames: this.#frames,
      discards: this.#discards + (open > 0 ? 1 : 0),
      discardedBytes: this.#discardedBytes + open,
      buffered: this.#bytes - decided,
    };
  }

  /** Why the discard that is still growing began, before `onDiscard` can tell where it ends; `undefined` if there is none. */
  get openDiscard(): DiscardReason | undefined {
    return this.#cursor > this.#open ? this.#openReason : undefined;
  }

  /**
   * Decodes `chunk`, calling `onFrame` for each frame that its bytes complete. Reads the chunk in place and keeps a
   * copy of what is left undecided, so the caller may reuse it afterwards.
   *
   * An error that `onFrame` throws comes out of `push`; that frame counts as delivered, and what is behind it is
   * decoded by the next `push`, `flush` or `end`.
   * @throws FramewireError with recovery `"close"`: `frame-malformed` or `frame-too-large` at the first damaged byte,
   *   and again at every later call; `connection-closed` after `end`; `failed-precondition` from inside a handler
   */
  push(chunk: Uint8Array, onFrame: FrameHandler): void {
    this.#enter();
    if (this.#ended) throw new FramewireError("connection-closed", "push after end");
    const ring = this.#ring;
    this.#bytes += chunk.length;
    if (ring.length > 0 && ring.length + chunk.length < this.#need) {
      if (chunk.length <= FEW) {
        ring.appendBytes(chunk);
      } else {
        this.#chunk.set(chunk);
        ring.append(this.#chunk, 0, chunk.length);
        this.#chunk.set();
      }
      this.#rebase(ring.head);
      return;
    }
    this.#busy = true;
    this.#chunk.set(chunk);
    try {
      if (ring.length === 0 || this.#joinInRing(chunk.length, onFrame)) {
        this.#run(this.#chunk, IN_PLACE, chunk.length, chunk.length, false, onFrame);
      }
    } finally {
      this.#keepRest();
    }
  }

  /**
   * Decides everything as if the stream ended here, as a message boundary does, and goes on behind it: what is
   * undecided is discarded as truncated, and frames inside it are delivered.
   * @throws FramewireError as `push` does; with recovery `"close"` also if anything was undecided
   */
  flush(onFrame: FrameHandler): void {
    this.#enter();
    if (this.#ended) return;
    const ring = this.#ring;
    ring.unpark();
    this.#busy = true;
    try {
      const end = ring.head + ring.length;
      this.#run(ring.source, ring.mask, end, end, true, onFrame);
      this.#closeGap(this.#cursor, "garbage");
      this.#state = "scan";
    } finally {
      this.#keepRest();
    }
  }

  /** As {@link FrameDecoder.flush}, and the end of the stream: a later `push` throws, a later `flush` or `end` does nothing. */
  end(onFrame: FrameHandler): void {
    this.flush(onFrame);
    this.#ended = true;
  }

  /**
   * Changes options from the next candidate on: called inside `onFrame`, for what follows that frame. An option that
   * is `undefined` stays as it is.
   * @throws FramewireError `invalid-option`
   */
  update(options: DecoderUpdate): void {
    const { checksumSeed, minVersion, maxPayload } = resolveOptions<DecoderUpdate, DecoderUpdate>({}, options);
    const given = {
      ...this.#update,
      ...(checksumSeed !== undefined && { checksumSeed }),
      ...(minVersion !== undefined && { minVersion }),
      ...(maxPayload !== undefined && { maxPayload }),
    };
    this.#update = given;
    if (this.#state !== "candidate") this.#applyUpdate(given);
  }

  #applyUpdate(options: DecoderUpdate): void {
    this.#update = undefined;
    if (options.checksumSeed !== undefined) this.#setSeed(options.checksumSeed);
    if (options.minVersion !== undefined) this.#parser.minVersion = options.minVersion;
    if (options.maxPayload !== undefined) this.#parser.maxPayload = options.maxPayload;
  }

  #setSeed(seed: number | undefined): void {
    this.#seedCrc = crcOfSeed(seed);
    this.#prefixCrc = crcUpdate(this.#prefix.bytes, 0, PREFIX_LENGTH, this.#seedCrc);
  }

  #enter(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#busy) throw new FramewireError("failed-precondition", "a frame handler called back into its decoder");
  }

  /** Moves the buffer's coordinates so that the cursor is at `position`. */
  #rebase(position: number): void {
    const by = position - this.#cursor;
    this.#cursor = position;
    this.#open += by;
    this.#frameEnd += by;
    this.#base -= by;
  }

  /**
   * Feeds the ring from the chunk, of `length` bytes, no more than the candidate in it needs, until all that is undecided lies in the chunk.
   * Then drops the ring, moves to the chunk's coordinates and returns true; false if the whole chunk went into the ring.
   */
  #joinInRing(length: number, onFrame: FrameHandler): boolean {
    const ring = this.#ring;
    let taken = 0;
    ring.unpark();
    for (;;) {
      const lacking = this.#need - ring.length;
      if (lacking > 0) {
        const count = Math.min(lacking, length - taken);
        ring.append(this.#chunk, taken, taken + count);
        this.#rebase(ring.head);
        taken += count;
        if (count < lacking) return false;
      }
      const end = ring.head + ring.length;
      const chunkStart = end - taken;
      this.#run(ring.source, ring.mask, end, chunkStart, false, onFrame);
      if (this.#cursor >= chunkStart) {
        ring.release();
        this.#rebase(this.#cursor - chunkStart);
        return true;
      }
      ring.drop(this.#cursor - ring.head);
      this.#rebase(ring.head);
    }
  }

  /** Leaves in the ring what is undecided, of which the end may still lie in the chunk only; also after a handler threw. */
  #keepRest(): void {
    const ring = this.#ring;
    const chunk = this.#chunk;
    if (ring.length > 0) ring.drop(this.#cursor - ring.head);
    const missing = this.#bytes - (this.#base + this.#cursor) - ring.length;
    if (missing > 0) ring.hold(chunk, chunk.bytes.length - missing, chunk.bytes.length);
    else ring.shrink();
    chunk.set();
    this.#frame.letGo();
    if (this.#base + this.#cursor >= this.#failedCheckEnd) this.#checksums = undefined;
    this.#rebase(ring.head);
    this.#busy = false;
  }

  /**
   * Decodes from the cursor on, in the bytes before `end`, until they cannot decide more or the cursor has reached
   * `stop` with no candidate. `final`: there will be no more bytes.
   */
  #run(source: ByteSource, mask: number, end: number, stop: number, final: boolean, onFrame: FrameHandler): void {
    const parser = this.#parser;
    const frame = this.#frame;
    const buffer = source.bytes;
    frame.moveTo(source, this.#base);
    this.#need = 1;
    for (;;) {
      if (this.#state !== "candidate") {
        if (mask === IN_PLACE && this.#cursor + SHORTEST <= end) this.#runPlain(source, onFrame);
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
          const unwrapped = new ByteSource();
          unwrapped.set(this.#ring.copyOut(from, frame.endOffset));
          frame.moveTo(unwrapped, this.#base + start);
          this.#deliver(start, 0, onFrame);
          frame.moveTo(source, this.#base);
        }
      } else {
        if (this.#recovery === "close") this.#die(start, start + parser.failedAt, parser.reason);
        this.#openReason = parser.reason;
        this.#cursor = start + 1;
      }
    }
  }

  /** The loop that a good stream spends its time in: frames that follow each other, whole, in the chunk. */
  #runPlain(chunk: ByteSource, onFrame: FrameHandler): void {
    const parser = this.#parser;
    const frame = this.#frame;
    const { head, tail } = this.#prefix;
    const { bytes, data } = chunk;
    const end = bytes.length;
    const last = end - SHORTEST;
    for (;;) {
      const start = this.#cursor;
      if (start > last || start !== this.#open) return;
      if (data.getInt32(start, true) !== head || data.getInt32(start + 3, true) !== tail) return;
      if (!parser.parsePlain(bytes, data, start, end)) return;
      if (frame.version !== 1) {
        if (this.#base + start < this.#failedCheckEnd) return;
        const checksumAt = start + frame.checksumOffset;
        if (crcOfSource(chunk, start + PREFIX_LENGTH, checksumAt, this.#prefixCrc) !== data.getInt32(checksumAt + 1, true)) return;
      }
      if (this.#state !== "scan") this.#state = "scan";
      this.#deliver(start, start, onFrame);
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
        this.#die(p, p + 2, "garbage");
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
      if (from + matched < end) this.#die(from, from + matched + 1, "garbage");
      if (final) this.#die(from, end, "truncated");
      this.#need = matched + 1;
      return false;
    }
    const found = prefix.find(buffer, mask, from, end);
    if (found >= 0) {
      this.#cursor = found;
      this.#closeGap(found, "garbage");
      return true;
    }
    this.#cursor = ~found;
    if (this.#cursor < end) {
      if (final) {
        const partial = this.#cursor;
        this.#cursor = end;
        this.#closeGap(partial, "truncated");
      } else {
        this.#need = PREFIX_LENGTH;
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

  /** Recovery `"close"`: reports the damage and throws, now and for good. Nothing is held any longer. */
  #die(start: number, end: number, reason: DiscardReason): never {
    const code = reason === "oversize" ? "frame-too-large" : "frame-malformed";
    this.#failure = new FramewireError(code, `${reason} in the bytes ${this.#base + start} to ${this.#base + end} of the stream`, {
      fault: "remote",
    });
    this.#ring.release();
    this.#cursor = this.#bytes - this.#base;
    this.#open = this.#cursor;
    this.#discardedBytes += this.#cursor - end;
    this.#state = "scan";
    this.#report(start, end, reason);
    throw this.#failure;
  }
}
