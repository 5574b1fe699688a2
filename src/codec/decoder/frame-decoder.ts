/**
 * Bytes to frames: finds the frames in a stream that may be cut and damaged anywhere. What it delivers is defined in
 * docs/wire.md section 4 and depends on the bytes alone, never on how they were cut into chunks.
 *
 * A chunk is read in place. Only what straddles chunks is copied, into a ring: from the next chunk no more than the
 * candidate at its front needs, until all that is undecided lies in the chunk again.
 */
import { FramewireError } from "../../errors.js";
import { CONNECTION_DEFAULTS, type DecoderOptions, resolveOptions } from "../../options.js";
import type { Damage, Discard } from "../frame.js";
import { ByteSource } from "./byte-source.js";
import { type DecoderUpdate, FrameMachine, IN_PLACE } from "./frame-machine.js";
import type { FrameHandler } from "./frame-view.js";
import { RingBuffer } from "./ring-buffer.js";

export type { DecoderUpdate } from "./frame-machine.js";
export type { FrameHandler } from "./frame-view.js";

/** Options of {@link FrameDecoder}. */
export interface FrameDecoderOptions extends DecoderOptions {
  /**
   * Called at the byte that shows damage: the last one that a failed candidate was judged by, or the first that cannot belong to a
   * prefix. Once for each discard, before `onDiscard` and with the same start and reason.
   */
  readonly onDamage?: (damage: Damage) => void;
  /** Called once for each run of bytes that no frame was made of, when its end is known and before the frame that follows. */
  readonly onDiscard?: (discard: Discard) => void;
}

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

/** Refuse options that do not exist, of a new decoder and of `update`. Absent on pages, which save their size. */
let checkOptions: ((options: object) => void) | undefined;
let checkUpdate: ((options: object) => void) | undefined;

export function provideDecoderChecks(ofNew: typeof checkOptions, ofUpdate: typeof checkUpdate): void {
  checkOptions = ofNew;
  checkUpdate = ofUpdate;
}

/** Up to this many bytes are copied one by one. */
const FEW = 24;

/** Finds the frames in a stream of bytes. */
export class FrameDecoder {
  readonly #machine: FrameMachine;
  readonly #ring = new RingBuffer();
  /** The chunk, for the time of a push. */
  readonly #chunk = new ByteSource();
  #bytes = 0;
  #busy = false;
  #ended = false;

