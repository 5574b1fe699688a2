import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { benchRegistry } from "../../descriptors.js";
import type { Order } from "../orders.js";
import type { OrderCodec } from "./codec.js";

/** protobuf-es. It works from descriptors, generated or not. */
export function protobufEs(): OrderCodec {
  const schema = benchRegistry().getMessage("bench.v1.Order");
  if (schema === undefined) throw new Error("the descriptors lack the message");
  return {
    message: (order) => create(schema, { ...order, placedAtMs: BigInt(order.placedAtMs) } as never),
    encode: (message) => toBinary(schema, message as never).length,
    bytes: (message) => toBinary(schema, message as never),
    decode: (bytes) => fromBinary(schema, bytes),
    plain: (message) => {
      const { placedAtMs, ...rest } = message as { placedAtMs: bigint };
      return { ...rest, placedAtMs: Number(placedAtMs) } as unknown as Order;
    },
  };
}
