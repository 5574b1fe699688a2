/** What the machine could do at best with the bytes of the version 1 stream: nothing that reads them all can be faster. */
import { crc32 } from "node:zlib";
import { PREFIX } from "./streams.js";

/** One lower bound. `frames` is only handed through, so that limits fit beside the decoders. */
export interface Limit {
  readonly name: string;
  readonly run: (chunks: readonly Buffer[], frames: number) => number;
}

const scratch = Buffer.alloc(65536);
const absent = Buffer.concat([PREFIX, Buffer.from([0xff, 0xff, 0xff, 0xff])]);

/** memcpy, a native search for bytes that never come, and the native CRC-32. */
export const LIMITS: readonly Limit[] = [
  {
    name: "limit: memcpy",
    run: (chunks, frames) => {
      for (const chunk of chunks) scratch.set(chunk);
      return frames;
    },
  },
  {
    name: "limit: indexOf",
    run: (chunks, frames) => {
      let found = 0;
      for (const chunk of chunks) if (chunk.indexOf(absent) !== -1) found++;
      return frames + found;
    },
  },
  {
    name: "limit: crc32",
    run: (chunks, frames) => {
      let crc = 0;
      for (const chunk of chunks) crc = crc32(chunk, crc);
      return crc < 0 ? -1 : frames;
    },
  },
];
