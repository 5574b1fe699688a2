/** Undamaged version 1 frames. */
import { cat, fill, open, v1 } from "../../helpers/wire-builder.js";
import { bad, good, swallowed, vector } from "../case.js";

const HELLO = "0A 05 68 65 6C 6C 6F";
const A = "08 F5 F9 F7 F6 07 10 07 20 81 02 2A 07 0A 05 68 65 6C 6C 6F";
const EMPTY = "08 F5 F9 F7 F6 07 10 00 20 82 02";

export const description = "Undamaged version 1 frames";

export const cases = [
  vector("the smallest frame: cmd 0 and no payload", [good("08 F5 F9 F7 F6 07 10 00 20 00", 1, 0)]),
  vector("a payload of 7 bytes", [good(A, 1, 257, HELLO)]),
  vector("a payload of 1 byte", [good("08 F5 F9 F7 F6 07 10 01 20 01 2A 01 FF", 1, 1, "FF")]),
  vector("version 1 written out", [good("08 F5 F9 F7 F6 07 10 01 18 01 20 01 2A 01 FF", 1, 1, "FF")]),
  vector("an empty payload that is not written", [good(EMPTY, 1, 258)]),
  vector("an empty payload that is written: 2A 00 is swallowed", [good(EMPTY, 1, 258), swallowed]),
  vector("version 1 written out, empty payload written", [good("08 F5 F9 F7 F6 07 10 00 18 01 20 01", 1, 1), swallowed]),
  vector("empty frames with and without 2A 00 in a row", [
    good(EMPTY, 1, 258),
    swallowed,
    good(EMPTY, 1, 258),
    good(EMPTY, 1, 258),
    swallowed,
  ]),
  vector("only one 2A 00 is swallowed", [good(EMPTY, 1, 258), swallowed, bad("garbage", "2A 00"), good(A, 1, 257, HELLO)]),
  vector("2A 00 behind a frame with a payload is garbage", [good(A, 1, 257, HELLO), bad("garbage", "2A 00"), good(A, 1, 257, HELLO)]),
  vector("2A behind an empty frame, then another byte: both are garbage", [
    good(EMPTY, 1, 258),
    bad("garbage", "2A 05"),
    good(A, 1, 257, HELLO),
  ]),
  vector("2A behind an empty frame, then a frame", [good(EMPTY, 1, 258), bad("garbage", "2A"), good(A, 1, 257, HELLO)]),
  vector("2A behind an empty frame, then the end", [good(EMPTY, 1, 258), bad("garbage", "2A")]),
  vector("2A behind an empty frame, then 2A 00", [good(EMPTY, 1, 258), bad("garbage", "2A 2A 00")]),
  vector("cmd -1 takes ten bytes", [good("08 F5 F9 F7 F6 07 10 00 20 FF FF FF FF FF FF FF FF FF 01", 1, -1)]),
  vector("cmd -2147483648, the lowest", [good("08 F5 F9 F7 F6 07 10 00 20 80 80 80 80 F8 FF FF FF FF 01", 1, -2147483648)]),
  vector("cmd -2147483648 with a payload", [
    good("08 F5 F9 F7 F6 07 10 01 20 80 80 80 80 F8 FF FF FF FF 01 2A 01 00", 1, -2147483648, "00"),
  ]),
  vector("cmd 2147483647, the highest", [good("08 F5 F9 F7 F6 07 10 00 20 FF FF FF FF 07", 1, 2147483647)]),
  vector("cmd at every width of a varint", [
    good("08 F5 F9 F7 F6 07 10 00 20 7F", 1, 127),
    good("08 F5 F9 F7 F6 07 10 00 20 80 01", 1, 128),
    good("08 F5 F9 F7 F6 07 10 00 20 FF 7F", 1, 16383),
    good("08 F5 F9 F7 F6 07 10 00 20 80 80 01", 1, 16384),
    good("08 F5 F9 F7 F6 07 10 00 20 FF FF 7F", 1, 2097151),
    good("08 F5 F9 F7 F6 07 10 00 20 80 80 80 01", 1, 2097152),
    good("08 F5 F9 F7 F6 07 10 00 20 FF FF FF 7F", 1, 268435455),
    good("08 F5 F9 F7 F6 07 10 00 20 80 80 80 80 01", 1, 268435456),
  ]),
  vector("payloads of 127 and 128 bytes: length and n take one and two bytes", [
    good(cat("08 F5 F9 F7 F6 07 10 7F 20 01 2A 7F", fill(127, 0x61)), 1, 1, fill(127, 0x61)),
    good(cat("08 F5 F9 F7 F6 07 10 80 01 20 01 2A 80 01", fill(128, 0x62)), 1, 1, fill(128, 0x62)),
  ]),
  vector("a payload of exactly maxPayload", [good(A, 1, 257, HELLO)], { options: { maxPayload: 7 } }),
  vector("maxPayload 0 takes empty frames", [good(EMPTY, 1, 258), swallowed], { options: { maxPayload: 0 } }),
  vector("a frame inside an undamaged payload is not looked at", [good(v1(3, A), 1, 3, A)]),
  vector("a payload of grammar bytes", [good(v1(3, "08 10 18 20 2A 00 7D"), 1, 3, "08 10 18 20 2A 00 7D")]),
  vector("a payload that ends with part of a prefix", [
    good(v1(3, "01 08 F5 F9 F7 F6 07"), 1, 3, "01 08 F5 F9 F7 F6 07"),
    good(A, 1, 257, HELLO),
  ]),
  vector("the lowest magic, 268435456", [good("08 80 80 80 80 01 10 01 20 01 2A 01 FF", 1, 1, "FF")], { options: { magic: 268435456 } }),
  vector("the highest magic, 2147483647", [good("08 FF FF FF FF 07 10 01 20 01 2A 01 FF", 1, 1, "FF")], { options: { magic: 2147483647 } }),
  vector(
    "a frame of another magic is garbage",
    [bad("garbage", "08 F5 F9 F7 F6 07 10 01 20 01 2A 01 FF"), good(open({ magic: 305419896 }), 1, 1)],
    {
      options: { magic: 305419896 },
    },
  ),
  vector("five frames back to back", [
    good(A, 1, 257, HELLO),
    good(EMPTY, 1, 258),
    swallowed,
    good(v1(-7, "00"), 1, -7, "00"),
    good(EMPTY, 1, 258),
    good(A, 1, 257, HELLO),
  ]),
];
