/**
 * The messages of sessions, as generated: their decoders meet bytes of strangers before anything is known about them.
 * Input: one byte that chooses the message, then its bytes.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { CommandOptions } from "../../src/gen/framewire/v1/command.js";
import { FrameExt } from "../../src/gen/framewire/v1/data_frame.js";
import { Credit, Gap, Goaway, Hello, Limits, PeerInfo, ResumeRequest, Welcome } from "../../src/gen/framewire/v1/session.js";
import { cat, hex } from "../helpers/wire-builder.js";
import type { Target } from "./target.js";

interface Codec {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const MESSAGES = { Hello, Welcome, Credit, Goaway, ResumeRequest, FrameExt, Limits, PeerInfo, Gap, CommandOptions } as Record<
  string,
  Codec
>;
const NAMES = Object.keys(MESSAGES);

/** Errors of a reader that was given nonsense. Anything else is a mistake in the reader. */
function isOrdinary(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  if (/stack|allocation|memory|invalid array|not a function|undefined|null/i.test(thrown.message)) return false;
  return thrown.constructor === Error || thrown.constructor === RangeError;
}

export const sessionTarget: Target = {
  name: "session",
  covers: ["/src/gen/", "/@bufbuild/protobuf/dist/esm/wire/"],
  dictionary: [
    "08 02",
    "10 02",
    "1D 78 56 34 12",
    "22 02 08 01",
    "2A 00",
    "3A 00",
    "4A 04 0A 00 10 05",
    "0A 06 0A 01 61 12 01 62",
    "0A 0D 0A 09 5F 5F 70 72 6F 74 6F 5F 5F 12 00",
    "FF FF FF FF 0F",
    "FF FF FF FF FF FF FF FF FF 01",
    "80 80 80 80 80 80 80 80 80 80 01",
    "0B 0C",
    "73 74",
    "0B 0B 0B 0B",
  ].map(hex),

  seeds: () => [
    ...NAMES.map((_, i) => Uint8Array.of(i)),
    cat(
      "00",
      Hello.encode(
        Hello.create({
          minVersion: 2,
          maxVersion: 2,
          checksumSeed: 1,
          limits: { maxPayload: 9 },
          capabilities: { batching: true },
          peer: { name: "é" },
          credentials: hex("01"),
          resume: { token: hex("02"), received: 5n, oldest: 2n },
        }),
      ).finish(),
    ),
    cat(
      "01",
      Welcome.encode(
        Welcome.create({
          version: 2,
          checksumSeed: 1,
          token: hex("0102"),
          resumeWindowMs: 120000,
          verdict: 2,
          received: 7n,
          toClient: { from: 1n, to: 2n, reason: "evicted" },
        }),
      ).finish(),
    ),
    cat("05", FrameExt.encode(FrameExt.create({ metadata: { a: "b", "": "c" }, message: "no" })).finish()),
  ],

  run(input) {
    const name = NAMES[(input[0] ?? 0) % NAMES.length]!;
    const codec = MESSAGES[name]!;
    const bytes = input.subarray(1);
    let message: object;
    try {
      message = codec.decode(bytes);
    } catch (thrown) {
      ok(isOrdinary(thrown), `${name}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
      return [`${name}: ${(thrown as Error).message.replace(/\d+/g, "#")}`];
    }
    deepStrictEqual(Object.keys(Object.prototype), [], `${name}: the prototype of all objects was written to`);
    const encoded = codec.encode(message as never).finish();
    // A message is made of what arrived: strings are at most three times as long when bad UTF-8 was replaced.
    ok(encoded.length <= bytes.length * 4 + 64, `${name}: ${bytes.length} bytes became a message of ${encoded.length}`);
    const again = codec.decode(encoded);
    deepStrictEqual(again, message, `${name}: decoding what was encoded gives another message`);
    const fields = Object.entries(message).map(([field, value]) => `${name}.${field} ${typeof value}`);
    return [`${name} ${Math.ceil(Math.log2(encoded.length + 1))}`, ...fields];
  },
};
