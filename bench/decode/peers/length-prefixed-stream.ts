import { decode } from "length-prefixed-stream";
import { repeat, varint } from "../streams.js";
import { type Peer, Reading } from "./peer.js";
import { pump } from "./pump.js";

/** A varint length, then the message. A Node Transform; a message within one chunk is a view of it. */
export const lengthPrefixedStream: Peer = {
  name: "length-prefixed-stream",
  from: "length-prefixed-stream",
  stream: (payload, count) => repeat(Buffer.concat([Buffer.from(varint(payload.length)), payload]), count),
  decode: async (chunks) => {
    const reading = new Reading();
    const stream = decode();
    stream.on("data", (message: Buffer) => reading.note(message.length, message[0]));
    const ended = new Promise((resolve) => stream.once("end", resolve));
    await pump(stream, chunks);
    stream.end();
    await ended;
    return reading.done();
  },
};
