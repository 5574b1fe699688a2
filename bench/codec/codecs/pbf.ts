import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PbfReader, PbfWriter } from "pbf";
import { scriptOf } from "../../../test/helpers/tools.js";
import type { Order } from "../orders.js";
import type { OrderCodec } from "./codec.js";

/** pbf, with the functions that its command-line tool generates. It reads int64 as a number. */
export async function pbf(): Promise<OrderCodec> {
  const file = fileURLToPath(new URL(`./order-pbf-${process.pid}.mjs`, import.meta.url));
  writeFileSync(file, execFileSync(process.execPath, [scriptOf("pbf", "pbf"), "bench/proto/bench/v1/order.proto"]));
  const { readOrder, writeOrder } = await import(pathToFileURL(file).href);
  const bytes = (message: unknown) => {
    const writer = new PbfWriter();
    writeOrder(message, writer);
    return writer.finish();
  };
  return {
    // pbf keeps the names of the proto.
    message: ({ placedAtMs, ...order }) => ({ ...order, placed_at_ms: placedAtMs }),
    encode: (message) => bytes(message).length,
    bytes,
    decode: (input) => readOrder(new PbfReader(input)),
    plain: (message) => {
      const { placed_at_ms: placedAtMs, ...order } = message as Order & { placed_at_ms: number };
      return { ...order, placedAtMs };
    },
  };
}
