/** Frames to bytes, many into one buffer. The writing rules are in docs/wire.md section 2: ascending fields, minimal varints, zeros written. */
import { FramewireError } from "../../errors.js";
import { CONNECTION_DEFAULTS, type FrameOptions, resolveOptions } from "../../options.js";
import { uint32Size } from "../../protocol/varint.js";
import { asBytes, copyInto } from "../bytes.js";
import { crcOfSeed, crcUpdate } from "../checksum/crc32.js";
import { prefixFor } from "../decoder/sync-prefix.js";
import type { FrameInit } from "../frame.js";
import { checkHead, fixedSize, MAX_HEAD, writeFixed, writePayloadLength } from "./head-writer.js";
import type { InPlaceWriter, MessageEncoder } from "./message-encoder.js";
import { CHECKSUM_LENGTH, refuseTrailer, trailerSize, writeChecksum, writeTrailer } from "./trailer-writer.js";
import { WriteBlock } from "./write-block.js";

/** Options of the frame writers. */
export interface EncoderOptions extends FrameOptions {
  /** Largest trailer of a version 2 frame, as the receiver's `maxTrailer`. Default 1 KiB. */
  readonly maxTrailer?: number;
  /** Seed of the checksums (docs/wire.md section 3), an unsigned 32-bit integer. Default: none. */
  readonly checksumSeed?: number | undefined;
}

/** Is shown the bytes of a frame, which it must copy if it keeps them. */
export interface ByteSink {
  add(buffer: Uint8Array, start: number, end: number): void;
}

/** A frame without its trailer, whose bytes go to many receivers. */
interface FrameWithoutTrailer {
  readonly bytes: Uint8Array;
  /** The CRC of a seed and these bytes, from the CRC of the seed. */
  crcAfter(seedCrc: number): number;
}

/** Least and most room for a message whose size is not known yet: as much as the last one took, and an eighth. */
const MIN_ROOM = 512;
const MAX_ROOM = 64 * 1024;

/** The writer of all encoders; a message that is encoded while another one is gets a writer of its own. Absent on pages, which save its size. */
let sharedWriter: InPlaceWriter | undefined;

/** Makes `appendMessage` write messages with `provided`, straight into their place. */
export function provideMessageWriter(provided: InPlaceWriter): void {
  sharedWriter = provided;
}

/** Refuses options that no encoder has. Absent on pages, which save its size. */
let checkOptions: ((options: object) => void) | undefined;

export function provideEncoderCheck(provided: typeof checkOptions): void {
  checkOptions = provided;
}

const EMPTY = new Uint8Array(0);

const { magic, maxPayload, maxTrailer } = CONNECTION_DEFAULTS;
const ENCODER_DEFAULTS = { magic, maxPayload, maxTrailer } as const;

/** Writes many frames into one growing buffer; `take` gives all bytes since the last time, for one write to the socket. */
export class FrameEncoder {
  readonly #prefix: Uint8Array;
  #maxPayload: number;
  #maxTrailer: number;
  #seed: number | undefined;
  #seedCrc: number;
  #block: WriteBlock | undefined;
  /** The memory of the block. */
  #bytes: Uint8Array = EMPTY;
  /** Bytes of the last message: the guess for the next one. */
  #lastMessage = 0;
  /** Where the bytes not yet taken begin and end, and where the room for more ends. */
  #start = 0;
  #end = 0;
  #limit = 0;
  /** A frame is being written. */
  #busy = false;
  /** The bytes last taken, and where they lie. */
  #taken: Uint8Array = EMPTY;
  #takenFrom: WriteBlock | undefined;

  /** @throws FramewireError `invalid-option` */
  constructor(options: EncoderOptions = {}) {
    checkOptions?.(options);
    const { magic, maxPayload, maxTrailer, checksumSeed } = resolveOptions<typeof ENCODER_DEFAULTS, EncoderOptions>(
      ENCODER_DEFAULTS,
      options,
    );
    this.#prefix = prefixFor(magic).bytes;
    this.#maxPayload = maxPayload;
    this.#maxTrailer = maxTrailer;
    this.#seed = checksumSeed;
    this.#seedCrc = crcOfSeed(checksumSeed);
  }

  /** Seed of the checksums of the frames appended from now on. */
  get checksumSeed(): number | undefined {
    return this.#seed;
  }

  set checksumSeed(seed: number | undefined) {
    resolveOptions({}, { checksumSeed: seed });
    this.#seed = seed;
    this.#seedCrc = crcOfSeed(seed);
  }

  /** Largest payload of the frames appended from now on: what their receiver takes. */
  set maxPayload(bytes: number) {
    resolveOptions({}, { maxPayload: bytes });
    this.#maxPayload = bytes;
  }

