/** Candidates that fail in the head, from LEN to N. Each bad frame is followed by a good one. */
import { open, v1, v2 } from "../../helpers/wire-builder.js";
import { bad, badAt, good, type Piece, vector } from "../case.js";

const HELLO = "0A 05 68 65 6C 6C 6F";
const A = "08 F5 F9 F7 F6 07 10 07 20 81 02 2A 07 0A 05 68 65 6C 6C 6F";
const B = "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 6C 6C 6F 7D 24 98 1B C0";
const P = "08 F5 F9 F7 F6 07 10";
const next: Piece = good(A, 1, 257, HELLO);
const next2: Piece = good(B, 2, 257, HELLO);

export const description = "Candidates that fail between the prefix and the payload";

const varints = [
  vector("length 0 in two bytes is overlong", [bad("varint", P, "80 00 20 01"), next]),
  vector("length 7 in two bytes is overlong", [bad("varint", P, "87 00 20 01 2A 07", HELLO), next]),
  vector("length 7 in five bytes is overlong", [bad("varint", P, "87 80 80 80 00 20 01 2A 07", HELLO), next]),
  vector("length 7 in ten bytes is overlong", [bad("varint", P, "87 80 80 80 80 80 80 80 80 00 20 01 2A 07", HELLO), next]),
  vector("length 2147483648 is wider than int32", [bad("varint", P, "80 80 80 80 08 20 01"), next]),
  vector("length 4294967303 is not read as 7", [bad("varint", P, "87 80 80 80 10 20 01 2A 07", HELLO), next]),
  vector("length 34359738368 + 7 is not read as 7", [bad("varint", P, "87 80 80 80 80 01 20 01 2A 07", HELLO), next]),
  vector("length -1 in ten bytes", [bad("varint", P, "FF FF FF FF FF FF FF FF FF 01 20 01"), next]),
  vector("length -1 in five bytes", [bad("varint", P, "FF FF FF FF 0F 20 01"), next]),
  vector("a length that never ends", [bad("varint", P, "FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF"), next]),
  vector("n in two bytes is overlong", [bad("varint", P, "07 20 01 2A 87 00", HELLO), next]),
  vector("n 0 in two bytes is overlong", [bad("varint", P, "00 18 02 20 01 2A 80 00 7D 00 00 00 00"), next2]),
  vector("n 4294967303 is not read as 7", [bad("varint", P, "07 20 01 2A 87 80 80 80 10", HELLO), next]),
  vector("n -1 in ten bytes", [bad("varint", P, "07 20 01 2A FF FF FF FF FF FF FF FF FF 01", HELLO), next]),
  vector("version 2 in two bytes is overlong", [bad("varint", P, "00 18 82 00 20 01"), next2]),
  vector("version 0 in two bytes is overlong", [bad("varint", P, "00 18 80 00 20 01"), next2]),
  vector("version 2147483648 is wider than int32", [bad("varint", P, "00 18 80 80 80 80 08 20 01"), next2]),
  vector("version 4294967298 is not read as 2", [bad("varint", P, "00 18 82 80 80 80 10 20 01"), next2]),
  vector("version -1", [bad("varint", P, "00 18 FF FF FF FF FF FF FF FF FF 01 20 01"), next2]),
  vector("cmd 1 in two bytes is overlong", [bad("varint", P, "00 20 81 00"), next]),
  vector("cmd 0 in two bytes is overlong", [bad("varint", P, "00 20 80 00"), next]),
  vector("cmd 1 in five bytes is overlong", [bad("varint", P, "00 20 81 80 80 80 00"), next]),
  vector("cmd 1 in ten bytes is overlong", [bad("varint", P, "00 20 81 80 80 80 80 80 80 80 80 00"), next]),
  vector("cmd 2147483648 is wider than int32", [bad("varint", P, "00 20 80 80 80 80 08"), next]),
  vector("cmd -1 in five bytes is not sign-extended", [bad("varint", P, "00 20 FF FF FF FF 0F"), next]),
  vector("cmd 4294967297 is not read as 1", [bad("varint", P, "00 20 81 80 80 80 10"), next]),
  vector("cmd in ten bytes whose fifth byte is F0", [bad("varint", P, "00 20 FF FF FF FF F0 FF FF FF FF 01"), next]),
  vector("cmd in ten bytes whose sixth byte is FE", [bad("varint", P, "00 20 FF FF FF FF FF FE FF FF FF 01"), next]),
  vector("cmd in nine bytes", [bad("varint", P, "00 20 FF FF FF FF FF FF FF FF 7F"), next]),
  vector("cmd whose tenth byte is 00", [bad("varint", P, "00 20 FF FF FF FF FF FF FF FF FF 00"), next]),
  vector("cmd whose tenth byte is 7F", [bad("varint", P, "00 20 FF FF FF FF FF FF FF FF FF 7F"), next]),
  vector("cmd that never ends", [bad("varint", P, "00 20 FF FF FF FF FF FF FF FF FF FF FF FF FF FF"), next]),
];

