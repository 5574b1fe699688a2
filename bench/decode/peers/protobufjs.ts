import protobuf from "protobufjs";
import { encodeFrame } from "../../../src/codec/index.js";
import { CMD, repeat, varint } from "../streams.js";
import { type Peer, Reading } from "./peer.js";

const DataFrame = new protobuf.Type("DataFrame")
  .add(new protobuf.Field("magic", 1, "int32", "required"))
  .add(new protobuf.Field("length", 2, "int32", "required"))
  .add(new protobuf.Field("version", 3, "int32"))
  .add(new protobuf.Field("cmd", 4, "int32", "required"))
  .add(new protobuf.Field("payload", 5, "bytes"));
new protobuf.Root().add(DataFrame);

/**
 * What one writes by hand around protobufjs: a varint length in front of each DataFrame, what is left of a chunk joined
 * to the next one, and the generated decoder run over every whole message. The payload is a view.
 */
export const protobufjs: Peer = {
  name: "protobufjs by hand",
  from: "protobufjs",
  stream: (payload, count) => {
    const frame = encodeFrame({ cmd: CMD, payload });
    return repeat(Buffer.concat([Buffer.from(varint(frame.length)), frame]), count);
  },
  decode: (chunks) => {
    const reading = new Reading();
    let rest: Buffer = Buffer.alloc(0);
    for (const chunk of chunks) {
      const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const reader = protobuf.Reader.create(buffer);
      let at = 0;
      for (;;) {
        let end = at;
        while (end < buffer.length && (buffer[end]! & 0x80) !== 0) end++;
        if (end >= buffer.length) break;
        reader.pos = at;
        const length = reader.uint32();
        if (reader.pos + length > buffer.length) break;
        const { payload } = DataFrame.decode(reader, length) as unknown as { payload: Uint8Array };
        reading.note(payload.length, payload[0]);
        at = reader.pos;
      }
      rest = buffer.subarray(at);
    }
    return reading.done();
  },
};
