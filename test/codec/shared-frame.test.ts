import { expect, it } from "vitest";
import { SharedFrame } from "../../src/codec/encoder/shared-frame.js";
import { encodeFrame, FrameEncoder } from "../../src/codec/index.js";
import { DEFAULTS } from "../../src/options.js";
import { fc } from "../helpers/fast-check.js";

const { magic } = DEFAULTS;

it("a shared frame sealed for one receiver is the frame that was encoded for it alone", () => {
  const receivers = fc.array(
    fc.record({
      seed: fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
      sequence: fc.integer({ min: 1, max: 1e15 }),
    }),
    {
      minLength: 1,
    },
  );
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.uint8Array({ maxLength: 300 }), receivers, (cmd, payload, list) => {
      const shared = new SharedFrame({ version: 2, cmd, payload }, { magic });
      for (const { seed, sequence } of list) {
        const encoder = new FrameEncoder({ checksumSeed: seed });
        encoder.appendShared(shared, { cmd, sequence });
        expect(encoder.take()).toEqual(encodeFrame({ version: 2, cmd, payload, sequence }, { checksumSeed: seed }));
      }
    }),
  );
});

it("a shared frame of version 1 is the whole frame", () => {
  const payload = Uint8Array.of(1, 2, 3);
  expect(new SharedFrame({ version: 1, cmd: 7, payload }, { magic }).bytes).toEqual(encodeFrame({ cmd: 7, payload }));
});
