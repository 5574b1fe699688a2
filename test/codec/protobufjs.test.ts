import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { crc32, DEFAULT_MAGIC, encodeFrame, type Frame, FrameDecoder } from "../../src/codec/index.js";
import { fc } from "../helpers/fast-check.js";
import { cat } from "../helpers/wire-builder.js";

const root = new protobuf.Root().loadSync(fileURLToPath(new URL("../../proto/framewire/v1/data_frame.proto", import.meta.url)), {
  keepCase: false,
});
const DataFrame = root.lookupType("framewire.v1.DataFrame");

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const payload = fc.uint8Array({ maxLength: 300 });
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const plain = fc.record({ cmd: int32, payload: optional(payload) });
const sealed = fc.record({
  version: fc.integer({ min: 2, max: 2 ** 31 - 1 }),
  cmd: int32,
  payload: optional(payload),
  timestamp: optional(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)),
  sequence: optional(fc.bigInt(0n, 2n ** 64n - 1n)),
  ack: optional(fc.bigInt(0n, 2n ** 64n - 1n)),
  callId: optional(uint32),
  kind: optional(fc.integer({ min: 0, max: 12 })),
  status: optional(int32),
  timeoutMs: optional(uint32),
  trace: optional(fc.string({ unit: "grapheme", maxLength: 60 })),
  metadata: optional(fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), { maxKeys: 4 })),
});

/** Without the fields that are undefined. */
function given<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}

function extOf(metadata: Record<string, string> | undefined): Uint8Array | undefined {
  return metadata && root.lookupType("framewire.v1.FrameExt").encode({ metadata }).finish();
}

const { fromString } = protobuf.util.Long as unknown as { fromString(digits: string, unsigned: boolean): protobuf.Long };
const asLong = (value: bigint, unsigned: boolean): protobuf.Long => fromString(String(value), unsigned);

function decodeAll(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder();
  decoder.push(bytes, (frame) => frames.push(frame.copy()));
  decoder.end((frame) => frames.push(frame.copy()));
  expect(decoder.stats.discards).toBe(0);
  return frames;
}

describe("with nothing but protobufjs' own DataFrame", () => {
  it("a peer reads every version 1 frame that we write", () => {
    fc.assert(
      fc.property(plain, (init) => {
        const read = DataFrame.toObject(DataFrame.decode(encodeFrame(given(init) as typeof init)), { bytes: Array });
        expect(read).toEqual({
          magic: DEFAULT_MAGIC,
          length: init.payload?.length ?? 0,
          cmd: init.cmd,
          ...(init.payload && { payload: [...init.payload] }),
        });
      }),
    );
  });

  it("a peer reads every version 2 frame that we write", () => {
    fc.assert(
      fc.property(sealed, ({ metadata, ...init }) => {
        const bytes = encodeFrame({ ...init, ext: extOf(metadata) });
        const read = DataFrame.toObject(DataFrame.decode(bytes), { longs: String, bytes: Array });
        const { payload, timestamp, sequence, ack, ...rest } = init;
        expect(read).toEqual({
          magic: DEFAULT_MAGIC,
          length: payload?.length ?? 0,
          ...given(rest),
          ...(payload && { payload: [...payload] }),
          ...given({ timestamp: timestamp?.toString(), sequence: sequence?.toString(), ack: ack?.toString() }),
          ...(metadata && { ext: Object.keys(metadata).length === 0 ? {} : { metadata } }),
          checksum: crc32(bytes, 0, bytes.length - 5),
        });
      }),
    );
  });

  it("we read every version 1 frame that a peer writes", () => {
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 5 }), (inits) => {
        const written = inits.map((init) =>
          DataFrame.encode({ magic: DEFAULT_MAGIC, length: init.payload?.length ?? 0, ...given(init) }).finish(),
        );
        expect(decodeAll(cat(...written))).toEqual(
          inits.map(({ cmd, payload }) => ({ version: 1, cmd, payload: payload ?? new Uint8Array(0) })),
        );
      }),
    );
  });

  it("we read every version 2 frame that a peer writes without checksum and completes with five bytes", () => {
    fc.assert(
      fc.property(sealed, ({ metadata, ...init }) => {
        const { timestamp, sequence, ack, ...rest } = init;
        const body = DataFrame.encode({
          magic: DEFAULT_MAGIC,
          length: init.payload?.length ?? 0,
          ...given(rest),
          ...(timestamp !== undefined && { timestamp: asLong(timestamp, false) }),
          ...(sequence !== undefined && { sequence: asLong(sequence, true) }),
          ...(ack !== undefined && { ack: asLong(ack, true) }),
          ...(metadata && { ext: { metadata } }),
        }).finish();
        const checksum = Buffer.alloc(4);
        checksum.writeUInt32LE(crc32(body));
        const ext = extOf(metadata);
        expect(decodeAll(cat(body, "7D", checksum))).toEqual([
          { ...given(init), payload: init.payload ?? new Uint8Array(0), ...(ext && { ext: Uint8Array.from(ext) }) },
        ]);
      }),
    );
  });
});
