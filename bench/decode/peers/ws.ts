import type { Writable } from "node:stream";
import * as ws from "ws";
import { repeat } from "../streams.js";
import { type Peer, Reading } from "./peer.js";
import { pump } from "./pump.js";

// Exported by the package, but missing in its types.
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** WebSocket as a client receives it: unmasked binary messages of one frame. A server's side would unmask as well. */
export const webSocket: Peer = {
  name: "ws Receiver",
  from: "ws",
  stream: (payload, count) => repeat(Buffer.concat([header(payload.length), payload]), count),
  decode: async (chunks) => {
    const reading = new Reading();
    const receiver = new Receiver({ isServer: false });
    receiver.on("message", (message: Buffer) => reading.note(message.length, message[0]));
    await pump(receiver, chunks);
    return reading.done();
  },
};

function header(length: number): Buffer {
  if (length < 126) return Buffer.from([0x82, length]);
  const bytes = Buffer.alloc(length < 65536 ? 4 : 10);
  bytes[0] = 0x82;
  bytes[1] = length < 65536 ? 126 : 127;
  bytes.writeUIntBE(length, bytes.length === 4 ? 2 : 4, bytes.length === 4 ? 2 : 6);
  return bytes;
}
