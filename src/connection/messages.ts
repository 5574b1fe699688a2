/** Messages to bytes, for every codec that `handle`, `send`, `implement` and `service` take. */
import type { MessageCodec } from "./definition.js";

interface PartialCodec extends MessageCodec {
  fromPartial(message: unknown): unknown;
}

/** Serialises `message`; fields may be left out where the codec has ts-proto's `fromPartial`. The bytes belong to the caller. */
export function encodeMessage(codec: MessageCodec, message: unknown): Uint8Array {
  const whole = "fromPartial" in codec ? (codec as PartialCodec).fromPartial(message ?? {}) : (message ?? {});
  return codec.encode(whole).finish();
}
