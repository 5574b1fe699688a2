import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { isOpening, magicOf, protocolOf } from "../../src/transport/first-bytes.js";
import { fc } from "../helpers/fast-check.js";

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("the first bytes of a stream", () => {
  it.each([
    ["a TLS handshake", Buffer.from("160301", "hex"), "TLS", true],
    ["TLS of version 1.3", Buffer.from("160304", "hex"), "TLS", true],
    ["a TLS alert", Buffer.from("150303", "hex"), "TLS", false],
    ["a request", bytes("GET / HTTP/1.1"), "HTTP", true],
    ["a request with a long method", bytes("OPTIONS *"), "HTTP", true],
    ["HTTP/2", bytes("PRI * HTTP/2.0"), "HTTP", true],
    ["an answer", bytes("HTTP/1.1 400"), "HTTP", false],
  ] as const)("of %s are recognised, and undecided up to then", (_name, first, protocol, opens) => {
    expect(protocolOf(first)).toBe(protocol);
    expect(isOpening(first)).toBe(opens);
    const outcomes = Array.from({ length: first.length }, (_, length) => protocolOf(first.subarray(0, length)));
    const decided = outcomes.indexOf(protocol);
    expect(new Set(outcomes.slice(0, decided === -1 ? undefined : decided))).toEqual(new Set(["undecided"]));
  });

  it.each([
    ["a frame", encodeFrame({ cmd: 1 })],
    ["a record of TLS 2.0, which there is not", Buffer.from("160400", "hex")],
    ["a version that there is not", Buffer.from("160305", "hex")],
    ["SSH", bytes("SSH-2.0-x")],
    ["a method in small letters", bytes("get / HTTP/1.1")],
    ["a word that begins like a method", bytes("GETTING STARTED")],
  ])("of %s are those of no other protocol", (_name, first) => {
    expect(protocolOf(first)).toBeUndefined();
  });

  it("decide once and for all, within eight of them: more never change it, and none are kept back after", () => {
    const start = fc.constantFrom("GET ", "HTTP/", "CONNECT ", "\x16\x03\x01", "\x15\x03\x03", "\b", "GE", "HT").map(bytes);
    fc.assert(
      fc.property(fc.oneof(start, fc.uint8Array({ maxLength: 3 })), fc.uint8Array({ minLength: 8, maxLength: 16 }), (begin, rest) => {
        const all = Buffer.concat([begin, rest]);
        const outcomes = Array.from(all, (_, i) => protocolOf(all.subarray(0, i + 1)));
        const decided = outcomes.findIndex((outcome) => outcome !== "undecided");
        expect(decided).toBeLessThan(8);
        expect(new Set(outcomes.slice(decided)).size).toBe(1);
      }),
    );
  });
});

describe("the magic of a first frame", () => {
  it("is read whatever it is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0x1000_0000, max: 0x7fff_ffff }), (magic) => {
        expect(magicOf(encodeFrame({ cmd: 257 }, { magic }))).toBe(magic);
      }),
    );
  });

  it.each([
    ["something else", "0a96011007"],
    ["a varint without an end", "08ffffffffffff10"],
    ["a magic and no length", "0896011807"],
    ["a prefix that is cut", "08f5f9f7f607"],
    ["nothing", ""],
  ])("is -1 for %s", (_name, hex) => {
    expect(magicOf(Buffer.from(hex, "hex"))).toBe(-1);
  });
});
