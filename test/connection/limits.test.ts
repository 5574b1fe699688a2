import { describe, expect, it } from "vitest";
import { encodeFrame, type FrameInit } from "../../src/codec/index.js";
import { RateMeter, rateLimits, USELESS_FRAME_WEIGHT } from "../../src/link/rate-limit.js";
import type { ConnectionOptions, ServerLimits } from "../../src/options.js";
import { LinkBench } from "./link-bench.js";

const good = encodeFrame({ version: 2, cmd: 1 });
const damaged = good.slice();
damaged[good.length - 1]! ^= 1;
/** Bytes in which no frame begins. */
const garbage = new Uint8Array(20).fill(0x55);

/** A link that only takes frames with checksums. */
function bench(options: ConnectionOptions & ServerLimits = {}, messages = false): LinkBench {
  return new LinkBench(options, { protocol: 2, messages });
}

describe("the rate of frames", () => {
  it("allows a burst of a second's worth, then as many a second", async () => {
    const link = bench({ maxFramesPerSecond: 10_000 });
    for (let i = 0; i < 10_000; i++) link.receive(good);
    for (let second = 0; second < 5; second++) {
      await link.clock.advance(1000);
      for (let i = 0; i < 10_000; i++) link.receive(good);
    }
    expect(link.end).toBeUndefined();
    expect(link.frames).toHaveLength(60_000);
    link.receive(good);
    link.receive(good);
    expect(link.code).toBe("rate-exceeded");
    expect(link.end?.closeCode).toBe(4506);
  });

  it("lets a resume send its whole replay at once, however low it is", () => {
    const link = bench({ maxFramesPerSecond: 1 });
    for (let i = 0; i < 8192; i++) link.receive(good);
    expect(link.end).toBeUndefined();
    for (let i = 0; i < 2; i++) link.receive(good);
    expect(link.code).toBe("rate-exceeded");
  });

  it("counts a hundredfold what is of no use", () => {
    const link = bench({ maxFramesPerSecond: 10_000 });
    link.onFrameDo = (_frame, to) => to.charge(USELESS_FRAME_WEIGHT);
    for (let i = 0; i < 99; i++) link.receive(good);
    expect(link.end).toBeUndefined();
    link.receive(good);
    expect(link.code).toBe("rate-exceeded");
  });

  it("ends a flood of them within the chunk that it came in", () => {
    const link = bench({ maxFramesPerSecond: 10_000 });
    link.onFrameDo = (_frame, to) => to.charge(USELESS_FRAME_WEIGHT);
    link.receive(Buffer.concat(Array<Uint8Array>(3000).fill(good)));
    expect(link.code).toBe("rate-exceeded");
    expect(link.frames).toHaveLength(100);
  });

  it("counts what comes below our frames as well, and only what exceeds it does not count for the address", () => {
    const link = bench({ maxFramesPerSecond: 10_000 }, true);
    for (let i = 0; i < 99; i++) link.transport.receiver.onAlive(100);
    link.transport.receiver.onAlive(50);
    link.transport.receiver.onAlive(50);
    link.transport.receiver.onAlive();
    expect(link.end).toBeUndefined();
    link.transport.receiver.onAlive(1);
    expect(link.code).toBe("rate-exceeded");

    const limits = rateLimits({ maxFramesPerSecond: 10_000, maxBytesPerSecond: 1e9, maxPayload: 1000 });
    const share = { framesSpentUntil: 0 };
    const flood = new LinkBench({}, { messages: true }, { rate: new RateMeter(limits, share) });
    flood.transport.receiver.onAlive(1_000_000);
    expect(flood.code).toBe("rate-exceeded");
    expect(share.framesSpentUntil).toBe(505);
  });

  it("is no limit at all when it is Infinity", () => {
    const link = bench({ maxFramesPerSecond: Number.POSITIVE_INFINITY, maxBytesPerSecond: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 300_000; i++) link.receive(good);
    expect(link.end).toBeUndefined();
  });
});

describe("the rate of an address", () => {
  it("is that of two connections, however many there are, and whoever brings it over goes", () => {
    const limits = rateLimits({ maxFramesPerSecond: 10_000, maxBytesPerSecond: 1e9, maxPayload: 1024 });
    const share = { framesSpentUntil: 0 };
    const meters = Array.from({ length: 10 }, () => new RateMeter(limits, share));
    let refused = 0;
    for (const meter of meters) {
      meter.add(9_000);
      if (meter.settle(0, 0) !== undefined) refused++;
    }
    // Twice 9,000 is within twice 10,000; the next is not, and does not count against those behind it.
    expect(refused).toBe(8);
    const late = new RateMeter(limits, share);
    late.add(9_000);
    expect(late.settle(0, 1000)).toBeUndefined();
  });
});

describe("the rate of bytes", () => {
  it("allows a burst, and closes above it", async () => {
    const big = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(1_000_000) });
    const link = bench({ maxBytesPerSecond: 20_000_000 });
    for (let i = 0; i < 19; i++) link.receive(big);
    await link.clock.advance(1000);
    for (let i = 0; i < 19; i++) link.receive(big);
    expect(link.end).toBeUndefined();
    for (let i = 0; i < 3; i++) link.receive(big);
    expect(link.code).toBe("rate-exceeded");
  });

  it("never closes below four of the largest frames", () => {
    const link = bench({ maxBytesPerSecond: 1, maxPayload: 10_000_000 });
    const largest = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(9_999_900) }, { maxPayload: 10_000_000 });
    for (let i = 0; i < 4; i++) link.receive(largest);
    expect(link.end).toBeUndefined();
    link.receive(largest);
    expect(link.code).toBe("rate-exceeded");
  });
});

