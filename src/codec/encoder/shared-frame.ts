/** The part of a frame that is the same for all its receivers: encoded once, sealed for each of them. */
import { crcUpdate } from "../checksum/crc32.js";
import { multiply, powerOfBytes } from "../checksum/gf2.js";
import { encodeFrame } from "./encode-frame.js";
import { CHECKSUM_LENGTH } from "./trailer-writer.js";

/** A frame without trailer, to be sent to many by `FrameEncoder.appendShared`. */
export class SharedFrame {
  /** From the prefix to the end of the payload. */
  readonly bytes: Uint8Array;
  readonly #crc: number;
  readonly #power: number;

  /** `version` 1 gives whole frames, 2 and above frames that lack their trailer. @throws FramewireError as `encodeFrame` */
  constructor(
    frame: { readonly version: number; readonly cmd: number; readonly payload: Uint8Array },
    options: { readonly magic: number },
  ) {
    const { version, cmd, payload } = frame;
    const whole = encodeFrame({ version: version === 1 ? undefined : version, cmd, payload }, { ...options, maxPayload: payload.length });
    this.bytes = version === 1 ? whole : whole.subarray(0, -CHECKSUM_LENGTH);
    this.#crc = crcUpdate(this.bytes, 0, this.bytes.length, 0);
    this.#power = powerOfBytes(this.bytes.length);
  }

  /** The CRC of a sender's seed and these bytes, from the CRC of the seed alone: the bytes are not read again. */
  crcAfter(seedCrc: number): number {
    return multiply(seedCrc, this.#power) ^ this.#crc;
  }
}