  /** @throws FramewireError `invalid-option` */
  constructor(options: FrameDecoderOptions = {}) {
    checkOptions?.(options);
    const { onDamage, onDiscard, ...given } = options;
    this.#machine = new FrameMachine({
      checksumSeed: undefined,
      ...resolveOptions<typeof CONNECTION_DEFAULTS, DecoderOptions>(CONNECTION_DEFAULTS, given),
      onDamage,
      onDiscard,
    });
  }

  /** Counters as of now; right inside the handlers too. */
  get stats(): DecoderStats {
    const { frames, discards, discardedBytes, offset } = this.#machine;
    return { bytes: this.#bytes, frames, discards, discardedBytes, buffered: this.#bytes - offset };
  }

  /**
   * Decodes `chunk`, calling `onFrame` for each frame that its bytes complete. Reads the chunk in place and keeps a
   * copy of what is left undecided, so the caller may reuse it afterwards.
   *
   * Gives the number of bytes that it has taken: all of them, unless `onFrame` called {@link FrameDecoder.stop}. The others
   * were not looked at, and are for the caller to push again, before any others.
   *
   * An error that `onFrame` throws comes out of `push`; that frame counts as delivered, and what is behind it is
   * decoded by the next `push`, `flush` or `end`.
   * @throws FramewireError with recovery `"close"`: `frame-malformed` or `frame-too-large` at the first damaged byte,
   *   and again at every later call; `connection-closed` after `end`; `failed-precondition` from inside a handler
   */
  push(chunk: Uint8Array, onFrame: FrameHandler): number {
    this.#enter();
    if (this.#ended) throw new FramewireError("connection-closed", "push after end");
    const machine = this.#machine;
    const ring = this.#ring;
    this.#bytes += chunk.length;
    if (ring.length > 0 && ring.length + chunk.length < machine.need) {
      this.#append(chunk);
      return chunk.length;
    }
    let left = 0;
    this.#busy = true;
    this.#chunk.set(chunk);
    try {
      if (ring.length === 0 || this.#runRing(chunk.length, onFrame)) {
        machine.run(this.#chunk, IN_PLACE, chunk.length, chunk.length, false, onFrame);
        if (machine.stopped) {
          left = chunk.length - machine.cursor;
          this.#bytes -= left;
        }
      }
    } finally {
      this.#keepRest();
    }
    return chunk.length - left;
  }

  /**
   * From inside `onFrame`: `push` returns behind this frame, if the rest of its chunk has not been taken yet. For a caller
   * that has to do something else before the many frames that one chunk may hold.
   */
  stop(): void {
    if (this.#busy) this.#machine.stopped = true;
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
      this.#machine.run(ring.source, ring.mask, end, end, true, onFrame);
      this.#machine.restart();
    } finally {
      this.#keepRest();
    }
  }

  /** As {@link FrameDecoder.flush}, and the end of the stream: a later `push` throws, a later `flush` or `end` does nothing. */
  end(onFrame: FrameHandler): void {
    this.flush(onFrame);
    this.#ended = true;
  }

  /** Memory that holds what is undecided, in bytes: up to twice as many as are `buffered`, once these are some. */
  get memory(): number {
    return this.#ring.memory;
  }

  /** Whether nothing of the stream is held, undecided or open, so that another stream may have its turn. */
  get clean(): boolean {
    return !this.#busy && this.#ring.length === 0 && this.#machine.clean;
  }

  /**
   * Goes on with another stream, at its offset `offset`, from where it was clean; counters other than `bytes` go on
   * counting for both. One decoder can so serve thousands of streams that are quiet most of the time.
   */
  rebind(offset: number, checksumSeed: number | undefined, minVersion: number): void {
    this.#bytes = offset;
    this.#machine.rebind(offset, checksumSeed, minVersion);
  }

  /**
   * Changes options from the next candidate on: called inside `onFrame`, for what follows that frame. An option that
   * is `undefined` stays as it is.
   * @throws FramewireError `invalid-option`
   */
  update(options: DecoderUpdate): void {
    checkUpdate?.(options);
    this.#machine.update(resolveOptions<DecoderUpdate, DecoderUpdate>({}, options));
  }

  #enter(): void {
    const { failure } = this.#machine;
    if (failure !== undefined) throw failure;
    if (this.#busy) throw new FramewireError("failed-precondition", "the decoder is reading a frame");
  }

  /** The way of a chunk that cannot decide anything. */
  #append(chunk: Uint8Array): void {
    const ring = this.#ring;
    if (chunk.length <= FEW) {
      ring.appendBytes(chunk);
    } else {
      this.#chunk.set(chunk);
      ring.append(this.#chunk, 0, chunk.length);
      this.#chunk.set();
    }
    this.#machine.rebase(ring.head);
  }

  /**
   * Feeds the ring from the chunk, of `length` bytes, no more than the candidate in it needs, until all that is undecided
   * lies in the chunk. Then drops the ring and returns true, in the chunk's coordinates; false if the whole chunk went into
   * the ring.
   */
  #runRing(length: number, onFrame: FrameHandler): boolean {
    const machine = this.#machine;
    const ring = this.#ring;
    let taken = 0;
    ring.unpark();
    for (;;) {
      const lacking = machine.need - ring.length;
      if (lacking > 0) {
        const count = Math.min(lacking, length - taken);
        ring.append(this.#chunk, taken, taken + count);
        machine.rebase(ring.head);
        taken += count;
        if (count < lacking) return false;
      }
      const end = ring.head + ring.length;
      const chunkStart = end - taken;
      machine.run(ring.source, ring.mask, end, chunkStart, false, onFrame);
      if (machine.cursor >= chunkStart) {
        ring.release();
        machine.rebase(machine.cursor - chunkStart);
        return true;
      }
      ring.drop(machine.cursor - ring.head);
      machine.rebase(ring.head);
    }
  }

  /** Leaves in the ring what is undecided, of which the end may still lie in the chunk only; also after a handler threw. */
  #keepRest(): void {
    const machine = this.#machine;
    const ring = this.#ring;
    const chunk = this.#chunk;
    if (machine.failure !== undefined) {
      ring.release();
      machine.giveUp(this.#bytes);
    }
    if (ring.length > 0) ring.drop(machine.cursor - ring.head);
    const missing = this.#bytes - machine.offset - ring.length;
    if (missing > 0) ring.hold(chunk, chunk.bytes.length - missing, chunk.bytes.length);
    else ring.shrink();
    chunk.set();
    machine.rest();
    machine.rebase(ring.head);
    machine.stopped = false;
    this.#busy = false;
  }
}