describe("the resync budget", () => {
  it("closes at one more than the budget in a minute", async () => {
    const link = bench({ resyncBudget: 3, errorRate: 1 });
    for (let i = 0; i < 3; i++) {
      link.receive(damaged);
      link.receive(good);
    }
    expect(link.end).toBeUndefined();
    link.receive(damaged);
    link.receive(good);
    expect(link.code).toBe("resync-budget");
    expect(link.end?.closeCode).toBe(4504);
  });

  it("forgets what is more than a minute ago", async () => {
    const link = bench({ resyncBudget: 3 });
    for (let i = 0; i < 50; i++) {
      link.receive(damaged);
      for (let k = 0; k < 10; k++) link.receive(good);
      await link.clock.advance(25_000);
    }
    expect(link.end).toBeUndefined();
  });

  it("counts a gap once, however many candidates failed in it", () => {
    const link = bench({ resyncBudget: 1, errorRate: 1 });
    for (let i = 0; i < 10; i++) link.receive(damaged);
    link.receive(good);
    expect(link.end).toBeUndefined();
  });

  it("counts each bad WebSocket message, be there no good one in between", () => {
    const link = bench({ resyncBudget: 8, errorRate: 1 }, true);
    for (let i = 0; i < 8; i++) link.receive(garbage);
    expect(link.end).toBeUndefined();
    link.receive(garbage);
    expect(link.code).toBe("resync-budget");
  });

  it("ends a stream in which no frame ever comes", () => {
    const link = bench({ maxPayload: 1024, maxTrailer: 256 });
    link.receive(good);
    for (let i = 0; i < 64; i++) link.receive(garbage);
    expect(link.end).toBeUndefined();
    link.receive(garbage);
    expect(link.code).toBe("resync-budget");
  });
});

