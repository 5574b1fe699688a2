/**
 * Messages written and read where they lie, without a buffer of their own: for codecs that ts-proto generated, several
 * times as fast as through bytes; and large frames in memory of their own. Node's entries put both in place; a page does without and carries less.
 */

import { FramewireError } from "../errors.js";
import { encodeApart, LEAST_APART, MOST_APART } from "../link/large-frame.js";
import { LendingWriter, provideApart } from "../link/lending-writer.js";
import type { Link } from "../link/link.js";
import { type Keeper, provideLinkWriter } from "../link/link-writer.js";
import { acquireReader } from "../protobuf/message-reader.js";
import { MessageWriter } from "../protobuf/message-writer.js";
import { finish, type Parked, provideInPlace, type TsProtoCodec } from "../protobuf/messages.js";
import { reportSecondCopy, usesSecondCopy } from "../protobuf/second-copy.js";
import type { MessageCodec } from "../protocol/definition.js";
import { giveSpare, LEAST_SPARE, takeSpare } from "../runtime/spare-memory.js";
import type { Outgoing } from "../session/outgoing.js";
import { useFastWays } from "./codec.js";

const verdicts = new WeakMap<object, boolean>();

/** A field that no message has: number 536870911, varint 0. */
const UNKNOWN_FIELD = Uint8Array.of(0xf8, 0xff, 0xff, 0xff, 0x0f, 0);

/** Writes messages that get bytes of their own. */
const sharedWriter = new MessageWriter();

/**
 * Whether `codec` is one of ts-proto 2, and so reads with the reader and writes with the writer that it is given. Others look alike
 * (ts-proto 1, cosmos tools, an application's codec around a generated one) but use a reader or writer of their own: they are known by ours
 * standing still, and by a `decode` that takes one argument.
 */
export function isTsProto(codec: MessageCodec): codec is TsProtoCodec {
  let verdict = verdicts.get(codec);
  if (verdict === undefined) verdicts.set(codec, (verdict = "fromPartial" in codec && takesOurs(codec as TsProtoCodec)));
  return verdict;
}

function takesOurs(codec: TsProtoCodec): boolean {
  if (!readsWithOurs(codec)) {
    if (usesSecondCopy(codec)) reportSecondCopy();
    return false;
  }
  return writesWithOurs(codec);
}

function readsWithOurs(codec: MessageCodec): boolean {
  if (codec.decode.length < 2) return false;
  try {
    const reader = acquireReader(UNKNOWN_FIELD, 0, UNKNOWN_FIELD.length);
    try {
      (codec as TsProtoCodec).decode(reader);
      return reader.pos === UNKNOWN_FIELD.length;
    } finally {
      reader.busy = false;
    }
  } catch {
    return false;
  }
}

function writesWithOurs(codec: MessageCodec): boolean {
  const { fromPartial } = codec as TsProtoCodec;
  try {
    return withWritten(codec as TsProtoCodec, fromPartial.call(codec, {}), () => true) === true;
  } catch {
    return false;
  }
}

/** What `take` makes of the writer with the message in it; `undefined` for a message with values that only the codec's own writer takes, or refuses. */
function withWritten<T>(codec: TsProtoCodec, message: unknown, take: (writer: MessageWriter) => T): T | undefined {
  const writer = sharedWriter.acquire();
  try {
    writer.begin(writer.buffer, 0);
    // A codec may choose to write some messages elsewhere.
    return (codec.encode(message, writer) as unknown) === writer ? take(writer) : undefined;
  } catch {
    return undefined;
  } finally {
    writer.busy = false;
  }
}

/** The bytes of a message that has to wait: long ones in memory on loan. */
function parked(writer: MessageWriter): Parked {
  const length = writer.position;
  if (length < LEAST_SPARE) return { bytes: writer.finish() };
  const memory = takeSpare(length);
  const bytes = memory.subarray(0, length);
  bytes.set(writer.buffer.subarray(0, length));
  return { bytes, memory };
}

/** Types of which a message has lacked fields. */
const partial = new WeakSet<TsProtoCodec>();

/**
 * Most messages have every field that ts-proto's `encode` wants and are written as they are. From one that lacks some the writer
 * throws; then, and from then on for its type, a complete copy is written. What that writer does not take, the codec's own does or refuses.
 */
function writeInPlace(link: Link, frame: Outgoing, codec: TsProtoCodec, keep: Keeper | undefined): void {
  const message = frame.message ?? {};
  if (!partial.has(codec)) {
    try {
      return link.writeMessage(frame, codec, message, keep);
    } catch (error) {
      if (error instanceof FramewireError) throw error;
    }
  }
  const complete = codec.fromPartial(message);
  try {
    link.writeMessage(frame, codec, complete, keep);
    partial.add(codec);
  } catch (error) {
    if (error instanceof FramewireError) throw error;
    frame.settleTo(finish(codec, complete));
    link.write(frame, keep);
  }
}

/** From here on messages of this process are written and read in place, large frames in memory of their own, and all frames the fast ways. */
export function useInPlace(): void {
  useFastWays();
  provideLinkWriter(LendingWriter);
  provideApart({ encode: encodeApart, least: LEAST_APART, most: MOST_APART });
  provideInPlace({
    suits: isTsProto,
    write: writeInPlace,
    encode(codec, message) {
      return withWritten(codec, message, (writer) => writer.finish()) ?? finish(codec, message);
    },
    park(codec, message) {
      return withWritten(codec, message, parked) ?? { bytes: new Uint8Array(finish(codec, message)) };
    },
    giveBack: giveSpare,
    decode(codec, { buffer, payloadStart, payloadEnd }) {
      const reader = acquireReader(buffer, payloadStart, payloadEnd);
      try {
        return codec.decode(reader);
      } finally {
        reader.busy = false;
      }
    },
  });
}
