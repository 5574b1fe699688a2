/** Messages to bytes and back, for every codec that `handle`, `send`, `implement` and `service` take. */
import { type FrameView, MessageWriter } from "../codec/index.js";
import type { MessageCodec } from "./definition.js";
import { readerOver } from "./message-reader.js";

/** A codec that ts-proto generated: it takes our writer and reader in place of its own. */
export interface TsProtoCodec extends MessageCodec {
  encode(message: unknown, writer?: unknown): { finish(): Uint8Array };
  decode(input: unknown): unknown;
  fromPartial(message: unknown): unknown;
}

const verdicts = new WeakMap<object, boolean>();

/** A field that no message has: number 536870911, varint 0. */
const UNKNOWN_FIELD = Uint8Array.of(0xf8, 0xff, 0xff, 0xff, 0x0f, 0);

const writer = new MessageWriter();

/**
 * Whether `codec` is one of ts-proto 2, and so reads with the reader it is given. Others look alike (ts-proto 1, cosmos
 * tools) but put a reader of their own around whatever they get: they are known by our reader standing still.
 */
export function isTsProto(codec: MessageCodec): codec is TsProtoCodec {
  let verdict = verdicts.get(codec);
  if (verdict === undefined) verdicts.set(codec, (verdict = "fromPartial" in codec && readsWithOurs(codec)));
  return verdict;
}

function readsWithOurs(codec: MessageCodec): boolean {
  try {
    const reader = readerOver(UNKNOWN_FIELD, 0, UNKNOWN_FIELD.length);
    (codec as TsProtoCodec).decode(reader);
    return reader.pos === UNKNOWN_FIELD.length;
  } catch {
    return false;
  }
}

/** `message` with every field that its codec wants: what ts-proto's `encode` needs and a caller may leave out. */
export function completeMessage(codec: MessageCodec, message: unknown): unknown {
  return "fromPartial" in codec ? (codec as TsProtoCodec).fromPartial(message ?? {}) : (message ?? {});
}

/** Serialises `message`; fields may be left out where the codec has ts-proto's `fromPartial`. The bytes belong to the caller. */
export function encodeMessage(codec: MessageCodec, message: unknown): Uint8Array {
  const complete = completeMessage(codec, message);
  if (!isTsProto(codec)) return codec.encode(complete).finish();
  writer.begin(writer.buffer, 0);
  codec.encode(complete, writer);
  return writer.finish();
}

/** Reads the payload of a frame. The message shares no bytes with it. @throws whatever the codec throws */
export function decodeMessage(codec: MessageCodec, frame: FrameView): unknown {
  if (isTsProto(codec)) return codec.decode(readerOver(frame.buffer, frame.payloadStart, frame.payloadEnd));
  // Any other codec may leave views of what it read in the message.
  return codec.decode(Uint8Array.prototype.slice.call(frame.buffer, frame.payloadStart, frame.payloadEnd));
}
