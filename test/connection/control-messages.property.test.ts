import { describe, expect, test } from "vitest";
import { CommandOptions } from "../../src/gen/framewire/v1/command.js";
import { FrameExt, FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Credit, Goaway, Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import * as control from "../../src/protocol/control-messages.js";
import * as kinds from "../../src/protocol/frame-kind.js";
import { codePoint } from "../helpers/code-points.js";
import { fc } from "../helpers/fast-check.js";

interface Ours {
  encode(message: never): Uint8Array;
  decode(bytes: Uint8Array): object;
}

interface Generated {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const uint32 = fc.nat({ max: 0xffff_ffff });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
// Text without lone surrogates: those have no bytes.
const text = fc.string({ unit: codePoint, maxLength: 200 });
const bytes = fc.uint8Array({ maxLength: 200 });
const maybe = <T>(message: fc.Arbitrary<T>) => fc.option(message, { nil: undefined });

const limits = maybe(fc.record({ maxPayload: uint32, maxCalls: uint32, initialCredit: uint32, maxTrailer: uint32 }));
const capabilities = maybe(fc.record({ batching: fc.boolean() }));
const peer = maybe(fc.record({ name: text, version: text, platform: text }));
const resume = maybe(fc.record({ token: bytes, received: uint64, oldest: uint64, restarted: fc.boolean(), attempt: uint32 }));
const gap = maybe(fc.record({ from: uint64, to: uint64, reason: text }));

const hello: fc.Arbitrary<Hello> = fc.record({
  minVersion: uint32,
  maxVersion: uint32,
  checksumSeed: uint32,
  limits,
  capabilities,
  peer,
  schemaFingerprint: text,
  credentials: bytes,
  resume,
});

const welcome: fc.Arbitrary<Welcome> = fc.record({
  version: uint32,
  checksumSeed: uint32,
  limits,
  capabilities,
  peer,
  schemaFingerprint: text,
  token: bytes,
  resumeWindowMs: uint32,
  verdict: fc.constantFrom(0, 1, 2, 3),
  received: uint64,
  toClient: gap,
  toServer: gap,
  heartbeatIntervalMs: uint32,
  heartbeatTimeoutMs: uint32,
});

const option: fc.Arbitrary<CommandOptions> = fc.record({
  cmd: int32,
  delivery: fc.constantFrom(0, 1, 2),
  slowConsumer: fc.constantFrom(0, 1, 2, 3, 4),
  oneWay: fc.boolean(),
});

/** The codec of a field that has a number of its own elsewhere, without what stands before the message. */
const commandOptions = {
  encode: (command: CommandOptions) => control.MethodOption.encode({ command }).subarray(2),
  decode: (message: Uint8Array) => control.MethodOption.decode(Uint8Array.of(0x0a, ...lengthPrefixed(message))).command,
};

function lengthPrefixed(message: Uint8Array): Uint8Array {
  return message.length < 0x80
    ? Uint8Array.of(message.length, ...message)
    : Uint8Array.of((message.length & 0x7f) | 0x80, message.length >> 7, ...message);
}

const messages: readonly [string, Ours, Generated, fc.Arbitrary<object>][] = [
  ["Hello", control.Hello, Hello, hello],
  ["Welcome", control.Welcome, Welcome, welcome],
  ["Credit", control.Credit, Credit, fc.record({ bytes: uint32 })],
  ["Goaway", control.Goaway, Goaway, fc.record({ reason: text, reconnectSpreadMs: uint32, closeCode: uint32 })],
  // The generated code loses the name `__proto__`; ours keeps it, as test/connection/pitfalls.test.ts says.
  [
    "FrameExt",
    control.FrameExt,
    FrameExt,
    fc.record({
      metadata: fc.dictionary(
        text.filter((name) => name !== "__proto__"),
        text,
      ),
      message: text,
    }),
  ],
  ["CommandOptions", commandOptions, CommandOptions, option],
];

describe.each(messages)("%s", (_name, ours, generated, message) => {
  test("has the bytes of the generated code", () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(ours.encode(value as never)).toEqual(generated.encode(value as never).finish());
      }),
    );
  });

  test("is read as the generated code reads it, fields in any order, repeated and unknown ones among them", () => {
    const unknown = fc.constantFrom(
      [0x98, 0x06, 0xff, 0x01],
      [0x9a, 0x06, 2, 7, 7],
      [0x9d, 0x06, 1, 2, 3, 4],
      [0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
    );
    fc.assert(
      fc.property(message, unknown, message, (first, between, second) => {
        const encoded = Uint8Array.from([
          ...generated.encode(first as never).finish(),
          ...between,
          ...generated.encode(second as never).finish(),
        ]);
        expect(ours.decode(encoded)).toEqual(generated.decode(encoded));
      }),
    );
  });

  test("of any bytes is refused, or read as the generated code reads it", () => {
    const mutated = fc.tuple(message, fc.nat(), fc.nat({ max: 255 })).map(([value, at, byte]) => {
      const encoded = generated
        .encode(value as never)
        .finish()
        .slice();
      if (encoded.length > 0) encoded[at % encoded.length] = byte;
      return encoded;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), mutated), (encoded) => {
        let read: object;
        try {
          read = ours.decode(encoded);
        } catch {
          return;
        }
        expect(read).toEqual(generated.decode(encoded));
      }),
      { numRuns: 1000 },
    );
  });

  test("cut short anywhere inside a field is refused", () => {
    fc.assert(
      fc.property(message, (value) => {
        const whole = generated.encode(value as never).finish();
        for (let end = 0; end < whole.length; end++) {
          const cut = whole.slice(0, end);
          let read: object;
          try {
            read = ours.decode(cut);
          } catch {
            continue;
          }
          // What is left is whole fields then, and means the same to everybody.
          expect(read).toEqual(generated.decode(cut));
        }
      }),
      { numRuns: 20 },
    );
  });
});

test("bytes of a control message are a copy", () => {
  const encoded = control.Hello.encode(Hello.fromPartial({ credentials: Uint8Array.of(1, 2, 3) }));
  const { credentials } = control.Hello.decode(encoded);
  encoded.fill(0);
  expect(credentials).toEqual(Uint8Array.of(1, 2, 3));
});

test.each([
  ["a group", [0x0b, 0x0c]],
  ["field number 0", [0x00, 0x00]],
  ["a varint of eleven bytes", [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ["a length beyond the end", [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
])("%s is refused", (_name, encoded) => {
  expect(() => control.Goaway.decode(Uint8Array.from(encoded))).toThrow();
});

test("the kinds of frames are those of the schema", () => {
  const { UNRECOGNIZED, ...schema } = FrameKind;
  const ours = Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [`FRAME_${name}`, kind]));
  expect(ours).toEqual(schema);
});
