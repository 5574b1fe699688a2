/** Reads a stream of chunks with the decoder, chunk by chunk, and hands on what it finds. */

import type { Discard, DiscardReason } from "../codec/frame.js";
import { FrameDecoder, type FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import type { DecoderOptions } from "../options.js";
import { type Opening, openingOf } from "./opening.js";
import type { DecodedMessage, Schema } from "./schema.js";

/** How to read the stream. */
export interface StreamSettings {
  /** Only what the user gave: what is absent follows the stream's opening frame. */
  readonly decoder: DecoderOptions;
  /** Whether to stop at the first gap. */
  readonly strict: boolean;
  /** Types of the payloads, if known. */
  readonly schema?: Schema | undefined;
}

/** Who is told what the stream holds, in stream order. */
export interface StreamSink {
  /** A frame; it is valid during the call only. */
  readonly frame: (frame: FrameView, message: DecodedMessage | undefined) => void;
  readonly gap: (gap: Discard) => void;
  /** Called after each chunk, and once after the last. Reading goes on when it is done, and ends if it gives `false`. */
  readonly chunk: (soFar: StreamResult) => Promise<boolean>;
}

/** What the stream held. */
export interface StreamResult {
  readonly bytes: number;
  readonly frames: number;
  readonly gaps: number;
  readonly gapBytes: number;
  /** Gaps by reason. */
  readonly reasons: ReadonlyMap<DiscardReason, number>;
  /** Why the decoder gave the stream up, with `recovery: "close"`. */
  readonly refused?: FramewireError;
}

/**
 * Decodes `input` to its end, to the first gap (`strict`), or until the sink wants no more.
 * @throws FramewireError `invalid-option` for decoder options out of range; errors of the input and of the sink.
 */
export async function decodeStream(
  input: AsyncIterable<Uint8Array>,
  { decoder: given, strict, schema }: StreamSettings,
  sink: StreamSink,
): Promise<StreamResult> {
  const reasons = new Map<DiscardReason, number>();
  let result: StreamResult = { bytes: 0, frames: 0, gaps: 0, gapBytes: 0, reasons };
  let opening: Opening | undefined;
  let stopped = false;

  const onDiscard = (gap: Discard) => {
    if (stopped) return;
    // One push can report more after this; a strict reader has seen enough.
    stopped = strict;
    reasons.set(gap.reason, (reasons.get(gap.reason) ?? 0) + 1);
    result = { ...result, gaps: result.gaps + 1, gapBytes: result.gapBytes + gap.end - gap.start };
    sink.gap(gap);
  };
  const onFrame = (frame: FrameView) => {
    if (stopped) return;
    if (opening === undefined) {
      opening = openingOf(frame);
      if (opening !== undefined) {
        decoder.update({
          ...(given.checksumSeed === undefined ? { checksumSeed: opening.checksumSeed } : {}),
          ...(given.minVersion === undefined ? { minVersion: 2 } : {}),
        });
      }
    }
    result = { ...result, frames: result.frames + 1 };
    sink.frame(frame, schema?.decode(frame, opening?.side));
  };
  const decoder = new FrameDecoder({ ...given, onDiscard });

  try {
    for await (const chunk of input) {
      result = { ...result, bytes: result.bytes + chunk.length };
      decoder.push(chunk, onFrame);
      if (!(await sink.chunk(result)) || stopped) return result;
    }
    decoder.end(onFrame);
  } catch (error) {
    if (!(error instanceof FramewireError) || !isRefusal(error)) throw error;
    result = { ...result, refused: error };
  }
  await sink.chunk(result);
  return result;
}

function isRefusal({ code }: FramewireError): boolean {
  return code === "frame-malformed" || code === "frame-too-large";
}
