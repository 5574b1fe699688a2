/** framewire's decoder, used in the ways that the tables name, each with a codec of its own. */
import type { FrameView } from "../../src/codec/index.js";
import { importInstance } from "../instances.js";
import { SEED, sessionStream, v1Stream, v2Stream } from "./streams.js";

/** One way to use the decoder, and the stream for it. */
export interface Use {
  readonly name: string;
  readonly stream: (payload: Uint8Array, count: number) => Buffer;
  readonly decode: (chunks: readonly Buffer[]) => number;
}

type Codec = typeof import("../../src/codec/index.js");

async function codecFor(use: string): Promise<Codec> {
  return (await importInstance(new URL("../../src/codec/index.js", import.meta.url), use)) as Codec;
}

const forOffsets = await codecFor("v1-offsets");
const forViews = await codecFor("v1-views");
const forChecks = await codecFor("v2-checked");
const forSessions = await codecFor("v2-session");

/** Version 1 frames: version, cmd and the payload's offsets are read. */
export const v1Offsets: Use = {
  name: "framewire v1",
  stream: v1Stream,
  decode: (chunks) => {
    let count = 0;
    let sum = 0;
    const decoder = new forOffsets.FrameDecoder({});
    const onFrame = (frame: FrameView) => {
      count++;
      sum += frame.version + frame.cmd + frame.payloadStart + frame.payloadEnd;
    };
    for (const chunk of chunks) decoder.push(chunk, onFrame);
    decoder.end(onFrame);
    return checked(count, sum);
  },
};

/** Version 1 frames, and a view of every payload is taken. */
export const v1Views: Use = {
  name: "framewire v1, payload view",
  stream: v1Stream,
  decode: (chunks) => {
    let count = 0;
    let sum = 0;
    const decoder = new forViews.FrameDecoder({});
    const onFrame = (frame: FrameView) => {
      const { payload } = frame;
      count++;
      sum += frame.version + frame.cmd + payload.length + payload[0]!;
    };
    for (const chunk of chunks) decoder.push(chunk, onFrame);
    decoder.end(onFrame);
    return checked(count, sum);
  },
};

/** Version 2 frames, every checksum verified, the guarantee in force. */
export const v2Checked: Use = {
  name: "framewire v2, CRC checked",
  stream: v2Stream,
  decode: (chunks) => {
    let count = 0;
    let sum = 0;
    const decoder = new forChecks.FrameDecoder({ minVersion: 2 });
    const onFrame = (frame: FrameView) => {
      count++;
      sum += frame.version + frame.cmd + frame.payloadStart + frame.payloadEnd;
    };
    for (const chunk of chunks) decoder.push(chunk, onFrame);
    decoder.end(onFrame);
    return checked(count, sum);
  },
};

/** Version 2 frames of a session: seeded checksum, and the trailer's sequence, ack, call and kind are read. */
export const v2Session: Use = {
  name: "framewire v2, session trailer",
  stream: sessionStream,
  decode: (chunks) => {
    let count = 0;
    let sum = 0;
    const decoder = new forSessions.FrameDecoder({ minVersion: 2, checksumSeed: SEED });
    const onFrame = (frame: FrameView) => {
      count++;
      sum += frame.version + frame.cmd + frame.payloadStart + frame.payloadEnd;
      sum += frame.sequenceNumber + frame.ackNumber + frame.callIdNumber + frame.kindNumber;
    };
    for (const chunk of chunks) decoder.push(chunk, onFrame);
    decoder.end(onFrame);
    return checked(count, sum);
  },
};

/** All of them. */
export const USES: readonly Use[] = [v1Offsets, v1Views, v2Checked, v2Session];

/** The count, unless what was read is no number: nobody may leave the reading out. */
function checked(count: number, sum: number): number {
  if (!Number.isFinite(sum)) throw new Error("a frame had nothing to read");
  return count;
}
