/** The process of one codec. It checks once that nothing is lost, then measures when asked. */
import { deepEqual } from "node:assert/strict";
import { answerParent, endWithParent } from "../processes.js";
import { type Order, SIZES } from "./orders.js";
import { subjectNamed } from "./subjects.js";

/** What is measured. */
export interface Task {
  /** Index into the sizes. */
  readonly size: number;
  readonly work: "encode" | "decode";
  readonly ms: number;
}

endWithParent();
const name = process.argv[2]!;
// An instance of its own: in a program, the code that is measured meets one kind of reader and writer, not also those that check it.
const { Order: TsProtoOrder }: typeof import("../gen/bench/v1/order.js") = await import(
  new URL("../gen/bench/v1/order.js?check", import.meta.url).href
);
const codec = await subjectNamed(name).load();
const sizes = SIZES.map(({ orders }) => {
  const messages = orders.map((order) => codec.message(order));
  const bytes = together(messages.map((message) => codec.bytes(message)));
  return { orders, messages, bytes, total: bytes.reduce((sum, { length }) => sum + length, 0) };
});
for (const size of sizes) check(size);

answerParent({
  /** Bytes of a message, on average. */
  bytes: (size: number) => sizes[size]!.total / sizes[size]!.messages.length,
  /** Nanoseconds of processor time for a message. */
  measure: ({ size, work, ms }: Task): number => (work === "encode" ? encode(size, ms) : decode(size, ms)),
});

/** The same bytes as views of one buffer, as a stream's messages lie in what was received. */
function together(parts: readonly Uint8Array[]): Uint8Array[] {
  const buffer = new ArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  return parts.map((part) => {
    const view = new Uint8Array(buffer, at, part.length);
    view.set(part);
    at += part.length;
    return view;
  });
}

/** Processor time in nanoseconds of one message: other processes that want the processor do not count, our own garbage does. */
function nanosPerMessage(pass: () => void, messages: number, ms: number): number {
  const start = process.cpuUsage();
  let passes = 0;
  let micros: number;
  do {
    pass();
    passes++;
    const { user, system } = process.cpuUsage(start);
    micros = user + system;
  } while (micros < ms * 1000);
  return (micros * 1000) / (passes * messages);
}

function encode(index: number, ms: number): number {
  const { messages, total } = sizes[index]!;
  const pass = () => {
    let length = 0;
    for (const message of messages) length += codec.encode(message);
    if (length !== total) throw new Error(`${length} bytes, not ${total}`);
  };
  return nanosPerMessage(pass, messages.length, ms);
}

function decode(index: number, ms: number): number {
  const { bytes } = sizes[index]!;
  let last: unknown;
  const pass = () => {
    for (const input of bytes) last = codec.decode(input);
  };
  const nanos = nanosPerMessage(pass, bytes.length, ms);
  if (last === undefined) throw new Error("nothing was decoded");
  return nanos;
}

/** What is decoded is what was encoded; and whoever claims protobuf writes what others can read. */
function check({ orders, messages, bytes }: (typeof sizes)[number]): void {
  for (const [i, order] of orders.entries()) {
    deepEqual(comparable(codec.plain(codec.decode(bytes[i]!))), comparable(order));
    if (codec.encode(messages[i]) !== bytes[i]!.length) throw new Error("encode and bytes differ");
    if (/msgpackr|JSON/.test(name)) continue;
    const read = TsProtoOrder.decode(bytes[i]!);
    deepEqual(comparable({ ...read, placedAtMs: Number(read.placedAtMs) } as Order), comparable(order));
  }
}

/** Without prototypes, marks and the order of fields. */
function comparable({ id, placedAtMs, customer, state, total, items, campaigns, notes }: Order) {
  return {
    head: { id, placedAtMs, customer, state, total },
    items: items.map(({ sku, quantity, price, title, discount, gift }) => ({ sku, quantity, price, title, discount, gift })),
    campaigns: [...campaigns],
    notes: { ...notes },
  };
}
