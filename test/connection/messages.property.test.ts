import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { isTsProto, useInPlace } from "../../src/accel/in-place.js";
import { encodeFrame, FrameDecoder, FrameEncoder } from "../../src/codec/index.js";
import { readerOver } from "../../src/protobuf/message-reader.js";
import { MessageWriter } from "../../src/protobuf/message-writer.js";
import { decodeMessage, encodeMessage } from "../../src/protobuf/messages.js";
import { AllTypes } from "../gen/test/v1/all_types.js";
import { EchoRequest } from "../gen/test/v1/test_service.js";
import { fc } from "../helpers/fast-check.js";
import { runs } from "../helpers/runs.js";

const int32 = fc.oneof(fc.integer(), fc.integer({ min: -3, max: 300 }));
const uint32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 300 }));
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -300n, max: 300n }));
const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 300n }));
// Lengths around every bound of the writer's and reader's short cuts; text of one to four bytes a character, byte order marks and lone surrogates.
const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ unit: fc.constantFrom("a", "ß", "€", "😀", "\ufeff", "\ud800", "\udc00"), maxLength: 140 }),
  fc.integer({ min: 120, max: 132 }).map((length) => "x".repeat(length)),
);
const bytes = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 100, maxLength: 200 }));
const shade = fc.constantFrom(0, 1, 100_000, -1);

