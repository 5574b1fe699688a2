/**
 * Every value that JavaScript lets a caller put into a field, for every type of field: what leaves a Node client is what the stock writer
 * gives, or the send fails where that throws. Pages use the stock writer itself.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { MessageWriter } from "../../src/protobuf/message-writer.js";
import type { MessageCodec } from "../../src/protocol/definition.js";
import { createServer, type Server } from "../../src/server/index.js";
import { MemoryNetwork, VirtualClock } from "../../src/testing/index.js";
import { AllMaps, AllTypes } from "../gen/test/v1/all_types.js";

const CMD = 0x0301;

const VALUES: readonly unknown[] = [
  ...[0, -0, 1, -1, 1.5, 127, 128, 300, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 1e21],
  ...[3.4028234663852886e38, 3.40282353e38, 3.41e38, 1e39, -1e39, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...["", "0", "1", "-1", "300", " 7 ", "1.5", "0x10", "1e3", "4294967295", "4294967296", "NaN", "Infinity", "AQID", "true", "ß€😀\ud800"],
  ...[0n, 1n, -1n, 2n ** 31n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 64n, undefined, null, true, false],
  ...[new Uint8Array(0), Uint8Array.of(1, 2, 3), Buffer.from("abc"), Uint16Array.of(1, 300), new Uint8ClampedArray(2), Float64Array.of(1)],
  ...[Uint8Array.of(1, 2).buffer, new DataView(new ArrayBuffer(2)), [], [1, 2], ["1", "x"], [undefined], [null], [[1]], {}, { a: 1 }],
  ...[new Number(5), new String("5"), new Boolean(false), new Date(5), Symbol("s"), () => 5, new Set([1]), new Map([["1", "one"]])],
];

const KEYS = [
  "0",
  "1",
  "-1",
  "300",
  "1.5",
  "x",
  "",
  "true",
  "false",
  "4294967295",
  "4294967296",
  "9223372036854775807",
  "18446744073709551615",
];

function show(value: unknown): string {
  try {
    const text = typeof value === "bigint" ? `${value}n` : typeof value === "string" ? JSON.stringify(value) : String(value);
    return `${Object.prototype.toString.call(value)} ${text}`;
  } catch {
    return Object.prototype.toString.call(value);
  }
}

type Outcome = string;

function outcome(write: () => Uint8Array): Outcome {
  try {
    return Buffer.from(write()).toString("hex");
  } catch {
    return "refused";
  }
}

type Fields = Record<string, unknown>;
type Codec = MessageCodec & {
  encode(message: unknown, writer?: unknown): { finish(): Uint8Array };
  fromPartial(message: unknown): unknown;
};

/** What a page sends. */
function stock(codec: Codec, fields: Fields): Outcome {
  return outcome(() => codec.encode(codec.fromPartial(fields)).finish());
}

/** Every field there, as a message is that is written without being completed first; the codec is one that nothing is known of yet. */
function whole([name, codec, fields]: (typeof CASES)[number]): (typeof CASES)[number] {
  return [`whole, ${name}`, { ...codec }, { ...(codec.fromPartial({}) as Fields), ...fields }];
}

const singular = Object.keys(AllTypes.fromPartial({})).filter((name) => !/^[rm][A-Z]|^children$/.test(name));
const repeated = Object.keys(AllTypes.fromPartial({})).filter((name) => /^r[A-Z]|^children$/.test(name));
const maps = Object.keys(AllMaps.fromPartial({}));

