import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { DEFAULTS } from "../../src/options.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { LinkBench } from "./link-bench.js";

const FRAME_TIMEOUT = DEFAULTS.frameTimeoutMs;
const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(100) });

describe("an incomplete frame", () => {
  it("closes after its time, counted from its first byte and not from its later ones", async () => {
    const bench = new LinkBench();
    let at = 0;
    for (; at < 10; at++) {
      bench.receive(frame.subarray(at, at + 1));
      await bench.clock.advance(FRAME_TIMEOUT / 10 - 1);
    }
    expect(bench.end).toBeUndefined();
    await bench.clock.advance(10);
    expect(bench.code).toBe("frame-timeout");
    expect(bench.end?.closeCode).toBe(4501);
    expect(bench.endedAt).toBe(FRAME_TIMEOUT);
  });

  it("gets its time anew for each frame", async () => {
    const bench = new LinkBench();
    bench.receive(frame.subarray(0, 50));
    for (let i = 0; i < 5; i++) {
      await bench.clock.advance(FRAME_TIMEOUT - 1);
      bench.receive(frame.subarray(50));
      bench.receive(frame.subarray(0, 50));
    }
    expect(bench.frames).toHaveLength(5);
    expect(bench.end).toBeUndefined();
    await bench.clock.advance(FRAME_TIMEOUT);
    expect(bench.code).toBe("frame-timeout");
  });

  it("that is long gets its time anew with each 32 KiB that have arrived, and with nothing less", async () => {
    const long = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(1_000_000) });
    const slow = new LinkBench();
    let at = 0;
    // 29 kbit/s, in small chunks.
    for (; at < long.length && slow.end === undefined; at += 3_640) {
      slow.receive(long.subarray(at, at + 3_640));
      await slow.clock.advance(1_000);
    }
    expect(slow.end).toBeUndefined();
    expect(slow.frames).toEqual([1]);

    const tooSlow = new LinkBench();
    for (at = 0; tooSlow.end === undefined; at += 3_000) {
      tooSlow.receive(long.subarray(at, at + 3_000));
      await tooSlow.clock.advance(1_000);
    }
    expect([tooSlow.code, tooSlow.endedAt]).toEqual(["frame-timeout", FRAME_TIMEOUT]);

    // What came fast buys no time.
    const stalled = new LinkBench();
    stalled.receive(long.subarray(0, 999_999));
    await stalled.clock.advance(FRAME_TIMEOUT);
    expect([stalled.code, stalled.endedAt]).toEqual(["frame-timeout", FRAME_TIMEOUT]);
  });

  it("of a WebSocket is a message that is not whole: the library waits for its end in silence", async () => {
    const bench = new LinkBench({}, { kind: "ws", messages: true });
    bench.transport.incomingMessage = 1;
    bench.transport.receiver.onAlive();
    await bench.clock.advance(FRAME_TIMEOUT - 1);
    bench.transport.receiver.onAlive();
    await bench.clock.advance(1);
    expect(bench.code).toBe("frame-timeout");

    const honest = new LinkBench({}, { kind: "ws", messages: true });
    for (let message = 1; message < 10; message++) {
      honest.transport.incomingMessage = message;
      honest.transport.receiver.onAlive();
      await honest.clock.advance(FRAME_TIMEOUT - 1);
    }
    expect(honest.end).toBeUndefined();
  });

  it("does not age while this side does not read", async () => {
    const bench = new LinkBench();
    bench.receive(frame.subarray(0, 50));
    bench.link.pause();
    await bench.clock.advance(10 * FRAME_TIMEOUT);
    bench.link.resume();
    await bench.clock.advance(FRAME_TIMEOUT - 1);
    expect(bench.end).toBeUndefined();
    await bench.clock.advance(1);
    expect(bench.code).toBe("frame-timeout");
  });
});

