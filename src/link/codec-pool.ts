/** Decoders and encoders that links share: of thousands of links, one that is quiet at the moment holds neither. */
import type { FrameDecoder, FrameHandler } from "../codec/decoder/frame-decoder.js";
import type { FrameEncoder } from "../codec/encoder/frame-encoder.js";

/** Decoders that are kept. More are needed at once only if very many links are busy; then new ones are made. */
const MAX_DECODERS = 64;

/** Encoders that are kept; a free one holds no memory. A broadcast takes one for each receiver, until all of them are flushed. */
const MAX_ENCODERS = 4096;

/** A decoder, and the reader that uses it now. */
export interface PooledDecoder<Reader> {
  readonly decoder: FrameDecoder;
  /** Hands a frame to the reader. */
  readonly deliver: FrameHandler;
  reader: Reader | undefined;
}

/** The free ones. A link that finds none makes one. All links of a pool have the same options. */
export class CodecPool<Reader> {
  readonly decoders: PooledDecoder<Reader>[] = [];
  readonly encoders: FrameEncoder[] = [];

  giveDecoder(pooled: PooledDecoder<Reader>): void {
    pooled.reader = undefined;
    if (this.decoders.length < MAX_DECODERS) this.decoders.push(pooled);
  }

  giveEncoder(encoder: FrameEncoder): void {
    if (this.encoders.length < MAX_ENCODERS) this.encoders.push(encoder);
  }
}
