/** Values, messages and frames that a hostile peer may send, chosen by a seeded generator. Built byte by byte: an encoder of ours would refuse many of them. */
import { crc32 } from "node:zlib";
import type { Random } from "../helpers/random.js";
import { cat, open, varint } from "../helpers/wire-builder.js";

export type Field = readonly [number: number, bytes: Uint8Array];

const UTF8 = new TextEncoder();
const KIND_FIELD = 10;
const EDGES = [0, 1, 2, 127, 128, 255, 256, 257, 1023, 1024, 1025, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const WIDE = [0n, 1n, 2n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

const TEXTS: readonly Uint8Array[] = [
  "",
  "a",
  "é",
  "\u0000",
  "\u001b[2J\u001b[31m",
  "\u202e\u2028\u009b",
  "__proto__",
  "constructor",
  "€".repeat(86),
  "𝒳".repeat(64),
  "𝒳".repeat(65),
  "x".repeat(255),
  "x".repeat(257),
  "漢".repeat(3000),
].map((text) => UTF8.encode(text));
/** Not UTF-8: alone, cut, overlong and as half of a surrogate pair. */
const BAD_TEXTS = [[0xff], [0xe2, 0x82], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]].map((bytes) => Uint8Array.from(bytes));

/** A number of 32 bits: 0, 1, the ends of ranges, or any. */
export function uint32(random: Random): number {
  return random.oneIn(4) ? random.uint32() : random.pick(EDGES);
}

/** A number of 64 bits. */
export function uint64(random: Random): bigint {
  return random.oneIn(4) ? (BigInt(random.uint32()) << 32n) | BigInt(random.uint32()) : random.pick(WIDE);
}

/** Text as bytes: empty, long, non-Latin, control characters, not UTF-8; rarely `huge` bytes or more. */
export function text(random: Random, huge = 70_000): Uint8Array {
  if (random.oneIn(40)) return new Uint8Array(random.pick([huge, huge * 4])).fill(0x78);
  return random.pick(random.oneIn(6) ? BAD_TEXTS : TEXTS);
}

export function bytes(random: Random, lengths: readonly number[] = [0, 1, 8, 16, 31, 32, 33, 255, 1024, 5000]): Uint8Array {
  return random.bytes(random.pick(lengths));
}

/** The metadata of a call. */
export function ext(random: Random): Uint8Array {
  const entry = () => message([length(1, random.pick(TEXTS)), length(2, text(random, 2000))]);
  const fields = Array.from({ length: random.pick([0, 1, 2, 40]) }, () => length(1, entry()));
  if (random.oneIn(2)) fields.push(length(2, text(random, 2000)));
  return random.oneIn(8) ? random.bytes(random.from(0, 40)) : message(fields);
}

export function number(field: number, value: number | bigint): Field {
  return [field, cat(varint(field << 3), varint(value))];
}

export function length(field: number, value: Uint8Array): Field {
  return [field, cat(varint((field << 3) | 2), varint(value.length), value)];
}

export function fixed32(field: number, value: number): Field {
  const four = new Uint8Array(4);
  new DataView(four.buffer).setUint32(0, value, true);
  return [field, cat(varint((field << 3) | 5), four)];
}

/** The fields in a row; in one of 30 cases spoilt: cut, doubled, in another order, of another wire type, with unknown fields. */
export function message(fields: readonly Field[], random?: Random): Uint8Array {
  const whole = cat(...fields.map(([, each]) => each));
  if (random === undefined || !random.oneIn(30)) return whole;
  switch (random.from(0, 5)) {
    case 0:
      return whole.slice(0, random.from(0, whole.length));
    case 1:
      return cat(whole, whole);
    case 2:
      return cat(...[...fields].reverse().map(([, each]) => each));
    case 3:
      return cat(whole, varint((random.from(1, 20) << 3) | random.from(0, 7)), random.bytes(random.from(0, 12)));
    case 4:
      return cat(whole, length(random.pick([10, 99, 5000]), random.bytes(20))[1]);
    default:
      return whole.map((byte, i) => (i === random.from(0, whole.length) ? byte ^ (1 << random.from(0, 7)) : byte));
  }
}

function limits(random: Random): Uint8Array {
  const fields = [1, 2, 3, 4].map((field) => number(field, uint32(random)));
  return message(
    fields.filter(() => !random.oneIn(4)),
    random,
  );
}

function peer(random: Random): Uint8Array {
  return message([1, 2, 3].filter(() => random.oneIn(2)).map((field) => length(field, text(random))));
}

/** What a client asks to go on with. */
export function resume(random: Random, token: Uint8Array, received: number, attempt: number): Uint8Array {
  const shown = random.pick([token, token, token, token.slice(0, 16), token.map((byte) => byte ^ 1), bytes(random), new Uint8Array(0)]);
  const fields = [
    length(1, shown),
    number(2, random.oneIn(2) ? received : uint64(random)),
    number(3, random.oneIn(2) ? 1 : uint64(random)),
    number(4, random.pick([0, 0, 1, 2])),
    number(5, random.oneIn(2) ? attempt : uint32(random)),
  ];
  return message(
    fields.filter(() => !random.oneIn(8)),
    random,
  );
}

/** A hello or a welcome, and the seed of the frames after it. */
export interface Greeting {
  readonly payload: Uint8Array;
  readonly seed: number;
}

/** A hello with each field now honest, now hostile or absent. */
export function hello(random: Random, asked: Uint8Array | undefined): Greeting {
  const seed = uint32(random);
  const honest = !random.oneIn(12);
  const fields: Field[] = [
    number(1, honest ? random.pick([0, 1, 2]) : uint32(random)),
    number(2, honest ? 2 : uint32(random)),
    fixed32(3, seed),
  ];
  if (!random.oneIn(3)) fields.push(length(4, limits(random)));
  if (random.oneIn(2)) fields.push(length(5, message([number(1, random.pick([0, 1, 2])), length(2, text(random, 300))], random)));
  if (random.oneIn(2)) fields.push(length(6, peer(random)));
  if (random.oneIn(3)) fields.push(length(7, text(random)));
  if (random.oneIn(3)) fields.push(length(8, bytes(random, [0, 1, 40, 1000, 60_000, 66_000])));
  if (asked !== undefined) fields.push(length(9, asked));
  return { payload: message(fields, random), seed };
}

function gap(random: Random): Uint8Array {
  const number64 = () => (random.oneIn(2) ? random.from(0, 5) : uint64(random));
  return message([number(1, number64()), number(2, number64()), length(3, text(random, 3000))], random);
}

/** A welcome with each field now honest, now hostile or absent. */
export function welcome(random: Random, received: number): Greeting {
  const seed = uint32(random);
  const honest = !random.oneIn(12);
  const fields: Field[] = [number(1, honest ? 2 : uint32(random)), fixed32(2, seed)];
  if (!random.oneIn(3)) fields.push(length(3, limits(random)));
  if (random.oneIn(2)) fields.push(length(4, message([number(1, random.pick([0, 1, 2])), length(2, text(random, 300))], random)));
  if (random.oneIn(2)) fields.push(length(5, peer(random)));
  if (random.oneIn(3)) fields.push(length(6, text(random)));
  if (!random.oneIn(4)) fields.push(length(7, bytes(random, [0, 16, 32, 32, 32, 33, 4000])));
  if (random.oneIn(2)) fields.push(number(8, uint32(random)));
  if (random.oneIn(2)) fields.push(number(9, random.oneIn(3) ? uint32(random) : random.from(0, 4)));
  if (random.oneIn(2)) fields.push(number(10, random.oneIn(2) ? received : uint64(random)));
  if (random.oneIn(6)) fields.push(length(11, gap(random)));
  if (random.oneIn(6)) fields.push(length(12, gap(random)));
  if (random.oneIn(3)) fields.push(number(13, uint32(random)));
  if (random.oneIn(3)) fields.push(number(14, uint32(random)));
  if (random.oneIn(6)) fields.push(length(15, text(random, 2000)));
  return { payload: message(fields, random), seed };
}

/** A goaway. */
export function goaway(random: Random): Uint8Array {
  const code = random.oneIn(2) ? random.pick([0, 1000, 1006, 4000, 4401, 4499, 4509, 4516]) : uint32(random);
  const fields = [length(1, text(random)), number(2, uint32(random)), number(3, code)];
  return message(
    fields.filter(() => !random.oneIn(4)),
    random,
  );
}

/** The trailer of a frame, with its checksum still to come; absent fields are left out. */
export interface TrailerFields {
  readonly kind?: number;
  readonly callId?: number;
  readonly sequence?: number | bigint;
  readonly ack?: number | bigint;
  readonly status?: number;
  readonly timeoutMs?: number;
  readonly timestamp?: number | bigint;
  readonly trace?: Uint8Array;
  readonly ext?: Uint8Array;
}

/** A version 2 frame. */
export function frame(cmd: number, payload: Uint8Array | undefined, fields: TrailerFields, seed: number | undefined): Uint8Array {
  const parts: Uint8Array[] = [];
  const add = (field: number, value: number | bigint | undefined) => {
    if (value !== undefined) parts.push(number(field, value)[1]);
  };
  add(6, fields.timestamp);
  add(7, fields.sequence);
  add(8, fields.ack);
  add(9, fields.callId);
  add(KIND_FIELD, fields.kind);
  add(11, fields.status);
  add(12, fields.timeoutMs);
  if (fields.trace !== undefined) parts.push(length(13, fields.trace)[1]);
  if (fields.ext !== undefined) parts.push(length(14, fields.ext)[1]);
  const body = open({ ver: 2, cmd, trailer: cat(...parts), ...(payload === undefined ? {} : { payload }) });
  return cat(body, fixed32(15, checksum(body, seed))[1]);
}

function checksum(body: Uint8Array, seed: number | undefined): number {
  if (seed === undefined) return crc32(body);
  const four = new Uint8Array(4);
  new DataView(four.buffer).setUint32(0, seed, true);
  return crc32(body, crc32(four));
}

/** A frame of any kind with any fields. */
export function anyFrame(random: Random, seed: number): Uint8Array {
  const maybe = <T>(value: () => T): T | undefined => (random.oneIn(3) ? value() : undefined);
  const fields = {
    kind: random.oneIn(8) ? uint32(random) : random.from(0, 13),
    callId: maybe(() => uint32(random)),
    sequence: maybe(() => uint64(random)),
    ack: maybe(() => uint64(random)),
    status: maybe(() => (random.oneIn(2) ? random.from(0, 17) : uint32(random))),
    timeoutMs: maybe(() => uint32(random)),
    timestamp: maybe(() => uint64(random)),
    trace: maybe(() => text(random, 300)),
    ext: maybe(() => ext(random)),
  };
  const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as TrailerFields;
  const payload = random.oneIn(3) ? undefined : random.oneIn(2) ? goaway(random) : bytes(random);
  return frame(random.oneIn(2) ? 0 : random.pick([257, 258, 259, 260, 261, 0x777, -1]), payload, present, seed);
}
