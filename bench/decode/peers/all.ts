import { grpc } from "./grpc.js";
import { itLengthPrefixed } from "./it-length-prefixed.js";
import { lengthPrefixedStream } from "./length-prefixed-stream.js";
import { mqttPacket } from "./mqtt-packet.js";
import { nodeMavlink } from "./node-mavlink.js";
import type { Peer } from "./peer.js";
import { pgProtocol } from "./pg-protocol.js";
import { protobufjs } from "./protobufjs.js";
import { webSocket } from "./ws.js";

/** The decoders that framewire is measured against. */
export const PEERS: readonly Peer[] = [
  pgProtocol,
  protobufjs,
  webSocket,
  lengthPrefixedStream,
  itLengthPrefixed,
  grpc,
  mqttPacket,
  nodeMavlink,
];
