import { Parser } from "pg-protocol/dist/parser.js";
import { repeat } from "../streams.js";
import { type Peer, Reading } from "./peer.js";

/**
 * PostgreSQL's protocol: one byte of type, four of length. CopyData is the message whose body is bytes alone, so the
 * parser does the least it can for a message: an object with a view.
 */
export const pgProtocol: Peer = {
  name: "pg-protocol Parser",
  from: "pg-protocol",
  stream: (payload, count) => {
    const header = Buffer.from([0x64, 0, 0, 0, 0]);
    header.writeUInt32BE(payload.length + 4, 1);
    return repeat(Buffer.concat([header, payload]), count);
  },
  decode: (chunks) => {
    const reading = new Reading();
    const parser = new Parser();
    const onMessage = (message: object) => {
      const { chunk } = message as { chunk: Buffer };
      reading.note(chunk.length, chunk[0]);
    };
    for (const chunk of chunks) parser.parse(chunk, onMessage);
    return reading.done();
  },
};
