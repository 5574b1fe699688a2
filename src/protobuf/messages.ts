/** Messages to bytes and back, for every codec that `handle`, `send`, `implement` and `service` take. */

import { asBytes } from "../codec/bytes.js";
import type { FrameView } from "../codec/index.js";
import type { MessageCodec } from "../protocol/definition.js";

/** A codec that ts-proto generated: it takes our writer and reader in place of its own. */
export interface TsProtoCodec extends MessageCodec {
  encode(message: unknown, writer?: unknown): { finish(): Uint8Array };
  decode(input: unknown): unknown;
  fromPartial(message: unknown): unknown;
}

/** The bytes of a message that waits to be sent, and the memory they lie in if that is to be given back behind it. */
export interface Parked {
  readonly bytes: Uint8Array;
  readonly memory?: Uint8Array;
}

/** What writes and reads messages without bytes of their own in between. in-place.ts is one; without one all goes through bytes. */
export interface InPlace {
  /** Whether it can do so with `codec`. */
  suits(codec: MessageCodec): codec is TsProtoCodec;
  /** Writes the message of `frame`, which is the session's, on `link`. */
  write(link: object, frame: object, codec: TsProtoCodec, keep: object | undefined): void;
  encode(codec: TsProtoCodec, message: unknown): Uint8Array;
  /** The same for a message that waits to be sent. */
  park(codec: TsProtoCodec, message: unknown): Parked;
  /** Takes the memory of `park` back: nobody reads it any more. */
  giveBack(memory: Uint8Array): void;
  decode(codec: TsProtoCodec, frame: FrameView): unknown;
}

/** Absent on pages: a bundler sees it and drops what nobody can come to. */
export let inPlace: InPlace | undefined;

/** Makes `provided` write and read all messages that suit it. */
export function provideInPlace(provided: InPlace): void {
  inPlace = provided;
}

/** `message` with every field that its codec wants: what ts-proto's `encode` needs and a caller may leave out. */
export function completeMessage(codec: MessageCodec, message: unknown): unknown {
  return "fromPartial" in codec ? (codec as TsProtoCodec).fromPartial(message ?? {}) : (message ?? {});
}

/**
 * Serialises `message`; fields may be left out where the codec has ts-proto's `fromPartial`. The bytes are to be written at once:
 * a codec of the application may use their memory for its next message.
 * @throws whatever the codec throws, and TypeError if it gives no bytes: a payload without a length would damage the frames after it
 */
export function encodeMessage(codec: MessageCodec, message: unknown): Uint8Array {
  const complete = completeMessage(codec, message);
  if (inPlace?.suits(codec) === true) return inPlace.encode(codec, complete);
  return finish(codec, complete);
}

/** The bytes that the codec itself gives. @throws as {@link encodeMessage} */
export function finish(codec: MessageCodec, complete: unknown): Uint8Array {
  const bytes = asBytes(codec.encode(complete).finish());
  if (bytes === undefined) throw new TypeError("the codec's encode(…).finish() must give a Uint8Array");
  return bytes;
}

/** The same for bytes that are kept: the caller owns them. @throws as {@link encodeMessage} */
export function encodeOwned(codec: MessageCodec, message: unknown): Uint8Array {
  const bytes = encodeMessage(codec, message);
  // Not by `slice`, whose result is another view of the same memory where the codec gives a Buffer.
  return inPlace?.suits(codec) === true ? bytes : new Uint8Array(bytes);
}

/** Reads the payload of a frame. The message shares no bytes with it. @throws whatever the codec throws */
export function decodeMessage(codec: MessageCodec, frame: FrameView): unknown {
  if (inPlace?.suits(codec) === true) return inPlace.decode(codec, frame);
  // A copy: a codec may leave views of what it read in the message.
  return codec.decode(frame.payload.slice());
}