describe("the error rate", () => {
  it.each([
    ["exactly half of the frames", 20, 20, undefined],
    ["more than half", 20, 21, "error-rate"],
    ["all of too few to judge by", 0, 19, undefined],
    ["all of enough", 0, 20, "error-rate"],
  ])("with %s damaged: %i good, %i bad", (_name, goods, bads, code) => {
    const link = bench({ resyncBudget: 1000 });
    for (let i = 0; i < goods; i++) link.receive(good);
    for (let i = 0; i < bads; i++) link.receive(damaged);
    // What the last damaged frame was is known when something follows it.
    link.receive(damaged.subarray(0, 7));
    expect(link.code).toBe(code);
    if (code !== undefined) expect(link.end?.closeCode).toBe(4505);
  });

  it("is that of the last minute", async () => {
    const link = bench({ resyncBudget: 1000, heartbeatIntervalMs: 0 });
    for (let i = 0; i < 1000; i++) link.receive(good);
    await link.clock.advance(61_000);
    for (let i = 0; i < 21; i++) link.receive(damaged);
    expect(link.code).toBe("error-rate");
  });

  it("of 1 never closes", () => {
    const link = bench({ resyncBudget: 1000, errorRate: 1 });
    for (let i = 0; i < 100; i++) link.receive(damaged);
    expect(link.end).toBeUndefined();
  });
});

describe("what closes at once", () => {
  const first = (init: Partial<FrameInit>) => encodeFrame({ version: 2, cmd: 1, ...init }, { maxPayload: 2_000_000 });

  const linksOfEachVersion = [
    { what: "with checksums", linkWith: bench },
    { what: "of version 1", linkWith: (options: ConnectionOptions) => new LinkBench(options) },
  ];

  it.each(linksOfEachVersion)("is a frame that claims more than maxPayload, at the end of its head, on a link $what", ({ linkWith }) => {
    const head = first({ payload: new Uint8Array(1025) }).subarray(0, 16);
    for (let cut = 1; cut < head.length; cut++) {
      const link = linkWith({ maxPayload: 1024 });
      link.receive(head.subarray(0, cut));
      expect(link.code).toBeUndefined();
      link.receive(head.subarray(cut));
      expect([link.code, link.end?.closeCode]).toEqual(["frame-too-large", 4401]);
    }
  });

  it.each(linksOfEachVersion)(
    "is not a length that the rest of its head contradicts: that is damage, and counted so, wherever a chunk ends, on a link $what",
    ({ linkWith }) => {
      const small = first({ payload: new Uint8Array(300).fill(1) });
      const claims = small.slice();
      // The second byte of the length, 300 = AC 02: another value above 7 claims more than 1,024.
      claims[8] = 0x42;
      for (let cut = 1; cut < claims.length; cut++) {
        const link = linkWith({ maxPayload: 1024, resyncBudget: 1 });
        link.receive(claims.subarray(0, cut));
        link.receive(claims.subarray(cut));
        link.receive(small);
        expect([link.code, link.frames]).toEqual([undefined, [1]]);
        link.receive(claims);
        link.receive(small);
        expect(link.code).toBe("resync-budget");
      }
    },
  );

  it("is not such a length whose rest never comes: the frame's time ends", async () => {
    const link = bench({ maxPayload: 1024, frameTimeoutMs: 500 });
    link.receive(first({ payload: new Uint8Array(1025) }).subarray(0, 15));
    await link.clock.advance(499);
    expect(link.code).toBeUndefined();
    await link.clock.advance(1);
    expect(link.code).toBe("frame-timeout");
  });

  it("is the first damaged byte with recovery close", () => {
    const link = bench({ recovery: "close" });
    link.receive(damaged);
    expect(link.code).toBe("frame-malformed");
  });

  it("is nobody's when it comes right after a frame that closes the link, with recovery close too", () => {
    const link = bench({ recovery: "close" });
    link.onFrameDo = (_frame, to) => to.fail("protocol-violation", "a frame that breaks a rule");
    expect(() => link.receive(Buffer.concat([good, damaged]))).not.toThrow();
    expect(link.code).toBe("protocol-violation");
  });
});
