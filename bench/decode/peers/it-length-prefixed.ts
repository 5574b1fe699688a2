import { decode } from "it-length-prefixed";
import { repeat, varint } from "../streams.js";
import { type Peer, Reading } from "./peer.js";

/**
 * A varint length, then the message, as libp2p frames its streams. The synchronous iterator is used, as the
 * asynchronous one only adds promises. A message is a Uint8ArrayList, which is read in place.
 */
export const itLengthPrefixed: Peer = {
  name: "it-length-prefixed",
  from: "it-length-prefixed",
  stream: (payload, count) => repeat(Buffer.concat([Buffer.from(varint(payload.length)), payload]), count),
  decode: (chunks) => {
    const reading = new Reading();
    for (const message of decode(chunks)) reading.note(message.byteLength, message.get(0));
    return reading.done();
  },
};
