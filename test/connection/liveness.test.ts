import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { DEFAULTS } from "../../src/options.js";
import { VirtualClock as VirtualClockBase } from "../../src/testing/virtual-clock.js";
import { LinkBench } from "./link-bench.js";

const INTERVAL = DEFAULTS.heartbeatIntervalMs;
const TIMEOUT = DEFAULTS.heartbeatTimeoutMs;

/** Somebody who sends a frame now and then, and never receives one. */
async function keepSending(bench: LinkBench, everyMs: number, forMs: number): Promise<void> {
  for (let passed = 0; passed < forMs && bench.end === undefined; passed += everyMs) {
    bench.link.write({ version: 2, cmd: 1 });
    await bench.clock.advance(everyMs);
  }
}

describe("a silent peer", () => {
  it("is pinged after the interval and dead after the timeout, to the millisecond", async () => {
    const bench = new LinkBench();
    await bench.clock.advance(INTERVAL - 1);
    expect(bench.pings).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.pings).toEqual([INTERVAL]);
    await bench.clock.advance(TIMEOUT - 1);
    expect(bench.end).toBeUndefined();
    await bench.clock.advance(1);
    expect(bench.code).toBe("heartbeat-timeout");
    expect(bench.end?.closeCode).toBe(4502);
  });

  it("is dead in time although this side goes on sending: the kernel takes bytes for a peer that is gone", async () => {
    const bench = new LinkBench();
    await keepSending(bench, 1000, 120_000);
    expect(bench.code).toBe("heartbeat-timeout");
    expect(bench.endedAt).toBe(INTERVAL + TIMEOUT);
  });

  it("may be silent for ever where the interval is 0", async () => {
    const bench = new LinkBench({ heartbeatIntervalMs: 0 });
    await bench.clock.advance(3_600_000);
    expect(bench.end).toBeUndefined();
    expect(bench.pings).toEqual([]);
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it("that a probe was sent to is dead after the timeout, whatever the interval", async () => {
    for (const heartbeatIntervalMs of [0, INTERVAL]) {
      const bench = new LinkBench({ heartbeatIntervalMs });
      await bench.clock.advance(1000);
      bench.link.probe();
      await bench.clock.advance(TIMEOUT);
      expect(bench.code).toBe("heartbeat-timeout");
      expect(bench.endedAt).toBe(1000 + TIMEOUT);
    }
  });
});

describe("a sign of life", () => {
  it("is any received byte, be it half a frame", async () => {
    const bench = new LinkBench({ frameTimeoutMs: 10_000_000 });
    const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(100) });
    for (const byte of frame.subarray(0, -1)) {
      bench.receive(Uint8Array.of(byte));
      await bench.clock.advance(INTERVAL - 1);
    }
    expect(bench.end).toBeUndefined();
  });

  it("is given now and then while one long frame arrives, to a peer whose bytes all lie in its kernel already", async () => {
    const bench = new LinkBench({ frameTimeoutMs: 10_000_000 });
    const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(2_000) });
    let given = 0;
    let longest = 0;
    for (const byte of frame.subarray(0, 300)) {
      bench.receive(Uint8Array.of(byte));
      await bench.clock.advance(1_000);
      const last = bench.pings.at(-1) ?? 0;
      if (last > given) given = last;
      longest = Math.max(longest, bench.clock.now() - given);
    }
    expect(longest).toBeLessThan(INTERVAL);
    bench.receive(frame.subarray(300));
    const { length } = bench.pings;
    await bench.clock.advance(INTERVAL - 1);
    expect(bench.pings).toHaveLength(length);
  });

  it("is a WebSocket pong or a part of a message, without a byte for the decoder", async () => {
    const bench = new LinkBench({}, { kind: "ws", messages: true });
    for (let i = 0; i < 10; i++) {
      await bench.clock.advance(INTERVAL - 1);
      bench.transport.receiver.onAlive();
    }
    expect(bench.pings).toEqual([]);
  });

  it("after the ping starts the interval anew", async () => {
    const bench = new LinkBench();
    await bench.clock.advance(INTERVAL + TIMEOUT - 1);
    bench.receiveFrame();
    await bench.clock.advance(INTERVAL - 1);
    expect(bench.pings).toEqual([INTERVAL]);
    await bench.clock.advance(1);
    expect(bench.pings).toEqual([INTERVAL, 2 * INTERVAL + TIMEOUT - 1]);
  });
});

