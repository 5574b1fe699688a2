import { readerOver } from "../../../src/protobuf/message-reader.js";
import { MessageWriter } from "../../../src/protobuf/message-writer.js";
import { Order } from "../../gen/bench/v1/order.js";
import type { Order as PlainOrder } from "../orders.js";
import type { OrderCodec } from "./codec.js";

const common = {
  message: (order: PlainOrder) => Order.fromPartial({ ...order, placedAtMs: BigInt(order.placedAtMs) } as never),
  plain: (message: unknown) => ({ ...(message as Order), placedAtMs: Number((message as Order).placedAtMs) }) as unknown as PlainOrder,
};

/** ts-proto's generated code with the writer and reader of @bufbuild/protobuf that it comes with. */
export const stock: OrderCodec = {
  ...common,
  bytes: (message) => Order.encode(message as Order).finish(),
  encode: (message) => Order.encode(message as Order).finish().length,
  decode: (bytes) => Order.decode(bytes),
};

/** ts-proto's generated code with framewire's writer, the bytes left where they will be sent from, and framewire's reader. */
export function inPlace(): OrderCodec {
  const writer = new MessageWriter();
  let received = new Uint8Array(0);
  const encode = (message: unknown) => {
    writer.begin(writer.buffer, 0);
    Order.encode(message as Order, writer as never);
  };
  return {
    ...common,
    bytes: (message) => {
      encode(message);
      return writer.finish();
    },
    encode: (message) => {
      encode(message);
      return writer.position;
    },
    decode: ({ buffer, byteOffset, length }) => {
      // As in a connection: the buffer stays the same, offsets say where the message is.
      if (received.buffer !== buffer) received = new Uint8Array(buffer as ArrayBuffer);
      return Order.decode(readerOver(received, byteOffset, byteOffset + length));
    },
  };
}

/** The same, but each message gets bytes of its own. */
export function ownBytes(): OrderCodec {
  const codec = inPlace();
  return { ...codec, encode: (message) => codec.bytes(message).length };
}
