/** `framewire/codec`: bytes to frames and back. No I/O, timer or `node:` module. Browsers get browser.ts, with the same names. */
import { CONNECTION_DEFAULTS } from "../options.js";
import { useFastWays } from "./fast.js";
import { useStrictCodec } from "./strict.js";

export type { DecoderOptions, FrameOptions, Recovery } from "../options.js";
export { crc32 } from "./crc32.js";
export type { Damage, Discard, DiscardReason, Frame, FrameInit, Trailer } from "./frame.js";
export type { DecoderStats, DecoderUpdate, FrameDecoderOptions, FrameHandler } from "./frame-decoder.js";
export { FrameDecoder } from "./frame-decoder.js";
export type { EncoderOptions, MessageEncoder } from "./frame-encoder.js";
export { encodeFrame, FrameEncoder } from "./frame-encoder.js";
export type { FrameView } from "./frame-view.js";
export { FrameDecoderStream, FrameEncoderStream } from "./streams.js";

/** The magic of frames unless configured otherwise: 0x7EDDFCF5. */
export const DEFAULT_MAGIC: number = CONNECTION_DEFAULTS.magic;

useFastWays();
useStrictCodec();