describe("a large transfer", () => {
  it("to a peer that takes it slowly keeps it alive, as its pong may be stuck behind our bytes (rsocket-java#712)", async () => {
    const bench = new LinkBench();
    bench.transport.stuck = true;
    bench.link.write({ version: 2, cmd: 1, payload: new Uint8Array(1_000_000) });
    bench.link.flush();
    bench.transport.bufferedBytes = 1_000_000;
    for (let i = 0; i < 100; i++) {
      await bench.clock.advance(5000);
      bench.transport.bufferedBytes -= 10_000;
    }
    expect(bench.end).toBeUndefined();
    expect(bench.transport.bufferedBytes).toBe(0);
    await bench.clock.advance(INTERVAL + TIMEOUT);
    expect(bench.code).toBe("heartbeat-timeout");
  });

  it("that stands still ends with the write timeout", async () => {
    const bench = new LinkBench();
    bench.transport.stuck = true;
    bench.link.write({ version: 2, cmd: 1 });
    await bench.clock.advance(DEFAULTS.writeTimeoutMs - 1);
    expect(bench.end).toBeUndefined();
    await bench.clock.advance(1);
    expect(bench.code).toBe("write-timeout");
  });

  it("from a peer keeps it alive, as every chunk does", async () => {
    const bench = new LinkBench({ maxPayload: 1_000_000, frameTimeoutMs: 10_000_000 });
    const frame = encodeFrame({ version: 2, cmd: 1, payload: new Uint8Array(100_000) });
    for (let at = 0; at < frame.length; at += 1000) {
      bench.receive(frame.subarray(at, at + 1000));
      await bench.clock.advance(20_000);
    }
    expect(bench.frames).toEqual([1]);
    expect(bench.end).toBeUndefined();
  });
});

describe("silence that is not the peer's doing", () => {
  it("does not count while this side does not read", async () => {
    const bench = new LinkBench();
    await bench.clock.advance(INTERVAL - 1000);
    bench.link.pause();
    await bench.clock.advance(10 * (INTERVAL + TIMEOUT));
    expect(bench.end).toBeUndefined();
    bench.link.resume();
    await bench.clock.advance(INTERVAL + TIMEOUT - 1);
    expect(bench.end).toBeUndefined();
    await bench.clock.advance(1);
    expect(bench.code).toBe("heartbeat-timeout");
  });

  it("of a process that slept is judged after what arrived meanwhile was read", async () => {
    const clock = new SleepyClock();
    const bench = new LinkBench({}, {}, { clock });
    await clock.advance(INTERVAL);
    expect(bench.pings).toHaveLength(1);
    await clock.sleep(3_600_000);
    expect(bench.end).toBeUndefined();
    bench.receiveFrame();
    await clock.advance(INTERVAL - 1);
    expect(bench.end).toBeUndefined();

    await clock.advance(INTERVAL);
    await clock.sleep(3_600_000);
    await clock.advance(TIMEOUT);
    expect(bench.code).toBe("heartbeat-timeout");
  });

  it("of a hidden page's throttled timers lasts 75 s before it counts, and no ping is missed", async () => {
    let hidden = true;
    const timeoutMs = () => (hidden ? DEFAULTS.heartbeatTimeoutHiddenMs : TIMEOUT);
    const bench = new LinkBench({}, {}, { timeoutMs });
    await bench.clock.advance(INTERVAL + 74_999);
    expect(bench.end).toBeUndefined();
    bench.receiveFrame();
    hidden = false;
    await bench.clock.advance(INTERVAL + TIMEOUT);
    expect(bench.code).toBe("heartbeat-timeout");
  });
});

describe("another heartbeat", () => {
  it("holds from now on, be it shorter or longer", async () => {
    const bench = new LinkBench();
    bench.link.heartbeat = { intervalMs: 1000, timeoutMs: () => 500 };
    await bench.clock.advance(1500);
    expect(bench.code).toBe("heartbeat-timeout");

    const slow = new LinkBench();
    slow.link.heartbeat = { intervalMs: 300_000, timeoutMs: () => 20_000 };
    await slow.clock.advance(319_999);
    expect(slow.pings).toEqual([300_000]);
    expect(slow.end).toBeUndefined();
  });
});

/** A clock whose timers can all be late, as those of a machine that slept. */
class SleepyClock extends VirtualClockBase {
  #slept = 0;

  override now(): number {
    return super.now() + this.#slept;
  }

  /** Time passes, and no timer runs before it is over. */
  async sleep(ms: number): Promise<void> {
    this.#slept += ms;
    await this.advance(ms > 0 ? TIMEOUT / 4 : 0);
  }
}
