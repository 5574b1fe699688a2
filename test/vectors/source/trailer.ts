/** Candidates of version 2 that fail in the trailer or at the checksum. Each is followed by a good frame. */
import { cat, fill, open, seal, v2 } from "../../helpers/wire-builder.js";
import { bad, good, type Piece, vector } from "../case.js";

const HELLO = "0A 05 68 65 6C 6C 6F";
const B = "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 6C 6C 6F 7D 24 98 1B C0";
const P = "08 F5 F9 F7 F6 07 10";
const next: Piece = good(B, 2, 257, HELLO);
const short = { options: { maxTrailer: 8 } };

/** A version 2 frame that is right in all but its trailer fields. */
const trailing = (...fields: string[]): Uint8Array => v2(1, "01", { trailer: cat(...fields) });

export const description = "Version 2 candidates that fail in the trailer or at the checksum";

const grammar = [
  vector("fields out of order", [bad("trailer", trailing("40 01 38 01")), next]),
  vector("a field twice", [bad("trailer", trailing("38 01 38 01")), next]),
  vector("a field twice with different wire types", [bad("trailer", trailing("38 01 3A 00")), next]),
  vector("the payload twice", [bad("trailer", trailing("2A 01 FF")), next]),
  vector("the empty payload twice", [bad("trailer", P, "00 18 02 20 01 2A 00 2A 00 7D 00 00 00 00"), next]),
  vector("cmd in the trailer", [bad("trailer", trailing("20 01")), next]),
  vector("field 15 as a varint", [bad("trailer", trailing("78 01")), next]),
  vector("field 15 with length", [bad("trailer", trailing("7A 01 FF")), next]),
  vector("field 16", [bad("trailer", trailing("80 01 01")), next]),
  vector("a known tag in two bytes", [bad("trailer", trailing("B8 00 01")), next]),
  vector("field number 0", [bad("trailer", trailing("00 01")), next]),
  vector("a group is opened", [bad("trailer", trailing("73 74")), next]),
  vector("a group is closed", [bad("trailer", trailing("74")), next]),
  vector("wire type 6", [bad("trailer", trailing("36 01")), next]),
  vector("wire type 7", [bad("trailer", trailing("37 01")), next]),
  vector("a varint of eleven bytes", [bad("trailer", trailing("38 80 80 80 80 80 80 80 80 80 80 01")), next]),
  vector("a length of eleven bytes", [bad("trailer", trailing("6A 81 80 80 80 80 80 80 80 80 80 00 61")), next]),
  vector("no checksum; the next frame follows", [bad("trailer", P, "00 18 02 20 01"), next]),
  vector("two frames' worth of trailer: the second is garbage", [
    good(trailing("38 01"), 2, 1, "01", { sequence: "1" }),
    bad("garbage", "38 02 7D 00 00 00 00"),
    next,
  ]),
];

const limits = [
  vector("one varint too long for maxTrailer", [bad("trailer", trailing("38 80 80 01")), next], short),
  vector("a fixed64 too long for maxTrailer", [bad("trailer", trailing("31 01 02 03 04 05 06 07 08")), next], short),
  vector("a fixed32 too long for maxTrailer", [bad("trailer", trailing("35 01 02 03 04")), next], short),
  vector("a length too long for maxTrailer", [bad("trailer", trailing("6A 02 61 62")), next], short),
  vector("a second field too long for maxTrailer", [bad("trailer", trailing("38 01 40 01")), next], short),
  vector("with maxTrailer 5 any field is too long", [bad("trailer", trailing("38 01")), next], { options: { maxTrailer: 5 } }),
  vector("a trailer of 1025 bytes, one above the default", [bad("trailer", trailing("72 F9 07", Array(1017).fill("10").join(""))), next]),
  vector("a length of 2147483647 fails at its last byte", [bad("trailer", open({ ver: 2, payload: "01" }), "6A FF FF FF FF 07"), next]),
  vector("a length of 2^32 + 2 is not read as 2", [bad("trailer", trailing("6A 82 80 80 80 10 61 62")), next]),
  vector("a length of 2^64 is not read as 0", [bad("trailer", trailing("6A 80 80 80 80 80 80 80 80 80 02")), next]),
  vector("a length of 2^64 - 1 is not read as -1", [bad("trailer", trailing("6A FF FF FF FF FF FF FF FF FF 01")), next]),
  vector("a length of 2^63 + 1 is not negative", [bad("trailer", trailing("6A 81 80 80 80 80 80 80 80 80 01 61")), next]),
];

