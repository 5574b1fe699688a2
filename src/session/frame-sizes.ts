/** What a kept frame takes of its receiver's limits, read from the bytes that this side has written. */
import type { NegotiatedSettings } from "./negotiated-settings.js";

/** The limits of a peer that frames may be too large for. */
export type SizeLimits = Pick<NegotiatedSettings, "maxPayload" | "maxTrailer">;

/** Bytes of a frame's prefix: the field with the magic, and the tag of LEN. */
const PREFIX = 7;

/** Whether a whole frame of version 2 has a larger payload or trailer than `limits` allow. docs/wire.md section 2. */
export function isOversize(frame: Uint8Array, { maxPayload, maxTrailer }: SizeLimits): boolean {
  let p = PREFIX;
  const varint = () => {
    let value = 0;
    let scale = 1;
    let byte: number;
    do {
      byte = frame[p++] as number;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte > 0x7f);
    return value;
  };
  const length = varint();
  // The tags and values of VER and CMD.
  for (let i = 0; i < 4; i++) varint();
  if (length > 0) {
    varint();
    varint();
  }
  return length > maxPayload || frame.length - p - length > maxTrailer;
}
