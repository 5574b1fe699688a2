/** Undamaged frames of version 2 and above. */
import { cat, fill, open, seal, v1, v2 } from "../../helpers/wire-builder.js";
import { bad, good, vector } from "../case.js";

const HELLO = "0A 05 68 65 6C 6C 6F";
const B = "08 F5 F9 F7 F6 07 10 07 18 02 20 81 02 2A 07 0A 05 68 65 6C 6C 6F 7D 24 98 1B C0";

export const description = "Undamaged frames of version 2 and above";

export const cases = [
  vector("a payload, no trailer field but the checksum", [good(B, 2, 257, HELLO)]),
  vector("no payload field", [good(v2(1), 2, 1)]),
  vector("an empty payload written as 2A 00", [good(v2(1, ""), 2, 1)]),
  vector("cmd -1", [good(v2(-1, HELLO), 2, -1, HELLO)]),
  vector("version 3 has the same framing", [good(v2(1, HELLO, { ver: 3 }), 3, 1, HELLO)]),
  vector("version 2147483647, the highest", [good(v2(1, HELLO, { ver: "FF FF FF FF 07" }), 2147483647, 1, HELLO)]),
  vector("timestamp", [good(v2(1, "01", { trailer: "30 80 D0 95 FF BC 31" }), 2, 1, "01", { timestamp: "1700000000000" })]),
  vector("timestamp 0 written out", [good(v2(1, "01", { trailer: "30 00" }), 2, 1, "01", { timestamp: "0" })]),
  vector("timestamp -1", [good(v2(1, "01", { trailer: "30 FF FF FF FF FF FF FF FF FF 01" }), 2, 1, "01", { timestamp: "-1" })]),
  vector("timestamp -9223372036854775808, the lowest", [
    good(v2(1, "01", { trailer: "30 80 80 80 80 80 80 80 80 80 01" }), 2, 1, "01", { timestamp: "-9223372036854775808" }),
  ]),
  vector("sequence", [good(v2(1, "01", { trailer: "38 01" }), 2, 1, "01", { sequence: "1" })]),
  vector("sequence 18446744073709551615, the highest", [
    good(v2(1, "01", { trailer: "38 FF FF FF FF FF FF FF FF FF 01" }), 2, 1, "01", { sequence: "18446744073709551615" }),
  ]),
  vector("sequence and ack around 2^53", [
    good(v2(1, "01", { trailer: "38 FF FF FF FF FF FF FF 0F 40 81 80 80 80 80 80 80 10" }), 2, 1, "01", {
      sequence: "9007199254740991",
      ack: "9007199254740993",
    }),
  ]),
  vector("ack", [good(v2(1, "01", { trailer: "40 AC 02" }), 2, 1, "01", { ack: "300" })]),
  vector("call_id", [good(v2(1, "01", { trailer: "48 07" }), 2, 1, "01", { callId: 7 })]),
  vector("call_id 4294967295, the highest", [good(v2(1, "01", { trailer: "48 FF FF FF FF 0F" }), 2, 1, "01", { callId: 4294967295 })]),
  vector("call_id of a 64-bit varint is its lowest 32 bits", [
    good(v2(1, "01", { trailer: "48 85 80 80 80 F0 FF FF FF FF 01" }), 2, 1, "01", { callId: 5 }),
  ]),
  vector("kind", [good(v2(1, "01", { trailer: "50 02" }), 2, 1, "01", { kind: 2 })]),
  vector("a kind that nobody knows", [good(v2(1, "01", { trailer: "50 C8 01" }), 2, 1, "01", { kind: 200 })]),
  vector("status", [good(v2(1, "01", { trailer: "58 0C" }), 2, 1, "01", { status: 12 })]),
  vector("status -1", [good(v2(1, "01", { trailer: "58 FF FF FF FF FF FF FF FF FF 01" }), 2, 1, "01", { status: -1 })]),
  vector("timeout_ms", [good(v2(1, "01", { trailer: "60 88 27" }), 2, 1, "01", { timeoutMs: 5000 })]),
  vector("trace", [good(v2(1, "01", { trailer: "6A 03 30 30 2D" }), 2, 1, "01", { trace: "00-" })]),
  vector("an empty trace", [good(v2(1, "01", { trailer: "6A 00" }), 2, 1, "01", { trace: "" })]),
  vector("trace in UTF-8", [good(v2(1, "01", { trailer: "6A 06 C3 A9 E2 82 AC 21" }), 2, 1, "01", { trace: "é€!" })]),
  vector("a byte order mark is a character of a trace like any other", [
    good(v2(1, "01", { trailer: "6A 04 EF BB BF 61" }), 2, 1, "01", { trace: "\ufeffa" }),
  ]),
  vector("ext", [good(v2(1, "01", { trailer: "72 04 12 02 6E 6F" }), 2, 1, "01", { ext: "12 02 6E 6F" })]),
  vector("an empty ext", [good(v2(1, "01", { trailer: "72 00" }), 2, 1, "01", { ext: "" })]),
  vector("all trailer fields", [
    good(v2(1, "01", { trailer: "30 01 38 02 40 03 48 04 50 05 58 06 60 07 6A 01 61 72 02 12 00" }), 2, 1, "01", {
      timestamp: "1",
      sequence: "2",
      ack: "3",
      callId: 4,
      kind: 5,
      status: 6,
      timeoutMs: 7,
      trace: "a",
      ext: "12 00",
    }),
  ]),
  vector("trailer fields and no payload field", [good(v2(0, undefined, { trailer: "40 01 50 0B" }), 2, 0, "", { ack: "1", kind: 11 })]),
  vector("a field of wire type 1 is skipped", [
    good(v2(1, "01", { trailer: "31 08 F5 F9 F7 F6 07 10 00 38 09" }), 2, 1, "01", { sequence: "9" }),
  ]),
  vector("a field of wire type 2 where the proto has a varint is skipped", [
    good(v2(1, "01", { trailer: "3A 03 01 02 03 40 09" }), 2, 1, "01", { ack: "9" }),
  ]),
  vector("a field of wire type 5 is skipped", [good(v2(1, "01", { trailer: "55 7D 7D 7D 7D 58 01" }), 2, 1, "01", { status: 1 })]),
  vector("trace and ext as varints are skipped", [good(v2(1, "01", { trailer: "60 01 68 05 70 05" }), 2, 1, "01", { timeoutMs: 1 })]),
  vector("every field with every other wire type", [
    good(
      v2(1, "01", {
        trailer: cat(
          "32 00",
          "3D 00 00 00 00",
          "41",
          fill(8, 0xff),
          "4A 01 FF",
          "55 FF FF FF FF",
          "5A 00",
          "61",
          fill(8, 0),
          "6D 01 02 03 04",
          "71",
          fill(8, 1),
        ),
      }),
      2,
      1,
      "01",
    ),
  ]),
  vector("a varint in the trailer need not be minimal", [good(v2(1, "01", { trailer: "38 81 80 00" }), 2, 1, "01", { sequence: "1" })]),
  vector("a varint of ten bytes whose tenth is 7F: bits above 64 do not count", [
    good(v2(1, "01", { trailer: "38 82 80 80 80 80 80 80 80 80 7E" }), 2, 1, "01", { sequence: "2" }),
  ]),
  vector("a length in the trailer need not be minimal", [good(v2(1, "01", { trailer: "6A 82 80 00 61 62" }), 2, 1, "01", { trace: "ab" })]),
  vector("a value that looks like the checksum's tag", [
    good(v2(1, "01", { trailer: "38 7D 58 7D" }), 2, 1, "01", { sequence: "125", status: 125 }),
  ]),
  vector("a trailer of exactly maxTrailer: checksum only", [good(v2(1, "01"), 2, 1, "01")], { options: { maxTrailer: 5 } }),
  vector("a trailer of exactly maxTrailer: one varint", [good(v2(1, "01", { trailer: "38 80 01" }), 2, 1, "01", { sequence: "128" })], {
    options: { maxTrailer: 8 },
  }),
  vector("a trailer of exactly maxTrailer: a trace", [good(v2(1, "01", { trailer: "6A 02 61 62" }), 2, 1, "01", { trace: "ab" })], {
    options: { maxTrailer: 9 },
  }),
  vector("a trailer of 1024 bytes, the default", [
    good(v2(1, "01", { trailer: cat("72 F8 07", fill(1016, 0x10)) }), 2, 1, "01", { ext: Array(1016).fill("10").join(" ") }),
  ]),
  vector("seeded with 0x12345678", [good(v2(1, HELLO, { seed: 0x12345678 }), 2, 1, HELLO)], { options: { checksumSeed: 0x12345678 } }),
  vector("seeded with 0, which is not the same as no seed", [good(v2(1, HELLO, { seed: 0 }), 2, 1, HELLO), bad("checksum", v2(1, HELLO))], {
    options: { checksumSeed: 0 },
  }),
  vector("seeded with 0xFFFFFFFF", [good(v2(1, HELLO, { seed: 0xffffffff }), 2, 1, HELLO)], { options: { checksumSeed: 0xffffffff } }),
  vector("another magic, seeded, minVersion 2", [good(v2(1, HELLO, { seed: 7, magic: 268435456 }), 2, 1, HELLO)], {
    options: { checksumSeed: 7, magic: 268435456, minVersion: 2 },
  }),
  vector("versions 1 and 2 in turn", [
    good(v1(5, "AA"), 1, 5, "AA"),
    good(B, 2, 257, HELLO),
    good(v1(6, "BB"), 1, 6, "BB"),
    good(B, 2, 257, HELLO),
  ]),
  vector("a frame inside an undamaged payload is not looked at", [good(v2(3, B), 2, 3, B)]),
  vector("a prefix inside the trailer is not looked at", [
    good(v2(1, "01", { trailer: cat("72 08", open({}).subarray(0, 7), "00") }), 2, 1, "01", { ext: "08 F5 F9 F7 F6 07 10 00" }),
  ]),
  vector("a checksum whose last byte is 08, then a frame", [
    good(seal("08 F5 F9 F7 F6 07 10 00 18 02 20 8F 01"), 2, 143),
    good(B, 2, 257, HELLO),
  ]),
  vector("minVersion 2 takes version 2", [good(B, 2, 257, HELLO)], { options: { minVersion: 2 } }),
  vector("minVersion 3 takes version 4", [good(v2(1, HELLO, { ver: 4 }), 4, 1, HELLO)], { options: { minVersion: 3 } }),
];
