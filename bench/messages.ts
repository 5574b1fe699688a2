/** The messages that the benchmarks send: the same content for every peer that has a schema, as many bytes for those that have none. */
import { type EchoRequest, EchoRequest as EchoRequestCodec } from "./gen/bench/v1/bench_service.js";

const AUTHOR = "Ada Lovelace";
const TEXT = "The engine might compose elaborate sci";
/** Serialised size of a message without attachment. */
const BARE_BYTES = 64;

/** The attachment that makes the serialised message `bytes` long; `undefined` if it is so without one. @throws Error for sizes that cannot be had. */
export function attachmentFor(bytes: number): Uint8Array | undefined {
  const room = bytes - BARE_BYTES;
  const header = room < 130 ? 2 : room < 16387 ? 3 : 4;
  const attachment = room === 0 ? undefined : new Uint8Array(room - header).fill(0xa5);
  const size = EchoRequestCodec.encode(message(0, attachment)).finish().length;
  if (size !== bytes) throw new Error(`the message has ${size} bytes, not ${bytes}`);
  return attachment;
}

/** A message. Ids cycle through the numbers that take two bytes, so that all messages are as long. */
export function message(sequence: number, attachment: Uint8Array | undefined): EchoRequest {
  return { id: 128 + (sequence & 8191), sentAtMs: 1_760_000_000_000n, author: AUTHOR, text: TEXT, attachment };
}

/** The bytes of such a message, for peers without schema. */
export function serialised(bytes: number): Buffer {
  return Buffer.from(EchoRequestCodec.encode(message(0, attachmentFor(bytes))).finish());
}

/** What a typed peer answers with. */
type Reply = Pick<EchoRequest, "id" | "attachment">;

/** A lane of the echo benchmark for calls that give a promise. Wrong answers end the process. */
export function typedLane(echo: (request: EchoRequest) => Promise<Reply>, replied: () => void) {
  let attachment: Uint8Array | undefined;
  let sequence = 0;
  const call = async () => {
    const request = message(sequence++, attachment);
    const reply = await echo(request);
    if (reply.id !== request.id || reply.attachment?.length !== attachment?.length) throw new Error("the answer is not what was sent");
    replied();
  };
  const failed = (error: unknown) => {
    console.error(error);
    process.exit(1);
  };
  return {
    prepare: (bytes: number) => {
      attachment = attachmentFor(bytes);
    },
    send: () => void call().catch(failed),
  };
}
