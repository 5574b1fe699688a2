/** What a contestant of the codec benchmark brings. */
import type { Order } from "../orders.js";

/** One library, in one way of using it. */
export interface OrderCodec {
  /** The order as this library wants it, made once. */
  message(order: Order): unknown;
  /** Serialises; gives the number of bytes. */
  encode(message: unknown): number;
  /** The bytes of a message, for `decode`. */
  bytes(message: unknown): Uint8Array;
  /** Reads what `bytes` gave. */
  decode(bytes: Uint8Array): unknown;
  /** What was read as a plain object, to see that nothing is missing. */
  plain(message: unknown): Order;
}
