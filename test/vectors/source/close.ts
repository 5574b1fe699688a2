/** `recovery: "close"`: the stream ends at the first damaged byte (docs/wire.md section 4.5). */
import { cat, open, v1 } from "../../helpers/wire-builder.js";
import { bad, type Extra, good, type Piece, swallowed, unread, type Vector, vector } from "../case.js";

const HELLO = "0A 05 68 65 6C 6C 6F";
const A = "08 F5 F9 F7 F6 07 10 07 20 81 02 2A 07 0A 05 68 65 6C 6C 6F";
const B = "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 6C 6C 6F 7D 24 98 1B C0";
const P = "08 F5 F9 F7 F6 07 10";
const a: Piece = good(A, 1, 257, HELLO);
const b: Piece = good(B, 2, 257, HELLO);
const empty: Piece = good("08 F5 F9 F7 F6 07 10 00 20 82 02", 1, 258);
const more: Piece = unread(A);

function closing(
  name: string,
  pieces: readonly Piece[],
  error: NonNullable<Extra["error"]> = "frame-malformed",
  options: Extra["options"] = {},
): Vector {
  return vector(name, pieces, { options: { ...options, recovery: "close" }, error });
}

export const description = 'With recovery "close" the stream ends at the first damaged byte';

export const cases = [
  vector("an undamaged stream is read as ever", [a, empty, swallowed, b, empty, a], { options: { recovery: "close" } }),
  closing("the first byte is not 08", [bad("garbage", "00"), more]),
  closing("a byte of garbage between frames", [a, b, bad("garbage", "FF"), more]),
  closing("the fourth byte of the prefix is wrong", [a, bad("garbage", "08 F5 F9 00"), more]),
  closing("the prefix breaks off and starts again", [bad("garbage", "08 F5 08"), unread("F5 F9 F7 F6 07 10 00 20 01")]),
  closing("08 08", [bad("garbage", "08 08"), unread("08")]),
  closing("an overlong length, told at its 00", [a, bad("varint", P, "87 00"), unread("20 01 2A 07"), more]),
  closing("a length wider than int32, told at its fifth byte", [bad("varint", P, "FF FF FF FF FF"), unread("FF FF FF FF 01 20 01")]),
  closing("oversize, told at the last byte of N", [a, bad("oversize", P, "08 20 01 2A 08"), unread("01 02"), more], "frame-too-large", {
    maxPayload: 7,
  }),
  closing(
    "a good frame in front of an oversize one in the same chunk is delivered",
    [a, bad("oversize", P, "FF FF FF FF 07 20 01 2A FF FF FF FF 07")],
    "frame-too-large",
  ),
  closing(
    "a length above maxPayload that N contradicts was damaged",
    [a, bad("redundancy", P, "08 20 01 2A 07"), unread(HELLO), more],
    "frame-malformed",
    {
      maxPayload: 7,
    },
  ),
  closing("a wrong tag behind length", [bad("header", P, "01 2A"), unread("01 FF")]),
  closing("a wrong tag behind version", [bad("header", P, "01 18 02 18"), unread("02")]),
  closing("a wrong tag behind cmd", [bad("header", P, "01 20 01 08"), unread("01")]),
  closing("version 0", [bad("version", P, "01 18 00"), unread("20 01")]),
  closing("minVersion 2 and no version, told at the tag of cmd", [bad("version", P, "01 20"), unread("01 2A 01 FF")], "frame-malformed", {
    minVersion: 2,
  }),
  closing("an overlong version", [bad("varint", P, "01 18 82 00"), unread("20 01")]),
  closing("a cmd that is not sign-extended, told at its fifth byte", [bad("varint", P, "01 20 FF FF FF FF 0F"), unread("2A 01 FF")]),
  closing("a cmd whose seventh byte is wrong", [bad("varint", P, "01 20 FF FF FF FF FF FF 7F"), unread("2A 01 FF")]),
  closing("length and n disagree, told at n", [bad("redundancy", P, "07 20 01 2A 06"), unread(HELLO)]),
  closing("a trailer field out of order, told at its tag", [
    bad("trailer", open({ ver: 2, payload: "01", trailer: "40 01 38" })),
    unread("01 7D"),
  ]),
  closing("a trailer length without room, told at the length", [
    bad("trailer", open({ ver: 2, payload: "01", trailer: "6A FC 07" })),
    unread("61"),
  ]),
  closing(
    "a fixed64 without room, told at its tag",
    [bad("trailer", open({ ver: 2, payload: "01", trailer: "31" })), unread("00 00")],
    "frame-malformed",
    {
      maxTrailer: 12,
    },
  ),
  closing(
    "a varint without room, told at its continued byte",
    [bad("trailer", open({ ver: 2, payload: "01", trailer: "38 80" })), unread("01 7D")],
    "frame-malformed",
    { maxTrailer: 7 },
  ),
  closing("an eleventh byte of a varint is not waited for", [
    bad("trailer", open({ ver: 2, payload: "01", trailer: "38 80 80 80 80 80 80 80 80 80 80" })),
    unread("01 7D"),
  ]),
  closing("a wrong checksum, told at its last byte", [b, bad("checksum", cat(B).subarray(0, -1), "C1"), more]),
  closing("cut off in the prefix", [a, bad("truncated", "08 F5 F9")]),
  closing("cut off in a frame", [a, b, bad("truncated", cat(B).subarray(0, 20))]),
  closing("a claim beyond the end is not searched for frames", [bad("truncated", P, "E8 07 20 01 2A E8 07", A, B)]),
  closing("2A behind an empty frame, told at the byte behind it", [empty, bad("garbage", "2A 08"), unread(cat(A).subarray(1))]),
  closing("2A behind an empty frame, then the end", [empty, bad("garbage", "2A")]),
  closing("a second 2A 00", [empty, swallowed, bad("garbage", "2A"), unread("00")]),
  closing("2A 00 behind a frame with a payload", [a, bad("garbage", "2A"), unread("00")]),
  closing("a frame of another magic", [good(v1(1, "01"), 1, 1, "01"), bad("garbage", "08 F5 F9 F7 F7"), unread("07 10 00 20 01")]),
];
