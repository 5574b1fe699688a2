/** Which options decoders and encoders have, for Node's builds: a page does without the lists. */
import { useFullErrors } from "../errors.js";
import { useNearestNames } from "../nearest.js";
import { checkNames } from "../options.js";
import { type DecoderUpdate, type FrameDecoderOptions, provideDecoderChecks } from "./decoder/frame-decoder.js";
import { type EncoderOptions, provideEncoderCheck } from "./encoder/frame-encoder.js";

const ENCODER_OPTIONS = { magic: 0, maxPayload: 0, maxTrailer: 0, checksumSeed: 0 } satisfies Record<keyof EncoderOptions, 0>;

const DECODER_OPTIONS = {
  ...ENCODER_OPTIONS,
  minVersion: 0,
  recovery: 0,
  onDamage: 0,
  onDiscard: 0,
} satisfies Record<keyof FrameDecoderOptions, 0>;

const UPDATES = { checksumSeed: 0, minVersion: 0, maxPayload: 0 } satisfies Record<keyof DecoderUpdate, 0>;

/** From here on an unknown option of a decoder or an encoder is `invalid-option`, with the nearest right name, and errors tell all they can. */
export function useStrictCodec(): void {
  useNearestNames();
  useFullErrors();
  provideDecoderChecks(
    (options) => checkNames("FrameDecoder", options, DECODER_OPTIONS),
    (options) => checkNames("FrameDecoder.update", options, UPDATES),
  );
  provideEncoderCheck((options) => checkNames("FrameEncoder", options, ENCODER_OPTIONS));
}