const flipped = Uint8Array.from(cat(B), (byte, i) => (i === 17 ? byte ^ 1 : byte));
const withFrameInside = cat(P, "22 18 02 20 01 2A 22 01 02 03 04", B, "05 06 07 7D 00 00 00 00");

const checksums = [
  vector("one bit of the payload flipped", [bad("checksum", flipped), next]),
  vector("one bit of the checksum flipped", [bad("checksum", cat(B).subarray(0, -1), "C1"), next]),
  vector("one bit of cmd flipped", [bad("checksum", "08 F5 F9 F7 F6 07 10 07 18 02 20 80 02 2A 07", HELLO, "7D 24 98 1B C0"), next]),
  vector("version 3 in place of 2", [bad("checksum", "08 F5 F9 F7 F6 07 10 07 18 03 20 81 02 2A 07", HELLO, "7D 24 98 1B C0"), next]),
  vector("the checksum in big-endian order", [
    bad("checksum", "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07", HELLO, "7D C0 1B 98 24"),
    next,
  ]),
  vector("2A 00 put in after the checksum was taken", [
    bad("checksum", seal(open({ ver: 2 })).subarray(0, 12), "2A 00", seal(open({ ver: 2 })).subarray(12)),
    next,
  ]),
  vector("a seeded frame read without a seed", [bad("checksum", v2(257, HELLO, { seed: 1 })), next]),
  vector("an unseeded frame read with a seed", [bad("checksum", B), good(v2(1, "01", { seed: 1 }), 2, 1, "01")], {
    options: { checksumSeed: 1 },
  }),
  vector("another seed", [bad("checksum", v2(257, HELLO, { seed: 2 })), good(v2(1, "01", { seed: 1 }), 2, 1, "01")], {
    options: { checksumSeed: 1 },
  }),
  vector("a bad checksum ends with 08: the next frame is found", [bad("checksum", cat(B).subarray(0, -1), "08"), next]),
  vector("a whole frame inside the payload of a frame with a bad checksum is delivered when there is no seed", [
    bad("checksum", withFrameInside.subarray(0, 18)),
    next,
    bad("garbage", "05 06 07 7D 00 00 00 00"),
    next,
  ]),
  vector(
    "the same with a seed: the frame inside fails",
    [
      bad("checksum", withFrameInside.subarray(0, 18)),
      bad("checksum", B, "05 06 07 7D 00 00 00 00"),
      good(v2(257, HELLO, { seed: 99 }), 2, 257, HELLO),
    ],
    { options: { checksumSeed: 99, minVersion: 2 } },
  ),
  vector("three damaged frames in a row are three discards", [
    bad("checksum", flipped),
    bad("checksum", flipped),
    bad("checksum", flipped),
    next,
  ]),
  vector("a damaged frame claims the good frames behind it; they are delivered", [
    bad("checksum", P, "36 18 02 20 01 2A 36"),
    next,
    next,
    bad("garbage", "7D 00 00 00 00"),
    next,
  ]),
  vector("a trailer of bytes that are all allowed, with a wrong checksum", [
    bad("checksum", open({ ver: 2, payload: fill(3, 9), trailer: "30 01 38 01 48 01" }), "7D DE AD BE EF"),
    next,
  ]),
];

export const cases = [...grammar, ...limits, ...checksums];
