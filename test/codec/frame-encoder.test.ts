import { describe, expect, it } from "vitest";
import { type EncoderOptions, encodeFrame, FrameDecoder, FrameEncoder, FrameEncoderStream, type FrameInit } from "../../src/codec/index.js";
import { FramewireError } from "../../src/errors.js";
import { cat, fill, toHex, v1, v2 } from "../helpers/wire-builder.js";

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FramewireError) return error.code;
    throw error;
  }
  return "no error";
}

describe("encodeFrame", () => {
  it("writes zeros, and field 5 only when a payload was given", () => {
    expect(toHex(encodeFrame({ cmd: 0 }))).toBe("08 F5 F9 F7 F6 07 10 00 20 00");
    expect(toHex(encodeFrame({ cmd: 0, payload: new Uint8Array(0) }))).toBe("08 F5 F9 F7 F6 07 10 00 20 00 2A 00");
    expect(toHex(encodeFrame({ version: 1, cmd: 0 }))).toBe("08 F5 F9 F7 F6 07 10 00 18 01 20 00");
  });

  it.each([0, 1, 48, 49, 127, 128, 16_383, 16_384, 200_000])("writes what was built by hand, payload of %i bytes", (length) => {
    const payload = fill(length, 0xa5);
    // Not toEqual, which takes seconds for long ones.
    const same = (a: Uint8Array, b: Uint8Array) => expect(Buffer.compare(a, b)).toBe(0);
    same(encodeFrame({ cmd: 300, payload }), v1(300, payload));
    same(encodeFrame({ version: 2, cmd: -1, payload }), v2(-1, payload));
    same(encodeFrame({ version: 2, cmd: 7, payload }, { checksumSeed: 77 }), v2(7, payload, { seed: 77 }));
    same(encodeFrame({ cmd: 7, payload }, { magic: 2 ** 28 }), v1(7, payload, { magic: 2 ** 28 }));
  });

  it("takes undefined for absent", () => {
    const init: FrameInit = { version: undefined, cmd: 3, payload: undefined, callId: undefined, trace: undefined };
    expect(encodeFrame(init)).toEqual(v1(3));
  });

  it("gives each caller bytes of its own", () => {
    const first = encodeFrame({ cmd: 1 });
    const second = encodeFrame({ cmd: 2 });
    first.fill(0xee);
    expect(second).toEqual(v1(2));
    expect(first.buffer.byteLength).toBe(first.length);
  });

  it.each<[string, Partial<FrameInit>]>([
    ["version 0", { version: 0 }],
    ["version 2^31", { version: 2 ** 31 }],
    ["a version that is no integer", { version: 1.5 }],
    ["cmd 2^31", { cmd: 2 ** 31 }],
    ["cmd -2^31-1", { cmd: -(2 ** 31) - 1 }],
    ["cmd NaN", { cmd: Number.NaN }],
    ["callId -1", { version: 2, callId: -1 }],
    ["callId 2^32", { version: 2, callId: 2 ** 32 }],
    ["kind 2^31", { version: 2, kind: 2 ** 31 }],
    ["status -2^31-1", { version: 2, status: -(2 ** 31) - 1 }],
    ["timeoutMs 0.5", { version: 2, timeoutMs: 0.5 }],
    ["timeoutMs Infinity", { version: 2, timeoutMs: Number.POSITIVE_INFINITY }],
    ["sequence -1", { version: 2, sequence: -1 }],
    ["sequence -1n", { version: 2, sequence: -1n }],
    ["sequence 2^64", { version: 2, sequence: 2n ** 64n }],
    ["ack 2^53", { version: 2, ack: 2 ** 53 }],
    ["timestamp 2^63", { version: 2, timestamp: 2n ** 63n }],
    ["timestamp -2^63-1", { version: 2, timestamp: -(2n ** 63n) - 1n }],
    ["timestamp 1.5", { version: 2, timestamp: 1.5 }],
    ...(["timestamp", "sequence", "ack", "callId", "kind", "status", "timeoutMs"] as const).map(
      (name) => [`${name} in version 1`, { [name]: 0 }] as [string, Partial<FrameInit>],
    ),
    ["trace in version 1", { trace: "" }],
    ["ext in version 1", { version: 1, ext: new Uint8Array(0) }],
  ])("refuses %s", (_, init) => {
    expect(codeOf(() => encodeFrame({ cmd: 1, ...init }))).toBe("invalid-option");
  });

  it.each<[string, Partial<FrameInit>, EncoderOptions]>([
    ["a payload above maxPayload", { payload: fill(11, 0) }, { maxPayload: 10 }],
    ["a trailer above maxTrailer", { version: 2, trace: "x".repeat(24) }, { maxTrailer: 30 }],
  ])("refuses %s", (_, init, options) => {
    expect(codeOf(() => encodeFrame({ cmd: 1, ...init }, options))).toBe("frame-too-large");
  });

  it("writes a trailer and a payload as large as allowed, which a decoder with the same limits takes", () => {
    const limits = { maxPayload: 10, maxTrailer: 30 };
    const bytes = encodeFrame({ version: 2, cmd: 1, payload: fill(10, 0), trace: "x".repeat(23) }, limits);
    const seen: number[] = [];
    new FrameDecoder(limits).push(bytes, (frame) => seen.push(frame.cmd));
    expect(seen).toEqual([1]);
  });

  it.each([{ magic: 1 }, { maxPayload: -1 }, { maxTrailer: 0 }, { checksumSeed: -1 }])("refuses the options %o", (options) => {
    expect(codeOf(() => encodeFrame({ cmd: 1 }, options))).toBe("invalid-option");
  });

  it("refuses an option that it does not have, with the nearest that it has", () => {
    const refusal = expect.objectContaining({
      code: "invalid-option",
      message: "FrameEncoder has no option maxPayloads; did you mean maxPayload?",
    });
    expect(() => encodeFrame({ cmd: 1 }, { maxPayloads: 5 } as never)).toThrow(refusal);
    expect(() => new FrameEncoder({ maxPayloads: 5 } as never)).toThrow(refusal);
    expect(() => new FrameEncoderStream({ maxPayloads: 5 } as never)).toThrow(refusal);
    // A decoder's, which no encoder has.
    expect(codeOf(() => new FrameEncoder({ minVersion: 2 } as never))).toBe("invalid-option");
  });

  it("writes a lone surrogate as the replacement character, and counts its bytes so", () => {
    for (const trace of ["\ud800", "a\udc00b", "\ud800\ud800\udc00", "é\ud83d"]) {
      const seen: (string | undefined)[] = [];
      new FrameDecoder({ minVersion: 2 }).push(encodeFrame({ version: 2, cmd: 1, trace }), (frame) => seen.push(frame.trace));
      expect(seen).toEqual([new TextDecoder().decode(new TextEncoder().encode(trace))]);
    }
  });
});

