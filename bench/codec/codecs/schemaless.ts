import { Packr } from "msgpackr";
import type { Order } from "../orders.js";
import type { OrderCodec } from "./codec.js";

/** msgpackr with records: the names of the fields are sent once, so its bytes can only be read by who got the earlier ones. */
export function msgpackrRecords(): OrderCodec {
  return messagePack(new Packr({ structures: [] }));
}

/** msgpackr without records: plain MessagePack, the names in each message. */
export function msgpackr(): OrderCodec {
  return messagePack(new Packr({ useRecords: false }));
}

function messagePack(packr: Packr): OrderCodec {
  return {
    message: (order) => order,
    encode: (message) => packr.pack(message).length,
    bytes: (message) => packr.pack(message),
    decode: (bytes) => packr.unpack(bytes),
    plain: (message) => message as Order,
  };
}

/** JSON, as bytes. */
export const json: OrderCodec = {
  message: (order) => order,
  encode: (message) => Buffer.from(JSON.stringify(message)).length,
  bytes: (message) => Buffer.from(JSON.stringify(message)),
  decode: ({ buffer, byteOffset, length }) => JSON.parse(Buffer.from(buffer, byteOffset, length).toString()),
  plain: (message) => message as Order,
};