  /** Goes on for another receiver, once all is taken. The values have been checked. */
  rebind(checksumSeed: number | undefined, maxPayload: number, maxTrailer: number): void {
    this.#seed = checksumSeed;
    this.#seedCrc = crcOfSeed(checksumSeed);
    this.#maxPayload = maxPayload;
    this.#maxTrailer = maxTrailer;
  }

  /** Whether a frame is being written: only its own getters and codec can see that. Until then this encoder takes no other frame. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Bytes of the last message. */
  get lastMessage(): number {
    return this.#lastMessage;
  }

  /** Writes into `memory` until the next `take`, once all is taken: a message of about `size` bytes. What does not fit goes elsewhere. */
  writeTo(memory: Uint8Array, size: number): void {
    this.#block = WriteBlock.of(memory, true);
    this.#bytes = memory;
    this.#start = this.#end = this.#block.allocate(memory.length);
    this.#limit = memory.length;
    this.#lastMessage = size;
  }

  /** Bytes appended since the last `take`. */
  get length(): number {
    return this.#end - this.#start;
  }

  /**
   * Writes `frame` behind those before it. Its bytes are copied. After an error nothing of it is written.
   * @throws FramewireError as {@link encodeFrame}; `failed-precondition` from inside a getter of a frame that is being written
   */
  append(frame: FrameInit): void {
    const { payload, cmd, version } = frame;
    const length = payload === undefined ? 0 : payload.length;
    if (length > this.#maxPayload) tooLarge("payload", length, "maxPayload", this.#maxPayload);
    checkHead(version, cmd);
    const trailer = version === undefined || version === 1 ? refuseTrailer(frame) : this.#trailerSize(frame);
    this.#begin();
    const before = this.length;
    try {
      this.#reserve(MAX_HEAD + length + trailer);
      const start = this.#end;
      this.#writeHead(version, cmd, payload);
      if (trailer > 0) this.#seal(frame, crcUpdate(this.#bytes, start, this.#end, this.#seedCrc));
    } catch (error) {
      this.#end = this.#start + before;
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** Writes a shared frame of version 2 and above with the trailer fields of `trailer`. Its bytes are copied. @throws FramewireError as {@link encodeFrame} */
  appendShared(shared: FrameWithoutTrailer, trailer: FrameInit): void {
    const size = this.#trailerSize(trailer);
    this.#refuseBusy();
    this.#reserve(shared.bytes.length + size);
    copyInto(shared.bytes, this.#bytes, this.#end);
    this.#end += shared.bytes.length;
    this.#seal(trailer, shared.crcAfter(this.#seedCrc));
  }

  #writeHead(version: number | undefined, cmd: number, payload: Uint8Array | undefined): void {
    const bytes = this.#bytes;
    const p = writeFixed(bytes, this.#end, this.#prefix, version, cmd, payload === undefined ? 0 : payload.length);
    if (payload === undefined) {
      this.#end = p;
      return;
    }
    const at = writePayloadLength(bytes, p, payload.length);
    copyInto(payload, bytes, at);
    this.#end = at + payload.length;
  }

  /** Writes the trailer; `headCrc` is the CRC of the seed and the frame up to it. */
  #seal(frame: FrameInit, headCrc: number): void {
    const bytes = this.#bytes;
    const start = this.#end;
    const p = writeTrailer(bytes, start, frame);
    this.#end = writeChecksum(bytes, p, crcUpdate(bytes, start, p, headCrc));
  }

  /**
   * Writes a frame whose payload is `message`, encoded straight into its place on Node. After an error nothing of it is written.
   * @throws FramewireError as {@link encodeFrame}; whatever `codec` throws; `failed-precondition` from inside a getter of a message that
   *   this encoder is writing; TypeError if the codec uses a writer of its own and `inPlaceOnly` is set
   */
  appendMessage<T>(frame: FrameInit, codec: MessageEncoder<T>, message: T, inPlaceOnly = false): void {
    if (sharedWriter === undefined) return this.append({ ...frame, payload: codec.encode(message).finish() });
    this.#begin();
    const before = this.length;
    const writer = sharedWriter.acquire();
    let elsewhere: Uint8Array | undefined;
    try {
      elsewhere = this.#appendMessage(frame, codec, message, writer);
      if (inPlaceOnly && elsewhere !== undefined) throw new TypeError("the codec used a writer of its own");
    } catch (error) {
      this.#end = this.#start + before;
      throw error;
    } finally {
      writer.busy = false;
      this.#busy = false;
    }
    if (elsewhere !== undefined) this.append({ ...frame, payload: elsewhere });
  }

  /** The bytes of the message, and no frame, if the codec used a writer of its own. */
  #appendMessage<T>(frame: FrameInit, codec: MessageEncoder<T>, message: T, writer: InPlaceWriter): Uint8Array | undefined {
    const { cmd, version } = frame;
    checkHead(version, cmd);
    const trailer = version === undefined || version === 1 ? refuseTrailer(frame) : this.#trailerSize(frame);
    // The head's two lengths, LEN and N, are those of the payload.
    const fixed = fixedSize(version, cmd);
    const guess = uint32Size(this.#lastMessage);
    const room = Math.min(MAX_ROOM, Math.max(MIN_ROOM, this.#lastMessage + (this.#lastMessage >>> 3)));
    this.#reserve(fixed + 2 * guess + room + trailer);

    const start = this.#end;
    const at = start + fixed + 2 * guess;
    writer.begin(this.#bytes, at, this.#limit);
    const written: { finish(): Uint8Array } = codec.encode(message, writer as never);
    if (written !== writer) return asBytes(written.finish()) ?? noBytes();
    const length = writer.position - at;
    if (length > this.#maxPayload) tooLarge("payload", length, "maxPayload", this.#maxPayload);
    const size = uint32Size(length);
    this.#lastMessage = length;
    writer.reserve(2 * (size - guess) + trailer);
    if (writer.buffer !== this.#bytes) this.#moveTo(WriteBlock.of(writer.buffer));
    if (size !== guess) this.#bytes.copyWithin(start + fixed + 2 * size, at, at + length);

    const bytes = this.#bytes;
    this.#end = writePayloadLength(bytes, writeFixed(bytes, start, this.#prefix, version, cmd, length), length) + length;
    if (trailer > 0) this.#seal(frame, crcUpdate(bytes, start, this.#end, this.#seedCrc));
    return undefined;
  }

  /** Writes a frame that is encoded already. Its bytes are copied. */
  appendEncoded(frame: Uint8Array): void {
    this.#refuseBusy();
    this.#reserve(frame.length);
    copyInto(frame, this.#bytes, this.#end);
    this.#end += frame.length;
  }

  /** Shows `sink` what was appended since {@link FrameEncoder.length} was `length`: bytes that it must copy. */
  show(length: number, sink: ByteSink): void {
    sink.add(this.#bytes, this.#start + length, this.#end);
  }

  /** The bytes appended since the last time. They are the caller's: nobody writes there again, unless `recycle` is called. */
  take(): Uint8Array {
    this.#refuseBusy();
    const bytes = this.#bytes.subarray(this.#start, this.#end);
    this.#block?.shorten(this.#limit, this.#end);
    this.#taken = bytes;
    this.#takenFrom = this.#block;
    this.#block = undefined;
    this.#bytes = EMPTY;
    this.#start = this.#end = this.#limit = 0;
    return bytes;
  }

  /** `bytes`, if they are those last taken, are needed no longer: their memory may be written to again. */
  recycle(bytes: Uint8Array): void {
    this.retain(bytes)?.release();
  }

  /** The block that holds `bytes`, if they are those last taken and still needed. Its `release` is to be called when they are not. */
  retain(bytes: Uint8Array): WriteBlock | undefined {
    if (bytes !== this.#taken) return undefined;
    const block = this.#takenFrom;
    this.#taken = EMPTY;
    this.#takenFrom = undefined;
    return block;
  }

  #begin(): void {
    this.#refuseBusy();
    this.#busy = true;
  }

  #refuseBusy(): void {
    if (this.#busy) throw new FramewireError("failed-precondition", "the encoder is writing a frame");
  }

  /** Makes room for `count` more bytes, moving those not yet taken if need be. */
  #reserve(count: number): void {
    if (this.#end + count > this.#limit) this.#makeRoom(count);
  }

  #makeRoom(count: number): void {
    const pending = this.#end - this.#start;
    // Twice what is there, so that what is moved often is moved seldom.
    const room = pending + Math.max(count, pending);
    if (this.#block?.extend(this.#limit, this.#start + room) === true) {
      this.#limit = this.#start + room;
      return;
    }
    const block = WriteBlock.withRoom(room);
    const start = block.allocate(room);
    if (pending > 0) block.bytes.set(this.#bytes.subarray(this.#start, this.#end), start);
    this.#block?.release();
    this.#block = block;
    this.#bytes = block.bytes;
    this.#start = start;
    this.#end = start + pending;
    this.#limit = start + room;
  }

  /** Bytes of the trailer with its checksum. */
  #trailerSize(frame: FrameInit): number {
    const size = trailerSize(frame) + CHECKSUM_LENGTH;
    if (size > this.#maxTrailer) tooLarge("trailer", size, "maxTrailer", this.#maxTrailer);
    return size;
  }

  /** Goes on at the same place of another block. */
  #moveTo(block: WriteBlock): void {
    this.#block?.release();
    this.#block = block;
    this.#bytes = block.bytes;
    block.allocate(block.bytes.length);
    this.#limit = block.bytes.length;
  }
}

function noBytes(): never {
  throw new TypeError("the codec's encode(…).finish() must give a Uint8Array");
}

function tooLarge(what: string, size: number, option: string, limit: number): never {
  throw new FramewireError("frame-too-large", `${what} of ${size} bytes; ${option} is ${limit}`);
}
