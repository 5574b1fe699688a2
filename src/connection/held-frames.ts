/** Frames that arrived behind a hello while the server still thinks about it. */
import { FrameDecoder } from "../codec/frame-decoder.js";
import type { FrameHandler, FrameView } from "../codec/index.js";
import type { DecoderOptions } from "../options.js";

export class HeldFrames {
  readonly #frames: Uint8Array[] = [];
  #bytes = 0;

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  keep(frame: FrameView): void {
    const bytes = frame.bytes();
    this.#frames.push(bytes);
    this.#bytes += bytes.length;
  }

  /** Shows the frames to `onFrame`, in order. `options` are those they were read with. */
  replay(options: DecoderOptions, onFrame: FrameHandler): void {
    if (this.#frames.length === 0) return;
    const decoder = new FrameDecoder(options);
    for (const bytes of this.#frames) decoder.push(bytes, onFrame);
  }
}
