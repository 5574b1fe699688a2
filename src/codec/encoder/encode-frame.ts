/** One frame to bytes. */
import type { FrameInit } from "../frame.js";
import { type EncoderOptions, FrameEncoder } from "./frame-encoder.js";

/**
 * The bytes of one frame, freshly allocated: the caller owns them.
 * @throws FramewireError `invalid-option` for a field outside its type or a trailer field on a version 1 frame;
 *   `frame-too-large` for a payload above `maxPayload` or a trailer above `maxTrailer`
 */
export function encodeFrame(frame: FrameInit, options?: EncoderOptions): Uint8Array {
  const encoder = options === undefined ? encoderWithoutOptions() : new FrameEncoder(options);
  encoder.append(frame);
  const bytes = encoder.take();
  const own = bytes.slice();
  encoder.recycle(bytes);
  return own;
}

let withoutOptions: FrameEncoder | undefined;

/** The encoder of all single frames without options: making one takes longer than a frame. A getter of a frame may encode another frame. */
function encoderWithoutOptions(): FrameEncoder {
  if (withoutOptions?.busy === true) return new FrameEncoder();
  withoutOptions ??= new FrameEncoder();
  return withoutOptions;
}
