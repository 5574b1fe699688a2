import { parser as createParser } from "mqtt-packet";
import { repeat, varint } from "../streams.js";
import { type Peer, Reading } from "./peer.js";

/** MQTT: PUBLISH packets with quality of service 0 and a topic of one letter, the shortest message it has. */
export const mqttPacket: Peer = {
  name: "mqtt-packet",
  from: "mqtt-packet",
  stream: (payload, count) => {
    const topic = Buffer.from([0, 1, 0x74]);
    const header = Buffer.from([0x30, ...varint(topic.length + payload.length)]);
    return repeat(Buffer.concat([header, topic, payload]), count);
  },
  decode: (chunks) => {
    const reading = new Reading();
    const parser = createParser();
    parser.on("packet", (packet: unknown) => {
      const { payload } = packet as { payload: Buffer };
      reading.note(payload.length, payload[0]);
    });
    for (const chunk of chunks) parser.parse(chunk);
    return reading.done();
  },
};
