/** Garbage, cut-off frames, and what a resynchronising reader finds in them. */
import { cat, fill, open, v1, v2 } from "../../helpers/wire-builder.js";
import { bad, good, type Piece, swallowed, vector } from "../case.js";

const HELLO = "0A 05 68 65 6C 6C 6F";
const A = "08 F5 F9 F7 F6 07 10 07 20 81 02 2A 07 0A 05 68 65 6C 6C 6F";
const B = "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 6C 6C 6F 7D 24 98 1B C0";
const P = "08 F5 F9 F7 F6 07 10";
const a: Piece = good(A, 1, 257, HELLO);
const b: Piece = good(B, 2, 257, HELLO);

export const description = "Garbage, truncation, and finding the next frame";

const garbage = [
  vector("nothing at all", []),
  vector("nothing but garbage", [bad("garbage", "00 01 02 03 FF")]),
  vector("one byte of garbage in front", [bad("garbage", "00"), a]),
  vector("garbage in front, between and behind", [bad("garbage", "FF FE"), a, bad("garbage", "00"), b, bad("garbage", "01 02 03")]),
  vector("08 08 08 in front", [bad("garbage", "08 08 08"), a]),
  vector("08 08 08 and nothing else: the last may begin a frame", [bad("garbage", "08 08"), bad("truncated", "08")]),
  vector("a thousand times 08", [bad("garbage", fill(999, 8)), bad("truncated", "08")]),
  vector("a part of a prefix, then a whole frame", [bad("garbage", "08 F5 F9 F7 F6 07"), a]),
  vector("parts of a prefix of every length, then a frame", [
    bad("garbage", "08 08 F5 08 F5 F9 08 F5 F9 F7 08 F5 F9 F7 F6 08 F5 F9 F7 F6 07"),
    a,
  ]),
  vector("the prefix with its last byte wrong", [bad("garbage", "08 F5 F9 F7 F6 07 11 01 20 01"), a]),
  vector("the prefix with each other byte wrong", [
    bad(
      "garbage",
      "09 F5 F9 F7 F6 07 10 08 F4 F9 F7 F6 07 10 08 F5 F8 F7 F6 07 10 08 F5 F9 F6 F6 07 10 08 F5 F9 F7 F7 07 10 08 F5 F9 F7 F6 06 10",
    ),
    a,
  ]),
  vector("the magic without its tag", [bad("garbage", "F5 F9 F7 F6 07 10 01 20 01"), b]),
  vector("the prefix again and again: 08 is the end of a length, then a wrong tag", [
    bad("header", P, "88"),
    bad("header", P, "00"),
    bad("header", P, "05"),
    bad("truncated", P),
  ]),
  vector("garbage that ends with part of a prefix, then a frame", [bad("garbage", "00 08 F5 F9"), a]),
  vector("an HTTP request in front of a frame", [bad("garbage", new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), a]),
];

const cutOff = [
  vector("one byte of the prefix", [a, bad("truncated", "08")]),
  vector("three bytes of the prefix", [a, bad("truncated", "08 F5 F9")]),
  vector("six bytes of the prefix", [a, bad("truncated", "08 F5 F9 F7 F6 07")]),
  vector("garbage, then three bytes of the prefix", [bad("garbage", "AA BB"), bad("truncated", "08 F5 F9")]),
  vector("three bytes of the prefix that were cut off earlier are garbage", [bad("garbage", "08 F5 F9 00")]),
  vector("the prefix alone", [bad("truncated", P)]),
  vector("cut off in length", [bad("truncated", P, "87")]),
  vector("cut off behind length", [bad("truncated", P, "07")]),
  vector("cut off behind the tag of version", [bad("truncated", P, "07 18")]),
  vector("cut off in version", [bad("truncated", P, "07 18 82")]),
  vector("cut off behind the tag of cmd", [bad("truncated", P, "07 20")]),
  vector("cut off in cmd", [bad("truncated", P, "07 20 81")]),
  vector("cut off in a negative cmd", [bad("truncated", P, "07 20 FF FF FF FF FF FF")]),
  vector("cut off behind cmd, payload awaited", [bad("truncated", P, "07 20 81 02")]),
  vector("cut off behind the tag of the payload", [bad("truncated", P, "07 20 81 02 2A")]),
  vector("cut off in the payload", [bad("truncated", P, "07 20 81 02 2A 07 0A 05 68")]),
  vector("cut off one byte before the end", [bad("truncated", cat(A).subarray(0, -1))]),
  vector("version 2 with length 0 waits behind cmd for its trailer", [bad("truncated", P, "00 18 02 20 01")]),
  vector("cut off in front of the trailer", [bad("truncated", open({ ver: 2, payload: HELLO }))]),
  vector("cut off in a varint of the trailer", [bad("truncated", open({ ver: 2, payload: HELLO, trailer: "38 80" }))]),
  vector("cut off in a string of the trailer", [bad("truncated", open({ ver: 2, payload: HELLO, trailer: "6A 05 61 62" }))]),
  vector("cut off behind the tag of the checksum", [bad("truncated", cat(B).subarray(0, -4))]),
  vector("cut off in the checksum", [bad("truncated", cat(B).subarray(0, -1))]),
];

