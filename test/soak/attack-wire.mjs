/** What both sides of an attack write. */
import { encodeFrame } from "framewire/codec";

export const ECHO = 0x0201;
export const TAKE = 0x0202;
export const LARGE = 0x0203;
export const UNKNOWN = 0x7777;
export const SEED = 1;

/** A codec whose messages are their bytes. */
export const BYTES = {
  encode: (/** @type {Uint8Array} */ bytes) => ({ finish: () => bytes }),
  decode: (/** @type {Uint8Array} */ bytes) => bytes,
};

const HELLO = 7;
export const PING = 9;
export const REQUEST = 1;

/** min_version 2, max_version 2, checksum_seed 1. */
export const hello = encodeFrame({ version: 2, cmd: 0, kind: HELLO, payload: Uint8Array.of(8, 2, 16, 2, 0x1d, SEED, 0, 0, 0) });

/** @param {object} frame */
export function seeded(frame) {
  return encodeFrame({ version: 2, cmd: 0, ...frame }, { checksumSeed: SEED });
}

/** The beginning of a frame of one GiB. */
export const gibibyte = Uint8Array.of(0x08, 0xf5, 0xf9, 0xf7, 0xf6, 0x07, 0x10, 0x80, 0x80, 0x80, 0x80, 0x04, 0x18, 2, 0x20, 1);
