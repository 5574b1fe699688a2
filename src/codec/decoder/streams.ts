/** The codec as Web TransformStreams, for `readable.pipeThrough(…)`. https://streams.spec.whatwg.org/#ts-model */

import { type EncoderOptions, FrameEncoder } from "../encoder/frame-encoder.js";
import type { Frame, FrameInit } from "../frame.js";
import { FrameDecoder, type FrameDecoderOptions } from "./frame-decoder.js";

/**
 * Chunks in, frames out. Each frame is a copy that owns its bytes; chunks are cut anywhere. The end of the readable side
 * resolves what is undecided, as {@link FrameDecoder.end} does. With recovery `"close"` damage errors the stream,
 * behind the good frames before it.
 */
export class FrameDecoderStream extends TransformStream<Uint8Array, Frame> {
  /** @throws FramewireError `invalid-option` */
  constructor(options: FrameDecoderOptions = {}) {
    const decoder = new FrameDecoder(options);
    super({
      transform(chunk, controller) {
        decoder.push(chunk, (frame) => controller.enqueue(frame.copy()));
      },
      flush(controller) {
        decoder.end((frame) => controller.enqueue(frame.copy()));
      },
    });
  }
}

/** Frames in, their bytes out, one chunk each. A frame that cannot be written errors the stream. */
export class FrameEncoderStream extends TransformStream<FrameInit, Uint8Array> {
  /** @throws FramewireError `invalid-option` */
  constructor(options: EncoderOptions = {}) {
    const encoder = new FrameEncoder(options);
    super({
      transform(frame, controller) {
        encoder.append(frame);
        // A copy: whoever gets a chunk may transfer its buffer, which the encoder shares.
        controller.enqueue(encoder.take().slice());
      },
    });
  }
}