const claims = [
  vector("a cut-off frame, then a good one: the claim ends inside the good one and fails", [
    bad("trailer", "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68"),
    b,
  ]),
  vector("a cut-off version 1 frame takes bytes of the next: version 1 cannot tell", [
    good(cat("08 F5 F9 F7 F6 07 10 07 20 81 02 2A 07 0A 05 68", cat(A).subarray(0, 4)), 1, 257, "0A 05 68 08 F5 F9 F7"),
    bad("garbage", cat(A).subarray(4)),
    a,
  ]),
  vector("a claim beyond the end holds good frames back until the flush", [bad("truncated", P, "E8 07 20 01 2A E8 07"), a, b, a], {
    beforeFlush: 0,
  }),
  vector("good frames before such a claim are delivered at once", [a, b, bad("truncated", P, "E8 07 18 02 20 01 2A E8 07"), b], {
    beforeFlush: 2,
  }),
  vector(
    "claims inside claims",
    [
      bad("truncated", P, "E8 07 20 01 2A E8 07"),
      bad("truncated", P, "E9 07 20 01 2A E9 07 AA"),
      a,
      bad("garbage", "55"),
      bad("truncated", P, "EA 07 18"),
    ],
    { beforeFlush: 0 },
  ),
  vector("a claim that fails at the flush, and part of a prefix behind it", [
    bad("truncated", P, "20 20 01 2A 20 01 02 03"),
    bad("truncated", "08 F5"),
  ]),
  vector("a failed candidate, and part of a prefix behind it", [bad("header", P, "01 00"), bad("truncated", "08 F5 F9 F7")]),
  vector(
    "an empty version 1 frame inside a claim is delivered at the flush",
    [bad("truncated", P, "20 20 01 2A 20 01"), good(v1(3), 1, 3), swallowed, bad("garbage", "07")],
    { beforeFlush: 0 },
  ),
  vector("a damaged outer frame with an undamaged frame and a damaged one inside", [
    bad("checksum", P, "3A 18 02 20 01 2A 3A"),
    b,
    bad("checksum", cat(B).subarray(0, -1), "C1 01 02 03 04 7D 00 00 00 00"),
    b,
  ]),
  vector(
    "frames of 300 and 700 bytes inside the payload of a damaged one, seeded",
    [
      bad("checksum", P, "97 08 18 02 20 01 2A 97 08 41"),
      good(v2(9, fill(300, 0x5a), { seed: 77 }), 2, 9, fill(300, 0x5a)),
      good(v2(9, fill(700, 0xa5), { seed: 77 }), 2, 9, fill(700, 0xa5)),
      bad("garbage", "55 55 55 55 7D 00 00 00 00"),
      good(v2(9, fill(700, 0xa5), { seed: 77 }), 2, 9, fill(700, 0xa5)),
    ],
    { options: { checksumSeed: 77 } },
  ),
  vector("two headers claim one common end whose checksum is wrong", [
    bad("checksum", P, "1A 18 02 20 01 2A 1A"),
    bad("checksum", P, "0C 18 02 20 01 2A 0C", fill(12, 0x41), "7D 01 02 03 04"),
    b,
  ]),
  vector("a damaged length that claims less: the rest of the payload is garbage to version 1", [
    good("08 F5 F9 F7 F6 07 10 03 20 01 2A 03 61 62 63", 1, 1, "61 62 63"),
    bad("garbage", "64 65 66 67"),
    a,
  ]),
  vector("a byte lost from the payload", [
    bad("trailer", "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 6C 6C 7D 24 98 1B C0"),
    b,
  ]),
  vector("a byte added to the payload", [
    bad("trailer", "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 65 6C 6C 6F 7D 24 98 1B C0"),
    b,
  ]),
  vector("the first byte lost", [bad("garbage", cat(B).subarray(1)), b]),
  vector("the last byte lost: the next frame's 08 is not its checksum", [bad("checksum", cat(B).subarray(0, -1)), b]),
  vector("a frame that arrives twice is two frames", [b, b]),
  vector("a chunk from the middle of a frame repeated", [
    bad("trailer", "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 05 68 65 6C 6C 6F 7D 24 98 1B C0"),
    b,
  ]),
  vector(
    "byte by byte, a frame behind many candidates keeps its offsets",
    [
      bad("garbage", "08 4F 10"),
      ...Array<Piece>(4).fill(bad("header", P)),
      bad("header", P, "08 F5"),
      bad("truncated", P, "01 18 80 01 20 00 2A 01 08 6A 28 C9 DE 91 0E CB AA"),
      good(v2(7, "B4 90 72 67 BF EB"), 2, 7, "B4 90 72 67 BF EB"),
    ],
    { beforeFlush: 0 },
  ),
  vector("good frames and huge claims in turn", [
    b,
    bad("oversize", P, "FF FF FF FF 07 20 01 2A FF FF FF FF 07"),
    b,
    bad("header", P, "FF FF FF FF 07"),
    b,
  ]),
  vector("a prefix inside the payload of a damaged frame, and one inside a good frame", [
    bad("checksum", P, "0B 18 02 20 01 2A 0B 01 02"),
    bad("header", P, "04 03 7D 00 00 00 00"),
    good(v2(5, P), 2, 5, P),
  ]),
];

export const cases = [...garbage, ...cutOff, ...claims];
