/** Decoders and encoders that go from link to link: one of thousands that are quiet most of the time holds neither. */
import type { FrameDecoder, FrameHandler } from "../codec/decoder/frame-decoder.js";
import type { FrameEncoder } from "../codec/encoder/frame-encoder.js";

/** More than this many decoders are never needed at once, unless all links are busy; then new ones are made. */
const MOST_DECODERS = 64;

/** The same of encoders, which hold nothing. A broadcast takes one for each receiver, until all of them are flushed. */
const MOST_ENCODERS = 4096;

/** A decoder, and the link that it reads for now. */
export interface PooledDecoder<Reader> {
  readonly decoder: FrameDecoder;
  /** Hands a frame to the reader. */
  readonly deliver: FrameHandler;
  reader: Reader | undefined;
}

/** What is free. Links take and give back; who finds nothing makes one. All links of a pool have the same options. */
export class CodecPool<Reader> {
  readonly decoders: PooledDecoder<Reader>[] = [];
  readonly encoders: FrameEncoder[] = [];

  giveDecoder(pooled: PooledDecoder<Reader>): void {
    pooled.reader = undefined;
    if (this.decoders.length < MOST_DECODERS) this.decoders.push(pooled);
  }

  giveEncoder(encoder: FrameEncoder): void {
    if (this.encoders.length < MOST_ENCODERS) this.encoders.push(encoder);
  }
}