describe("FrameEncoder", () => {
  const inits: FrameInit[] = Array.from({ length: 400 }, (_, i) => ({
    ...(i % 2 === 0 && { version: 2, callId: i, sequence: i }),
    cmd: i,
    payload: fill((i * 37) % 300, i),
  }));
  const expected = cat(...inits.map((init) => encodeFrame(init)));

  it.each([1, 2, 7, 50, 400])("writes the same bytes when they are taken every %i frames", (every) => {
    const encoder = new FrameEncoder();
    const taken: Uint8Array[] = [];
    inits.forEach((init, i) => {
      encoder.append(init);
      if ((i + 1) % every === 0) taken.push(encoder.take());
    });
    taken.push(encoder.take());
    expect(cat(...taken)).toEqual(expected);
    expect(encoder.length).toBe(0);
  });

  it("never writes again where it has let bytes be taken", () => {
    const encoders = [new FrameEncoder(), new FrameEncoder()];
    const taken: [Uint8Array, Uint8Array][] = [];
    for (const init of inits) {
      for (const encoder of encoders) {
        encoder.append(init);
        const bytes = encoder.take();
        taken.push([bytes, bytes.slice()]);
      }
    }
    for (const [bytes, copy] of taken) expect(bytes).toEqual(copy);
  });

  it("counts the bytes not yet taken", () => {
    const encoder = new FrameEncoder();
    expect([encoder.length, encoder.take().length]).toEqual([0, 0]);
    encoder.append({ cmd: 1 });
    encoder.append({ cmd: 2 });
    expect(encoder.length).toBe(20);
    expect(encoder.take().length).toBe(20);
  });

  it("writes nothing of a frame it refuses", () => {
    const encoder = new FrameEncoder({ maxPayload: 4 });
    encoder.append({ cmd: 1 });
    expect(() => encoder.append({ cmd: 2, payload: fill(5, 0) })).toThrow(FramewireError);
    expect(() => encoder.append({ version: 2, cmd: 2, payload: fill(4, 0), sequence: -1 })).toThrow(FramewireError);
    encoder.append({ cmd: 3 });
    expect(encoder.take()).toEqual(cat(v1(1), v1(3)));
  });

  it("seeds the frames appended after the seed was set", () => {
    const encoder = new FrameEncoder();
    encoder.append({ version: 2, cmd: 1 });
    encoder.checksumSeed = 5;
    encoder.append({ version: 2, cmd: 2 });
    expect(encoder.checksumSeed).toBe(5);
    encoder.checksumSeed = undefined;
    encoder.append({ version: 2, cmd: 3 });
    expect(encoder.take()).toEqual(cat(v2(1), v2(2, undefined, { seed: 5 }), v2(3)));
    expect(() => {
      encoder.checksumSeed = -1;
    }).toThrow(FramewireError);
  });
});