const limits = [
  vector("a payload of maxPayload + 1", [bad("oversize", v1(1, "01 02 03 04 05 06 07 08")), next], { options: { maxPayload: 7 } }),
  vector("a payload of maxPayload + 1 in version 2", [bad("oversize", v2(1, "01 02 03 04 05 06 07 08")), next2], {
    options: { maxPayload: 7 },
  }),
  vector("length 1048577, one above the default maxPayload, fails at N", [badAt(16, "oversize", P, "81 80 40 20 01 2A 81 80 40"), next]),
  vector("length 2147483647, the highest int32", [bad("oversize", P, "FF FF FF FF 07 20 01 2A FF FF FF FF 07"), next]),
  vector("good frames before and behind an oversize one in one chunk", [next, bad("oversize", v1(1, "01 02 03 04 05 06 07 08")), next], {
    options: { maxPayload: 7 },
  }),
  vector("a bad version is told before oversize", [badAt(10, "version", P, "08 18 00 20 01"), next], { options: { maxPayload: 7 } }),
  vector(
    "a length above maxPayload that N contradicts was damaged",
    [badAt(12, "redundancy", P, "08 20 01 2A 07 01 02 03 04 05 06 07"), next],
    {
      options: { maxPayload: 7 },
    },
  ),
  vector("a length above maxPayload whose N is missing", [badAt(11, "truncated", P, "08 20 01 2A")], { options: { maxPayload: 7 } }),
  vector("a length above maxPayload, and a wrong tag instead of N", [badAt(11, "header", P, "08 20 01 2B 08"), next], {
    options: { maxPayload: 7 },
  }),
  vector("a frame inside an oversize payload is delivered without a session", [bad("oversize", P, "14 20 01 2A 14"), next], {
    options: { maxPayload: 7 },
  }),
  vector("with maxPayload 0 one byte is too much", [bad("oversize", v1(1, "01")), good("08 F5 F9 F7 F6 07 10 00 20 01", 1, 1)], {
    options: { maxPayload: 0 },
  }),
  vector("version 0", [bad("version", P, "00 18 00 20 01"), next2]),
  vector("minVersion 2 refuses an absent version", [bad("version", A), next2], { options: { minVersion: 2 } }),
  vector("minVersion 2 refuses version 1 written out", [bad("version", open({ ver: 1, payload: "01" })), next2], {
    options: { minVersion: 2 },
  }),
  vector("minVersion 2 refuses an empty version 1 frame; its 2A 00 goes with it", [bad("version", P, "00 20 01 2A 00"), next2], {
    options: { minVersion: 2 },
  }),
  vector("minVersion 3 refuses version 2", [bad("version", B), good(v2(9, "01", { ver: 3 }), 3, 9, "01")], { options: { minVersion: 3 } }),
];

const order = [
  vector("length and n disagree: n is larger", [bad("redundancy", P, "06 20 01 2A 07", HELLO), next]),
  vector("length and n disagree: n is smaller", [bad("redundancy", P, "08 20 01 2A 07", HELLO), next]),
  vector("length and n disagree: n is 0", [bad("redundancy", P, "07 20 01 2A 00"), next]),
  vector("length and n disagree: n claims 2 GiB", [bad("redundancy", P, "07 20 01 2A FF FF FF FF 07"), next]),
  vector("length and n disagree: length 0, version 2", [bad("redundancy", P, "00 18 02 20 01 2A 01 FF 7D 00 00 00 00"), next2]),
  vector("a tag behind length that is neither version nor cmd", [bad("header", P, "01 2A 01 FF"), next]),
  vector("length twice", [bad("header", P, "01 10 01 20 01 2A 01 FF"), next]),
  vector("version twice", [bad("header", P, "01 18 01 18 01 20 01 2A 01 FF"), next]),
  vector("cmd twice", [bad("header", P, "01 20 01 20 01 2A 01 FF"), next]),
  vector("version behind cmd", [bad("header", P, "01 20 01 18 02 2A 01 FF"), next]),
  vector("version behind an empty version 1 frame is garbage", [
    good("08 F5 F9 F7 F6 07 10 00 20 01", 1, 1),
    bad("garbage", "18 02"),
    next,
  ]),
  vector("magic twice: the second has no length behind it", [bad("garbage", "08 F5 F9 F7 F6 07"), next]),
  vector("version in front of length is no prefix", [bad("garbage", "08 F5 F9 F7 F6 07 18 01 10 01 20 01 2A 01 FF"), next]),
  vector("a payload that is missing in version 1", [bad("header", P, "01 20 01"), next]),
  vector("a payload that is missing in version 2", [bad("header", P, "01 18 02 20 01 7D 00 00 00 00"), next2]),
  vector("cmd as fixed32", [bad("header", P, "01 25 01 00 00 00 2A 01 FF"), next]),
  vector("the payload as a group", [bad("header", P, "01 20 01 2B FF 2C"), next]),
  vector("a zero byte behind length", [bad("header", P, "01 00 20 01 2A 01 FF"), next]),
];

export const cases = [...varints, ...limits, ...order];
