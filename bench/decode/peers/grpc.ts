import { createRequire } from "node:module";
import { repeat } from "../streams.js";
import { type Peer, Reading } from "./peer.js";

interface StreamDecoder {
  write(chunk: Buffer): Buffer[];
}
// Not part of the package's public face, so it has no import of its own; it is what a gRPC call reads its HTTP/2 data with.
const { StreamDecoder } = createRequire(import.meta.url)("@grpc/grpc-js/build/src/stream-decoder.js") as {
  StreamDecoder: new (maxReadMessageLength: number) => StreamDecoder;
};

/** gRPC: a byte that tells compression, four of length, then the message. It gives an array of messages per chunk, each copied. */
export const grpc: Peer = {
  name: "grpc-js StreamDecoder",
  from: "@grpc/grpc-js",
  stream: (payload, count) => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(payload.length, 1);
    return repeat(Buffer.concat([header, payload]), count);
  },
  decode: (chunks) => {
    const reading = new Reading();
    const decoder = new StreamDecoder(-1);
    for (const chunk of chunks) {
      for (const message of decoder.write(chunk)) reading.note(message.length, message[0]);
    }
    return reading.done();
  },
};