const { tree } = fc.letrec<{ tree: Partial<AllTypes>; node: Partial<AllTypes> }>((tie) => ({
  tree: fc.oneof({ maxDepth: 2 }, fc.record({ fInt32: int32, fString: text }), tie("node")),
  node: fc.record(
    {
      fDouble: fc.double(),
      fFloat: fc.float(),
      fInt32: int32,
      fInt64: int64,
      fUint32: uint32,
      fUint64: uint64,
      fSint32: int32,
      fSint64: int64,
      fFixed32: uint32,
      fFixed64: uint64,
      fSfixed32: int32,
      fSfixed64: int64,
      fBool: fc.boolean(),
      fString: text,
      fBytes: bytes,
      fEnum: shade,
      nested: tie("tree"),
      children: fc.array(tie("tree"), { maxLength: 3 }),
      rInt32: fc.array(int32, { maxLength: 40 }),
      rSint64: fc.array(int64, { maxLength: 20 }),
      rDouble: fc.array(fc.double(), { maxLength: 20 }),
      rBool: fc.array(fc.boolean(), { maxLength: 10 }),
      rEnum: fc.array(shade, { maxLength: 10 }),
      rString: fc.array(text, { maxLength: 4 }),
      rBytes: fc.array(bytes, { maxLength: 4 }),
      mStringUint64: fc.dictionary(fc.string({ minLength: 1 }), uint64, { maxKeys: 4, noNullPrototype: true }),
      oString: text,
      pInt32: int32,
      far: uint32,
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Partial<AllTypes>>,
}));
const messages = tree.map((partial) => AllTypes.fromPartial(partial as never));

const stock = (message: AllTypes) => AllTypes.encode(message, new BinaryWriter()).finish();

describe("the in-place writer", () => {
  it("writes the bytes that the stock writer writes, wherever it starts", () => {
    const writer = new MessageWriter();
    fc.assert(
      fc.property(messages, fc.nat({ max: 40 }), fc.nat({ max: 600 }), (message, position, room) => {
        writer.begin(new Uint8Array(position + room).fill(0xee), position);
        AllTypes.encode(message, writer as never);
        expect(writer.buffer.slice(position, writer.position)).toEqual(stock(message));
        expect(writer.buffer.subarray(0, position).every((byte) => byte === 0xee)).toBe(true);
      }),
      { numRuns: runs(400) },
    );
  });

  it("throws for a message that lacks a field, or writes what the complete one would be", () => {
    const writer = new MessageWriter();
    const fields = Object.keys(AllTypes.fromPartial({}));
    fc.assert(
      fc.property(
        messages,
        fc.constantFrom(...fields),
        fc.constantFrom(undefined, null),
        fc.boolean(),
        (message, field, nothing, inner) => {
          const lacking = inner && message.nested !== undefined ? { ...message, nested: { ...message.nested } } : { ...message };
          Object.assign(inner && lacking.nested !== undefined ? lacking.nested : lacking, { [field]: nothing });
          writer.begin(new Uint8Array(64), 0);
          try {
            AllTypes.encode(lacking, writer as never);
          } catch {
            return;
          }
          expect(writer.finish()).toEqual(stock(AllTypes.fromPartial(lacking as never)));
        },
      ),
      { numRuns: runs(800) },
    );
  });

  it("refuses what the stock writer refuses", () => {
    const refused: [keyof BinaryWriter, unknown[]][] = [
      ["uint32", [-1, 2 ** 32, 1.5, Number.NaN]],
      ["int32", [2 ** 31, -(2 ** 31) - 1, 0.5]],
      ["sint32", [2 ** 31]],
      ["fixed32", [-1]],
      ["sfixed32", [2 ** 31]],
      ["float", [1e39]],
      ["int64", [2n ** 63n, -(2n ** 63n) - 1n, "9223372036854775808"]],
      ["uint64", [-1n, 2n ** 64n, -1]],
    ];
    for (const [method, values] of refused) {
      for (const value of values) {
        expect(
          () => (new BinaryWriter()[method] as (v: unknown) => unknown).call(new BinaryWriter(), value),
          `stock ${method} ${value}`,
        ).toThrow();
        const writer = new MessageWriter();
        expect(
          () => (writer[method as keyof MessageWriter] as (v: unknown) => unknown).call(writer, value),
          `${method} ${value}`,
        ).toThrow();
      }
    }
  });

  it("writes text of every kind as the stock writer does, on either side of the bound between loop and platform", () => {
    const units = ["a", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ud800", "\udbff", "\udc00", "\udfff", "\ue000", "\uffff"];
    const short = units.flatMap((a) => [a, ...units.flatMap((b) => [a + b, ...units.map((c) => a + b + c)])]);
    const long = units.flatMap((a) => units.map((b) => a + b)).flatMap((pair) => [29, 30, 31, 126].map((n) => "x".repeat(n) + pair));
    const texts = ["", ...short, ...long, ...units.flatMap((unit) => [32, 33, 42, 43, 128].map((n) => unit.repeat(n)))];
    const writer = new MessageWriter();
    const different = texts.filter((text) => {
      writer.begin(new Uint8Array(text.length), 0);
      return Buffer.compare(writer.string(text).finish(), new BinaryWriter().string(text).finish()) !== 0;
    });
    expect(different.map((text) => JSON.stringify(text))).toEqual([]);
  });

  it("writes numbers at the bounds of every type as the stock writer does", () => {
    const bounds = [-0, 0, 1, 127, 128, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, 0xfff_ffff, 0x1000_0000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
    for (const method of ["uint32", "int32", "sint32", "fixed32", "sfixed32", "float", "double"] as const) {
      for (const value of [...bounds, ...bounds.map((bound) => -bound), Number.NaN, Number.POSITIVE_INFINITY]) {
        const [own, theirs] = [new MessageWriter(), new BinaryWriter()].map((writer) => {
          try {
            return [...writer[method](value).finish()];
          } catch {
            return "refused";
          }
        });
        expect(own, `${method} ${value}`).toEqual(theirs);
      }
    }
  });

  it("takes 64-bit values as bigint, number and string alike", () => {
    for (const method of ["int64", "sint64", "sfixed64"] as const) {
      const written = [-5n, -5, "-5"].map((value) => {
        const writer = new MessageWriter();
        writer[method](value);
        return [...writer.finish()];
      });
      expect(written[1]).toEqual(written[0]);
      expect(written[2]).toEqual(written[0]);
      expect(written[0]).toEqual([...new BinaryWriter()[method]("-5").finish()]);
    }
  });
});

describe("the in-place reader", () => {
  it("reads the message that the stock reader reads", () => {
    fc.assert(
      fc.property(messages, fc.nat({ max: 9 }), (message, position) => {
        const encoded = stock(message);
        const buffer = new Uint8Array(position + encoded.length + 7).fill(0xee);
        buffer.set(encoded, position);
        expect(AllTypes.decode(readerOver(buffer, position, position + encoded.length))).toEqual(AllTypes.decode(encoded));
      }),
      { numRuns: runs(400) },
    );
  });

  it("reads or refuses any bytes as the stock reader does", () => {
    const outcome = (read: () => unknown) => {
      try {
        return { message: read() };
      } catch {
        return "refused";
      }
    };
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat({ max: 255 }), fc.nat({ max: 3 }), (message, at, byte, cut) => {
        const encoded = stock(message);
        if (encoded.length === 0) return;
        encoded[at % encoded.length] = byte;
        const broken = encoded.subarray(0, Math.max(0, encoded.length - cut));
        expect(outcome(() => AllTypes.decode(readerOver(broken, 0, broken.length)))).toEqual(
          outcome(() => AllTypes.decode(new BinaryReader(broken))),
        );
      }),
      { numRuns: Number(process.env.FRAMEWIRE_READER_RUNS ?? runs(1500)) },
    );
  }, 600_000);

  it("reads text of every length as the stock reader does, whatever byte is in it and wherever", () => {
    const different: string[] = [];
    for (let length = 0; length <= 40; length++) {
      for (let at = 0; at < Math.max(1, length); at++) {
        for (const byte of [0x00, 0x7f, 0x80, 0xc3, 0xe2, 0xed, 0xf0, 0xff]) {
          const encoded = new Uint8Array(2 + length + 3).fill(0x61);
          encoded.set([0x72, length]);
          if (at < length) encoded[2 + at] = byte;
          const reader = readerOver(encoded, 1, 2 + length);
          const same = reader.string() === new BinaryReader(encoded.subarray(1, 2 + length)).string();
          if (!same || reader.pos !== 2 + length) different.push(`${byte} at ${at} of ${length}`);
        }
      }
      expect(() => readerOver(Uint8Array.of(length, ...Array(length).fill(0x61)), 0, length).string()).toThrow("premature EOF");
    }
    expect(different).toEqual([]);
  });

  it("refuses text that is no UTF-8 when asked to, as the stock reader does", () => {
    for (const text of [[0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xff]]) {
      const encoded = Uint8Array.of(text.length, ...text);
      expect(() => new BinaryReader(encoded).string(true)).toThrow();
      expect(() => readerOver(encoded, 0, encoded.length).string(true)).toThrow();
      expect(readerOver(encoded, 0, encoded.length).string()).toBe(new BinaryReader(encoded).string());
    }
  });

  it("reads numbers out of the buffer it was opened on last, and is a reader to generated code", () => {
    const [one, two] = [1, 2].map((fDouble) => AllTypes.encode(AllTypes.fromPartial({ fDouble })).finish()) as [Uint8Array, Uint8Array];
    for (const [buffer, fDouble] of [
      [one, 1],
      [two, 2],
      [one, 1],
    ] as const) {
      expect(readerOver(buffer, 0, buffer.length)).toBeInstanceOf(BinaryReader);
      expect(AllTypes.decode(readerOver(buffer, 0, buffer.length)).fDouble).toBe(fDouble);
    }
  });

  it.each([
    ["an unknown varint of 12 bytes", [0xf8, 0x3f, ...Array(11).fill(0x80), 0], true],
    ["an unknown varint that does not end", [0xf8, 0x3f, ...Array(11).fill(0x80)], false],
    ["in a group, a tag of six bytes", [0xfb, 0x3f, 0x88, 0x80, 0x80, 0x80, 0x80, 0, 1, 0xfc, 0x3f], false],
    ["in a group, a tag of 33 bits", [0xfb, 0x3f, 0x88, 0x80, 0x80, 0x80, 0x10, 1, 0xfc, 0x3f], false],
    ["a group", [0xfb, 0x3f, 0x08, 1, 0xfc, 0x3f], true],
    ["groups, 100 deep", [...Array(100).fill([0xfb, 0x3f]).flat(), ...Array(100).fill([0xfc, 0x3f]).flat()], true],
    ["groups, 101 deep (protobuf.js#2121, ts-proto#1269)", Array(101).fill([0xfb, 0x3f]).flat(), false],
  ])("%s is skipped: %s", (_name, bytes, skipped) => {
    const [buffer, behind] = [Uint8Array.from(bytes), [0x80, 0x80, 0x01]];
    const followed = Uint8Array.from([...bytes, ...behind]);
    for (const read of [() => AllTypes.decode(new BinaryReader(buffer)), () => AllTypes.decode(readerOver(followed, 0, bytes.length))]) {
      if (skipped) expect(read()).toEqual(AllTypes.fromPartial({}));
      else expect(read).toThrow();
    }
  });
});

describe("bytes fields of a message received", () => {
  const received = () => {
    const frame = encodeFrame({ cmd: 1, payload: EchoRequest.encode(EchoRequest.fromPartial({ data: Uint8Array.of(1, 2, 3) })).finish() });
    let data: Uint8Array | undefined;
    new FrameDecoder().push(frame, (view) => {
      data = (decodeMessage(EchoRequest, view) as EchoRequest).data;
    });
    return { data: data as Uint8Array, overwrite: () => frame.fill(0) };
  };

  it("do not change when the frame's buffer does, as pages read them (goscript#154)", () => {
    const { data, overwrite } = received();
    overwrite();
    expect(data).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("do not change, and pin no buffer but their own, as they are read in place (protobuf-ts#712)", () => {
    useInPlace();
    const { data, overwrite } = received();
    overwrite();
    expect(data).toEqual(Uint8Array.of(1, 2, 3));
    expect(data.buffer.byteLength).toBe(3);
  });
});

describe("a message encoded into its frame", () => {
  it("gives the frame that its payload gives, for every size and in every order", () => {
    const sizes = fc.array(fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(110, 120, 127, 128, 16_370, 16_384, 40_000)), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(sizes, fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }), (list, checksumSeed) => {
        const encoder = new FrameEncoder({ checksumSeed });
        const wanted: number[] = [];
        list.forEach((size, i) => {
          const message = EchoRequest.fromPartial({ data: new Uint8Array(size).fill(i) });
          const init = { version: i % 3 === 0 ? undefined : 2, cmd: i * 1000 - 500, sequence: i % 3 === 0 ? undefined : i + 1 };
          encoder.appendMessage(init, EchoRequest, message);
          wanted.push(...encodeFrame({ ...init, payload: EchoRequest.encode(message).finish() }, { checksumSeed }));
        });
        expect(Buffer.compare(encoder.take(), Uint8Array.from(wanted))).toBe(0);
      }),
      { numRuns: runs(60) },
    );
  });

  it("is left alone by messages that are encoded on their own before it leaves", () => {
    useInPlace();
    const encoder = new FrameEncoder();
    const message = EchoRequest.fromPartial({ text: "in its frame" });
    encoder.appendMessage({ version: 2, cmd: 257 }, EchoRequest, message);
    encodeMessage(EchoRequest, { text: "with bytes of its own" });
    expect(encoder.take()).toEqual(encodeFrame({ version: 2, cmd: 257, payload: EchoRequest.encode(message).finish() }));
  });

  it("leaves nothing behind when the codec throws or the message is too large", () => {
    const encoder = new FrameEncoder({ maxPayload: 10 });
    encoder.append({ cmd: 1 });
    const { length } = encoder;
    const bad = {
      encode: () => {
        throw new Error("no");
      },
    };
    expect(() => encoder.appendMessage({ cmd: 2 }, bad, {})).toThrow("no");
    expect(() => encoder.appendMessage({ cmd: 2 }, EchoRequest, EchoRequest.fromPartial({ text: "x".repeat(2000) }))).toThrow(
      expect.objectContaining({ code: "frame-too-large" }),
    );
    expect(encoder.length).toBe(length);
    expect(encoder.take()).toEqual(encodeFrame({ cmd: 1 }));
  });
});

describe("which codecs get the in-place reader and writer", () => {
  const { root } = protobuf.parse('syntax = "proto3"; message Note { string text = 1; bytes data = 2; }', { keepCase: true });
  const Note = root.lookupType("Note") as never as {
    encode(message: object): { finish(): Uint8Array };
    decode(bytes: Uint8Array): { text: string; data: Uint8Array };
  };

  it("ts-proto's do; protobufjs' and look-alikes are served by their own", () => {
    expect(isTsProto(AllTypes)).toBe(true);
    expect(isTsProto(Note)).toBe(false);
    const lookAlike = {
      ...EchoRequest,
      fromPartial: (x: object) => x,
      decode: (input: Uint8Array) => EchoRequest.decode(new BinaryReader(Uint8Array.from(input))),
    };
    expect(isTsProto(lookAlike)).toBe(false);
  });

  it("a protobufjs message keeps its bytes when the frame's buffer is reused", () => {
    const payload = encodeMessage(Note, { text: "t", data: Uint8Array.of(9, 8) });
    const frame = encodeFrame({ cmd: 1, payload });
    let note: { text: string; data: Uint8Array } | undefined;
    new FrameDecoder().push(frame, (view) => {
      note = decodeMessage(Note, view) as typeof note;
    });
    frame.fill(0);
    expect([...note!.data]).toEqual([9, 8]);
    expect(note!.text).toBe("t");
  });
});
