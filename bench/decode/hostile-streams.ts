/** Streams written by someone who wants the decoder to work hard, and the fillers between frames that make scanning slow elsewhere. */
import { encodeFrame } from "../../src/codec/index.js";
import { DEFAULTS } from "../../src/options.js";
import { randomBytes } from "../random.js";
import { CMD, PREFIX, prefixOf, repeat, v2Header, varint, WRONG_CHECKSUM } from "./streams.js";

/** The magic as a varint. */
const MAGIC = Buffer.from(varint(DEFAULTS.magic));

/** A stream whose cost must grow with its bytes alone. */
export interface HostileStream {
  readonly name: string;
  readonly note: string;
  readonly make: (bytes: number) => Buffer;
}

/** The hostile streams, each of about as many bytes as asked for. */
export const HOSTILE: readonly HostileStream[] = [
  {
    name: "nested-ends",
    note: "headers back to back, all claiming payloads that end at one trailer with a wrong CRC",
    make: (bytes) => Buffer.concat([nested(bytes - WRONG_CHECKSUM.length, Buffer.alloc(0)), WRONG_CHECKSUM]),
  },
  {
    name: "nested-ends, cut off",
    note: "the same without the trailer: every claim is still open at flush",
    make: (bytes) => nested(bytes, Buffer.alloc(0)),
  },
  {
    name: "nested-ends, 1 KiB trailer",
    note: "the same, and the common trailer is as long as a trailer may be",
    make: (bytes) => {
      const trace = Buffer.alloc(1000, 0x61);
      const trailer = Buffer.concat([Buffer.from([0x6a, ...varint(trace.length)]), trace, WRONG_CHECKSUM]);
      return Buffer.concat([nested(bytes - trailer.length, Buffer.alloc(0)), trailer]);
    },
  },
  {
    name: "tiny good, huge bad",
    note: "a good frame of 1 B between any two headers of nested-ends, so that accepting and failing alternate",
    make: (bytes) => {
      const good = Buffer.from(encodeFrame({ version: 2, cmd: CMD, payload: Uint8Array.of(1) }));
      return Buffer.concat([nested(bytes - WRONG_CHECKSUM.length, good), WRONG_CHECKSUM]);
    },
  },
  {
    name: "repeated prefixes",
    note: "08 MAGIC 10, over and over",
    make: (bytes) => repeat(PREFIX, Math.floor(bytes / PREFIX.length)),
  },
  {
    name: "headers that disagree",
    note: "whole headers whose n is not length",
    make: (bytes) => {
      const header = v2Header(200);
      header[header.length - 2] = header[header.length - 2]! ^ 1;
      return repeat(header, Math.floor(bytes / header.length));
    },
  },
  { name: "08 08 08 …", note: "the first byte of every frame", make: (bytes) => Buffer.alloc(bytes, 0x08) },
];

/** Bytes between frames: a name, and the pattern that is repeated; an empty pattern stands for noise. */
export interface Filler {
  readonly name: string;
  readonly magic: number;
  readonly make: (bytes: number) => Buffer;
}

/** Magics in which one byte occurs four times, and two bytes twice. */
const REPEATING: readonly number[] = [2 ** 28, 0x2a95_5a55];

/** Noise, each byte of the prefix alone, and all but the last or first bytes of it over and over, which defeats searches that look for parts. */
export const FILLERS: readonly Filler[] = [
  { name: "random", magic: DEFAULTS.magic, make: (bytes) => randomBytes(bytes, 99) },
  ...[...PREFIX].map((byte) => solid(byte, DEFAULTS.magic)),
  pattern("magic, one byte short", MAGIC.subarray(0, 4)),
  pattern("magic", MAGIC),
  pattern("08 magic, one byte short", PREFIX.subarray(0, 5)),
  pattern("08 magic (no 10)", PREFIX.subarray(0, 6)),
  pattern("magic 10 (no 08)", PREFIX.subarray(1)),
  // The smallest magic is 80 80 80 80 01: a filler of its repeated byte matches four bytes at every position.
  ...REPEATING.flatMap(fillersFor),
];

/** Headers from the last to the first, so that each knows how far away the common end is. `between` stands before each. */
function nested(bytes: number, between: Buffer): Buffer {
  const parts: Buffer[] = [];
  let behind = 0;
  for (;;) {
    const part = Buffer.concat([between, v2Header(behind)]);
    if (behind + part.length > bytes) break;
    parts.push(part);
    behind += part.length;
  }
  return Buffer.concat(parts.reverse());
}

function solid(byte: number, magic: number): Filler {
  const hex = byte.toString(16).padStart(2, "0");
  const name = magic === DEFAULTS.magic ? `${hex} ${hex} …` : `${hex} ${hex} …, magic 0x${magic.toString(16)}`;
  return { name, magic, make: (bytes) => Buffer.alloc(bytes, byte) };
}

/** The byte that occurs most, alone; the prefix one byte short at either end; and what a search for the slowest filler came to. */
function fillersFor(magic: number): Filler[] {
  const prefix = prefixOf(magic);
  const [, first, second, third, fourth, fifth] = prefix;
  const named = (name: string, part: readonly (number | undefined)[]) =>
    pattern(`${name}, magic 0x${magic.toString(16)}`, Buffer.from(part.map(Number)), magic);
  return [
    solid(fourth!, magic),
    solid(fifth!, magic),
    named("prefix without its last byte", [...prefix.subarray(0, 6)]),
    named("prefix without its last two", [...prefix.subarray(0, 5)]),
    named("prefix without its first byte", [...prefix.subarray(1)]),
    named("prefix, one byte wrong in the middle", [0x08, first, second, 0x55, fourth, fifth, 0x10]),
    named("each kind of byte, four in all", [0x08, fifth, 0x10, third]),
    named("each kind of byte, seven in all", [first, 0x55, fifth, 0x10, 0x08, 0x10, fourth]),
  ];
}

function pattern(name: string, part: Buffer, magic: number = DEFAULTS.magic): Filler {
  return { name, magic, make: (bytes) => repeat(part, Math.floor(bytes / part.length)) };
}
