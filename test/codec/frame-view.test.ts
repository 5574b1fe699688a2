import { describe, expect, it } from "vitest";
import { encodeFrame, FrameDecoder, type FrameInit, type FrameView } from "../../src/codec/index.js";
import { cat, seal, varint } from "../helpers/wire-builder.js";

/** What `read` gives for the one frame in `bytes`. */
function read<T>(bytes: Uint8Array, read: (frame: FrameView) => T): T {
  const results: T[] = [];
  new FrameDecoder({ maxTrailer: 4096 }).push(bytes, (frame) => results.push(read(frame)));
  expect(results.length).toBe(1);
  return results[0]!;
}

const fields = ({ timestamp, sequence, ack, callId, kind, status, timeoutMs, trace, ext }: FrameView) => ({
  timestamp,
  sequence,
  ack,
  callId,
  kind,
  status,
  timeoutMs,
  trace,
  ext: ext && [...ext],
});

const numbers = ({ sequenceNumber, ackNumber, callIdNumber, kindNumber }: FrameView) => [
  sequenceNumber,
  ackNumber,
  callIdNumber,
  kindNumber,
];

const ABSENT = {
  timestamp: undefined,
  sequence: undefined,
  ack: undefined,
  callId: undefined,
  kind: undefined,
  status: undefined,
  timeoutMs: undefined,
  trace: undefined,
  ext: undefined,
};

const head = "08 F5 F9 F7 F6 07 10 00 18 02 20 01";

describe("the trailer", () => {
  it.each([
    ["a version 1 frame", { cmd: 1, payload: new Uint8Array(3) }],
    ["a version 2 frame with none of its fields", { version: 2, cmd: 1 }],
  ])("of %s is all undefined, and 0 as numbers", (_, init) => {
    const bytes = encodeFrame(init);
    expect(read(bytes, fields)).toEqual(ABSENT);
    expect(read(bytes, numbers)).toEqual([0, 0, 0, 0]);
  });

  it.each<Partial<FrameInit>>([
    { timestamp: -(2n ** 63n), sequence: 2n ** 64n - 1n, ack: 0n },
    { timestamp: 2n ** 63n - 1n, sequence: 1n, ack: 2n ** 53n },
    { timestamp: -1n, sequence: 2n ** 32n - 1n, ack: 2n ** 32n },
    { callId: 2 ** 32 - 1, kind: 2 ** 31 - 1, status: -(2 ** 31), timeoutMs: 2 ** 32 - 1 },
    { callId: 0, kind: 0, status: 0, timeoutMs: 0 },
    { kind: -1, status: -1 },
    { trace: "", ext: new Uint8Array(0) },
    { trace: "ä€😀", ext: Uint8Array.of(1, 2, 3) },
    { timestamp: 1n, sequence: 2n, ack: 3n, callId: 4, kind: 5, status: 6, timeoutMs: 7, trace: "8", ext: Uint8Array.of(9) },
  ])("gives back %o", (init) => {
    const { ext } = init;
    expect(read(encodeFrame({ version: 2, cmd: 1, ...init }), fields)).toEqual({ ...ABSENT, ...init, ext: ext && [...ext] });
  });

  it("as numbers: Infinity where a double would lose digits", () => {
    const bytes = encodeFrame({ version: 2, cmd: 1, sequence: 2n ** 53n - 1n, ack: 2n ** 53n, callId: 2 ** 32 - 1, kind: 12 });
    expect(read(bytes, numbers)).toEqual([2 ** 53 - 1, Number.POSITIVE_INFINITY, 2 ** 32 - 1, 12]);
  });

  it("passes over fields with a wire type that they do not have today", () => {
    // timestamp as fixed64, sequence as bytes, call_id as fixed32, trace as a varint, ext as it is.
    const trailer = cat("31", new Uint8Array(8), "3A 02 AA BB", "40 05", "4D 01 00 00 00", "68 07", "72 01 FF");
    expect(read(seal(cat(head, trailer)), fields)).toEqual({ ...ABSENT, ack: 5n, ext: [0xff] });
  });

  it("reads varints of any length up to ten bytes, and lets bits beyond the type go", () => {
    const trailer = cat("40 85 80 80 80 80 80 80 80 80 00", "48 81 80 80 80 F0 FF FF FF FF 7F", "50 FF FF FF FF FF FF FF FF FF 01");
    const bytes = seal(cat(head, trailer));
    expect(read(bytes, fields)).toEqual({ ...ABSENT, ack: 5n, callId: 1, kind: -1 });
  });

  it("is that of each frame, not of the one before", () => {
    const stream = cat(
      encodeFrame({ version: 2, cmd: 1, callId: 7, trace: "a" }),
      encodeFrame({ version: 2, cmd: 2, kind: 3 }),
      encodeFrame({ cmd: 3 }),
      encodeFrame({ version: 2, cmd: 4, trace: "b" }),
    );
    const seen: unknown[] = [];
    new FrameDecoder().push(stream, (frame) => seen.push([frame.callId, frame.kind, frame.trace]));
    expect(seen).toEqual([
      [7, undefined, "a"],
      [undefined, 3, undefined],
      [undefined, undefined, undefined],
      [undefined, undefined, "b"],
    ]);
  });

  it("stays readable when it is longer than the receive buffer's first chunk", () => {
    const ext = new Uint8Array(900).fill(7);
    const bytes = encodeFrame({ version: 2, cmd: 1, sequence: 9, ext });
    const seen: unknown[] = [];
    const decoder = new FrameDecoder();
    for (const byte of bytes) decoder.push(Uint8Array.of(byte), (frame) => seen.push([frame.sequence, frame.ext?.slice()]));
    expect(seen).toEqual([[9n, ext]]);
  });
});

it("cmd is an int32 from one end to the other", () => {
  for (const cmd of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, -1, -(2 ** 31)]) {
    expect(read(encodeFrame({ cmd, payload: Uint8Array.of(1) }), (frame) => frame.cmd)).toBe(cmd);
    expect(read(cat("08 F5 F9 F7 F6 07 10 00 20", varint(cmd)), (frame) => frame.cmd)).toBe(cmd);
  }
});
