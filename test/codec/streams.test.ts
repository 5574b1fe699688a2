import { describe, expect, it } from "vitest";
import { encodeFrame, type Frame, FrameDecoderStream, FrameEncoderStream, type FrameInit } from "../../src/codec/index.js";
import { chunksOf } from "../helpers/decoder-run.js";
import { cat, v1, v2 } from "../helpers/wire-builder.js";

function source<T>(items: readonly T[]): ReadableStream<T> {
  return new ReadableStream({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
}

async function collect<T>(stream: ReadableStream<T>): Promise<{ items: T[]; error: unknown }> {
  const items: T[] = [];
  try {
    for await (const item of stream) items.push(item);
  } catch (error) {
    return { items, error };
  }
  return { items, error: undefined };
}

const frames: Frame[] = [
  { version: 1, cmd: 1, payload: Uint8Array.of(1) },
  { version: 2, cmd: 2, payload: new Uint8Array(5000).fill(2), sequence: 7n },
  { version: 1, cmd: 3, payload: new Uint8Array(0) },
];

describe("FrameDecoderStream", () => {
  it.each([1, 7, 1000, 100_000])("turns chunks of %i bytes into frames that own their bytes", async (size) => {
    const chunks = chunksOf(cat("AA", ...frames.map((frame) => encodeFrame(frame))), size).map((chunk) => chunk.slice());
    const { items, error } = await collect(source(chunks).pipeThrough(new FrameDecoderStream()));
    for (const chunk of chunks) chunk.fill(0xee);
    expect(error).toBeUndefined();
    expect(items).toEqual(frames);
  });

  it("resolves what is undecided when the stream ends", async () => {
    const told: unknown[] = [];
    const cut = v1(1, cat(v2(2), "00 00")).subarray(0, -1);
    const stream = new FrameDecoderStream({ onDiscard: (discard) => told.push(discard.reason) });
    const { items } = await collect(source([cut]).pipeThrough(stream));
    expect(items.map(({ cmd }) => cmd)).toEqual([2]);
    expect(told).toEqual(["truncated", "garbage"]);
  });

  it('errors behind the good frames with recovery "close"', async () => {
    const { items, error } = await collect(source([cat(v1(1), "55")]).pipeThrough(new FrameDecoderStream({ recovery: "close" })));
    // A stream drops what is queued when it errors; what was read before the damage came is not taken back.
    expect(items.length).toBeLessThanOrEqual(1);
    expect(error).toMatchObject({ code: "frame-malformed" });
  });

  it("refuses bad options when it is made", () => {
    expect(() => new FrameDecoderStream({ maxPayload: -1 })).toThrow("maxPayload");
  });
});

describe("FrameEncoderStream", () => {
  it("turns each frame into one chunk", async () => {
    const { items } = await collect(source<FrameInit>(frames).pipeThrough(new FrameEncoderStream({ checksumSeed: 5 })));
    expect(items).toEqual(frames.map((frame) => encodeFrame(frame, { checksumSeed: 5 })));
  });

  it("and a decoder stream behind it gives the frames back", async () => {
    const { items } = await collect(source<FrameInit>(frames).pipeThrough(new FrameEncoderStream()).pipeThrough(new FrameDecoderStream()));
    expect(items).toEqual(frames);
  });

  it("errors at a frame that cannot be written", async () => {
    const { error } = await collect(source<FrameInit>([{ cmd: 2 ** 31 }]).pipeThrough(new FrameEncoderStream()));
    expect(error).toMatchObject({ code: "invalid-option" });
  });

  it("refuses bad options when it is made", () => {
    expect(() => new FrameEncoderStream({ maxPayload: -1 })).toThrow("maxPayload");
  });
});
