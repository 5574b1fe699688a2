import { execFileSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";
import protobuf from "protobufjs";
import { scriptOf } from "../../../test/helpers/tools.js";
import type { Order } from "../orders.js";
import type { OrderCodec } from "./codec.js";

const PROTO = "bench/proto/bench/v1/order.proto";

/** What protobufjs makes of a message type, generated or reflected. */
interface Type {
  fromObject(object: object): object;
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
  toObject(message: object, options: object): object;
}

/** Classes that protobufjs makes from the proto as the program starts. */
export function reflection(): OrderCodec {
  const root = new protobuf.Root().loadSync(PROTO);
  return codec(root.lookupType("bench.v1.Order") as unknown as Type);
}

/** Classes that its command-line tool generated. */
export async function staticModule(): Promise<OrderCodec> {
  const file = fileURLToPath(new URL(`./order-static-${process.pid}.mjs`, import.meta.url));
  execFileSync(process.execPath, [scriptOf("protobufjs-cli", "pbjs"), "-t", "static-module", "-w", "es6", "-o", file, PROTO]);
  const { bench } = await import(pathToFileURL(file).href);
  return codec(bench.v1.Order);
}

function codec(type: Type): OrderCodec {
  return {
    message: (order) => type.fromObject(order),
    encode: (message) => type.encode(message as object).finish().length,
    bytes: (message) => type.encode(message as object).finish(),
    decode: (bytes) => type.decode(bytes),
    plain: (message) => type.toObject(message as object, { longs: Number, enums: Number, defaults: true }) as Order,
  };
}
