import { MavLinkPacketSplitter, x25crc } from "node-mavlink";
import { repeat } from "../streams.js";
import { type Peer, Reading } from "./peer.js";
import { pump } from "./pump.js";

const HEARTBEAT = 0;
const HEARTBEAT_CRC_EXTRA = 50;
const HEADER_BYTES = 10;

/**
 * MAVLink 2: a start byte, a header, at most 255 bytes of payload and a 16-bit checksum. The only peer that
 * looks for the next start byte after damage and checks every packet. Larger payloads do not fit its length byte.
 */
export const nodeMavlink: Peer = {
  name: "node-mavlink splitter",
  from: "node-mavlink",
  stream: (payload, count) => {
    if (payload.length > 255) return undefined;
    const packet = Buffer.alloc(HEADER_BYTES + payload.length + 2);
    packet.set([0xfd, payload.length, 0, 0, 1, 1, 1, HEARTBEAT]);
    packet.set(payload, HEADER_BYTES);
    packet.writeUInt16LE(x25crc(packet, 1, 2, HEARTBEAT_CRC_EXTRA), HEADER_BYTES + payload.length);
    return repeat(packet, count);
  },
  decode: async (chunks) => {
    const reading = new Reading();
    const splitter = new MavLinkPacketSplitter();
    splitter.on("data", (packet: { buffer: Buffer }) => reading.note(packet.buffer.length, packet.buffer[HEADER_BYTES]));
    const ended = new Promise((resolve) => splitter.once("end", resolve));
    await pump(splitter, chunks);
    splitter.end();
    await ended;
    return reading.done();
  },
};