describe("writing", () => {
  it("has its deadline from the last byte that the network took", async () => {
    const bench = new LinkBench();
    bench.transport.stuck = true;
    bench.link.write({ version: 2, cmd: 1, payload: new Uint8Array(1000) });
    bench.link.flush();
    for (let i = 0; i < 10; i++) {
      await bench.clock.advance(DEFAULTS.writeTimeoutMs - 1);
      bench.receiveFrame();
      bench.transport.bufferedBytes -= 100;
      bench.transport.receiver.onDrain();
    }
    expect(bench.end).toBeUndefined();
    for (let i = 0; i < 3; i++) {
      await bench.clock.advance(DEFAULTS.writeTimeoutMs / 3);
      bench.receiveFrame();
    }
    expect(bench.code).toBe("write-timeout");
  });

  it("on top of a full socket is bounded, as pongs and resends are that wait for no room", () => {
    const bench = new LinkBench({ highWaterMark: 1000, maxQueuedBytes: 10_000 });
    bench.transport.stuck = true;
    for (let i = 0; i < 1000 && bench.end === undefined; i++) {
      bench.link.write({ version: 2, cmd: 0, payload: new Uint8Array(100) });
      bench.link.flush();
    }
    expect(bench.code).toBe("slow-consumer");
    expect(bench.transport.bufferedBytes).toBeLessThan(11_500);
  });

  it("of one message beyond every mark is no reason to close, nor the pong behind it", () => {
    const bench = new LinkBench({ highWaterMark: 1000, maxQueuedBytes: 10_000 });
    bench.transport.stuck = true;
    bench.link.write({ version: 2, cmd: 1, payload: new Uint8Array(500_000) });
    bench.link.flush();
    bench.link.write({ version: 2, cmd: 0, payload: new Uint8Array(100) });
    bench.link.flush();
    expect(bench.end).toBeUndefined();
  });
});

describe("room in the socket", () => {
  const HIGH = 1000;
  /** A link that counts how often its owner is told that there is room. */
  function roomBench() {
    const bench = new LinkBench({ highWaterMark: HIGH });
    const told = { times: 0 };
    bench.onWritable = () => void told.times++;
    const write = (bytes: number) => {
      bench.link.writeEncoded(new Uint8Array(bytes));
      bench.link.flush();
    };
    return { bench, told, write };
  }

  it("is reported once no more than half of the high-water mark is left, and not before: a full socket is not filled up byte by byte", () => {
    const { bench, told, write } = roomBench();
    bench.transport.stuck = true;
    write(HIGH);
    expect(bench.link.writable).toBe(false);
    const drainTo = (bytes: number) => {
      bench.transport.bufferedBytes = bytes;
      bench.transport.receiver.onDrain();
    };
    drainTo(HIGH - 1);
    drainTo(HIGH / 2 + 1);
    expect([bench.link.writable, told.times]).toEqual([true, 0]);
    drainTo(HIGH / 2);
    expect(told.times).toBe(1);
  });

  it("is reported where the network took more than that at once, of which a transport reports no drain", () => {
    const { told, write } = roomBench();
    write(HIGH / 2);
    expect(told.times).toBe(0);
    write(HIGH / 2 + 1);
    expect(told.times).toBe(1);
  });
});

describe("closing", () => {
  it("drops the socket of a peer that does not close its end", async () => {
    const bench = new LinkBench();
    bench.link.close(4000, "bye");
    expect(bench.end).toEqual({ closeCode: 4000, reason: "bye" });
    await bench.clock.advance(DEFAULTS.closeTimeoutMs - 1);
    expect(bench.transport.calls).toEqual(["close 4000 bye"]);
    await bench.clock.advance(1);
    expect(bench.transport.calls).toEqual(["close 4000 bye", "destroy"]);
  });

  it("leaves no timer once the socket is gone", () => {
    const bench = new LinkBench();
    bench.link.close(4000, "bye");
    bench.transport.receiver.onClose(4000, "bye");
    expect(bench.clock.pendingTimers).toBe(0);
    expect(bench.transport.calls).toEqual(["close 4000 bye"]);
  });

  it("cuts its reason to the 123 bytes of a close frame, never within a character", () => {
    for (const [reason, kept] of [
      ["é".repeat(100), "é".repeat(61)],
      [`${"x".repeat(122)}😀`, "x".repeat(122)],
      [`${"x".repeat(119)}😀!`, `${"x".repeat(119)}😀`],
      ["x".repeat(123), "x".repeat(123)],
    ] as const) {
      const bench = new LinkBench();
      bench.link.close(4000, reason);
      expect(bench.transport.calls).toEqual([`close 4000 ${kept}`]);
    }
  });

  it("because of a rule of the transport has the code of a violation", () => {
    const bench = new LinkBench({}, { kind: "ws", messages: true });
    bench.transport.receiver.onViolation?.("text");
    expect(bench.code).toBe("protocol-violation");
  });
});

it("deadlines hold in a process that has run for months", async () => {
  const clock = new VirtualClock(100 * 24 * 3_600_000);
  const bench = new LinkBench({}, {}, { clock });
  bench.receive(frame.subarray(0, 50));
  await clock.advance(FRAME_TIMEOUT);
  expect(bench.code).toBe("frame-timeout");
});