/** Each field with each value, alone; in a list; as key and value of a map. */
const CASES: readonly (readonly [name: string, codec: Codec, fields: Fields])[] = [
  ...singular.flatMap((name) => VALUES.map((value) => [`${name}: ${show(value)}`, AllTypes as Codec, { [name]: value }] as const)),
  ...repeated.flatMap((name) => VALUES.map((value) => [`${name}: [${show(value)}]`, AllTypes as Codec, { [name]: [value] }] as const)),
  ...repeated.flatMap((name) => VALUES.map((value) => [`${name}: ${show(value)}`, AllTypes as Codec, { [name]: value }] as const)),
  ...maps.flatMap((name) => KEYS.map((key) => [`${name}: { ${show(key)} }`, AllMaps as Codec, { [name]: { [key]: "v" } }] as const)),
  ...maps.flatMap((name) => VALUES.map((value) => [`${name}: { 1: ${show(value)} }`, AllMaps as Codec, { [name]: { 1: value } }] as const)),
  ...VALUES.map((value) => [`mStringUint64: { a: ${show(value)} }`, AllTypes as Codec, { mStringUint64: { a: value } }] as const),
];

describe("what arrives is what the stock writer gives", () => {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock });
  let server: Server;
  let client: Client;
  let arrived: Outcome[] = [];

  beforeAll(async () => {
    server = createServer({ clock });
    const bytes = { encode: (payload: Uint8Array) => ({ finish: () => payload }), decode: (payload: Uint8Array) => payload.slice() };
    server.handle(CMD, bytes, (payload) => void arrived.push(Buffer.from(payload).toString("hex")));
    client = createClient("ws://memory", { clock, connector: (...args) => network.connector(server)(...args) });
    await Promise.all([client.connect(), clock.runUntilIdle()]);
  });

  afterAll(async () => {
    await Promise.all([client.close(), server.close(), clock.runUntilIdle()]);
  });

  /** What a send of each case brings to the server, sent in one turn. */
  async function sendAll(cases: typeof CASES): Promise<Outcome[]> {
    arrived = [];
    const sent = cases.map(([, codec, fields]) =>
      client.send(CMD, codec as never, fields as never).then(
        () => true,
        () => false,
      ),
    );
    await clock.advance(1000);
    const gone = await Promise.all(sent);
    const outcomes = gone.map((went) => (went ? (arrived.shift() ?? "missing") : "refused"));
    expect(arrived).toEqual([]);
    return outcomes;
  }

  test.each([
    ["written straight into their frames", true, CASES],
    ["that are whole, written straight into their frames", true, CASES.map(whole)],
    ["encoded while they wait", false, CASES],
  ])("for messages %s", async (_how, connected, all) => {
    const different: string[] = [];
    for (let from = 0; from < all.length; from += 500) {
      const cases = all.slice(from, from + 500);
      if (!connected) network.cut();
      const outcomes = sendAll(cases);
      if (!connected) await Promise.all([client.connect(), clock.runUntilIdle()]);
      for (const [i, got] of (await outcomes).entries()) {
        const [name, codec, fields] = cases[i] as (typeof CASES)[number];
        const wanted = stock(codec, fields);
        // A whole message is not completed first. That shows where a value is of another type altogether: of a text in place of a list,
        // generated code writes the characters, and completing it throws.
        const asItIs = name.startsWith("whole") && got === outcome(() => codec.encode(fields).finish());
        if (got !== wanted && !asItIs) different.push(`${name}: ${got} in place of ${wanted}`);
      }
    }
    expect(different).toEqual([]);
  });
});

test("where the in-place writer takes a value, it writes what the stock writer does", () => {
  const numbers = ["uint32", "int32", "sint32", "fixed32", "sfixed32", "float", "double"] as const;
  const wide = ["int64", "uint64", "sint64", "fixed64", "sfixed64"] as const;
  const own = new MessageWriter();
  const different: string[] = [];
  for (const method of [...numbers, ...wide, "bool", "string", "bytes", "raw"] as const) {
    for (const value of VALUES) {
      own.begin(new Uint8Array(64), 0);
      const got = outcome(() => (own[method] as (value: unknown) => MessageWriter)(value).finish());
      const wanted = outcome(() => (new BinaryWriter()[method] as (value: unknown) => BinaryWriter)(value).finish());
      if (got !== wanted && got !== "refused") different.push(`${method}(${show(value)}): ${got} in place of ${wanted}`);
    }
  }
  expect(different).toEqual([]);
});
