/** `framewire/codec`: bytes to frames and back. No I/O, timer or `node:` module. Browsers get browser.ts, with the same names. */

import { useFastWays } from "../accel/codec.js";
import { CONNECTION_DEFAULTS } from "../options.js";
import { useStrictCodec } from "./strict.js";

export type { DecoderOptions, FrameOptions, Recovery } from "../options.js";
export { crc32 } from "./checksum/crc32.js";
export type { DecoderStats, DecoderUpdate, FrameDecoderOptions, FrameHandler } from "./decoder/frame-decoder.js";
export { FrameDecoder } from "./decoder/frame-decoder.js";
export type { FrameView } from "./decoder/frame-view.js";
export { FrameDecoderStream, FrameEncoderStream } from "./decoder/streams.js";
export { encodeFrame } from "./encoder/encode-frame.js";
export type { EncoderOptions } from "./encoder/frame-encoder.js";
export { FrameEncoder } from "./encoder/frame-encoder.js";
export type { MessageEncoder } from "./encoder/message-encoder.js";
export type { Damage, Discard, DiscardReason, Frame, FrameInit, Trailer } from "./frame.js";

/** The magic of frames unless configured otherwise: 0x7EDDFCF5. */
export const DEFAULT_MAGIC: number = CONNECTION_DEFAULTS.magic;

useFastWays();
useStrictCodec();
