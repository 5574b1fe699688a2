import { describe, expect, it } from "vitest";
import { encodeFrame, FrameEncoder } from "../../src/codec/index.js";
import { fc } from "../helpers/fast-check.js";

const frame = (n: number, size = 20) => ({ version: 2, cmd: n, payload: new Uint8Array(size).fill(n) });

describe("the memory that frames are written to", () => {
  it("is written to again once it was given back", () => {
    const encoder = new FrameEncoder();
    encoder.append(frame(1));
    const first = encoder.take();
    encoder.recycle(first);
    encoder.append(frame(2));
    const second = encoder.take();
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteOffset).toBe(first.byteOffset);
    expect(second).toEqual(encodeFrame(frame(2)));
  });

  it("stays the caller's until then, whatever else is written", () => {
    const encoder = new FrameEncoder();
    encoder.append(frame(1));
    const first = encoder.take();
    for (let n = 2; n < 50; n++) {
      encoder.append(frame(n, 10_000));
      encoder.recycle(encoder.take());
    }
    expect(first).toEqual(encodeFrame(frame(1)));
  });

  it("of bytes that are retained is written to again when they are released, and not before", () => {
    const encoder = new FrameEncoder();
    const blocks = new Set<ArrayBufferLike>();
    const retained: { release: () => void; bytes: Uint8Array; copy: Uint8Array }[] = [];
    for (let n = 0; n < 3000; n++) {
      encoder.append(frame(n % 256, 10_000));
      const bytes = encoder.take();
      blocks.add(bytes.buffer);
      const block = encoder.retain(bytes);
      expect(encoder.retain(bytes)).toBeUndefined();
      retained.push({ release: () => block?.release(), bytes, copy: bytes.slice() });
      if (retained.length < 40) continue;
      for (const { bytes, copy, release } of retained.splice(0)) {
        expect(Buffer.compare(bytes, copy)).toBe(0);
        release();
      }
    }
    // 40 of them are 400 kB: four blocks, and what others left in the first.
    expect(blocks.size).toBeLessThan(10);
  });

  it("is not given back by bytes that were taken before the last", () => {
    const encoder = new FrameEncoder();
    encoder.append(frame(1));
    const first = encoder.take();
    encoder.append(frame(2));
    const second = encoder.take();
    encoder.recycle(first);
    encoder.append(frame(3));
    encoder.recycle(encoder.take());
    expect(second).toEqual(encodeFrame(frame(2)));
    expect(first).toEqual(encodeFrame(frame(1)));
  });

  it("is shared by many encoders without one writing over another", () => {
    const sizes = fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 20_000 }), fc.constantFrom(65_536, 200_000));
    const steps = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.constantFrom("append", "take", "recycle"), sizes), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (taken) => {
        const parties = Array.from({ length: 5 }, () => ({
          encoder: new FrameEncoder(),
          pending: [] as Uint8Array[],
          last: new Uint8Array(0),
        }));
        const kept: { bytes: Uint8Array; copy: Uint8Array }[] = [];
        for (const [i, [who, verb, size]] of taken.entries()) {
          const party = parties[who]!;
          if (verb === "append") {
            party.encoder.append(frame(i % 256, size));
            party.pending.push(encodeFrame(frame(i % 256, size)));
            continue;
          }
          const bytes = party.encoder.take();
          expect(Buffer.compare(bytes, Buffer.concat(party.pending))).toBe(0);
          party.pending = [];
          if (verb === "recycle") party.encoder.recycle(bytes);
          else kept.push({ bytes, copy: bytes.slice() });
        }
        for (const { bytes, copy } of kept) expect(Buffer.compare(bytes, copy)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
