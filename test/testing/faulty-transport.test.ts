import { describe, expect, it } from "vitest";
import type { Transport } from "../../src/link/transport.js";
import { type ChaosOptions, faultyTransport, type LinkFaults, memoryPair, PROFILE_NAMES, VirtualClock } from "../../src/testing/index.js";

/** What one end of a pair has seen. */
interface Seen {
  /** `text@time` of each chunk. */
  readonly chunks: string[];
  text: string;
  end: string | undefined;
}

function watch(transport: Transport, clock: VirtualClock): Seen {
  const seen: Seen = { chunks: [], text: "", end: undefined };
  transport.open({
    onData: (chunk) => {
      const text = new TextDecoder("latin1").decode(chunk);
      seen.chunks.push(`${text}@${Math.round(clock.now())}`);
      seen.text += text;
    },
    onAlive: () => {},
    onDrain: () => {},
    onClose: (code) => {
      seen.end = `${code}@${Math.round(clock.now())}`;
    },
  });
  return seen;
}

const bytes = (text: string) => new TextEncoder().encode(text);

function join(faults: LinkFaults, options: ChaosOptions & { readonly messages?: boolean } = {}) {
  const clock = new VirtualClock();
  const { messages = false, ...rest } = options;
  const [inner, far] = memoryPair({ messages, schedule: (run) => clock.defer(run) });
  const near = faultyTransport(inner, { clock, faults, ...rest });
  const atFar = watch(far, clock);
  const atNear = watch(near, clock);
  return { clock, near, far, atNear, atFar };
}

describe("a faulty transport", () => {
  it("without faults hands everything on at once, and the end behind it", async () => {
    const { clock, near, far, atNear, atFar } = join({});
    near.write(bytes("up"));
    far.write(bytes("down"));
    await clock.runUntilIdle();
    near.write(bytes(" and up"));
    near.close(4000, "bye");
    await clock.runUntilIdle();
    expect([atFar.text, atFar.end, atNear.text, atNear.end]).toEqual(["up and up", "4000@0", "down", "4000@0"]);
  });

  it("delays by latency, in each direction its own, and keeps the order under jitter", async () => {
    const { clock, near, far, atNear, atFar } = join({ up: { latencyMs: 100 }, down: { latencyMs: 10, jitterMs: 200 } });
    near.write(bytes("a"));
    for (let i = 0; i < 50; i++) far.write(bytes(String.fromCharCode(65 + i)));
    await clock.advance(300);
    expect(atFar.chunks).toEqual(["a@100"]);
    expect(atNear.text).toBe(Array.from({ length: 50 }, (_, i) => String.fromCharCode(65 + i)).join(""));
    expect(Number(atNear.chunks[0]!.split("@").at(-1))).toBeGreaterThanOrEqual(10);
  });

  it("lets a limited bandwidth trickle, and counts what waits as buffered", async () => {
    const { clock, near, atFar } = join({ up: { bytesPerSecond: 10_000 } });
    near.write(new Uint8Array(20_000).fill(97));
    expect(near.bufferedBytes).toBeGreaterThan(19_000);
    await clock.advance(1_000);
    expect(atFar.text.length).toBeGreaterThan(9_500);
    expect(atFar.text.length).toBeLessThanOrEqual(10_000);
    await clock.advance(1_000);
    expect([atFar.text.length, near.bufferedBytes]).toEqual([20_000, 0]);
  });

  it.each([0, 1, 5, 6, 7, 11])("cut at byte %i lets exactly that many bytes arrive, then both ends see a break", async (cutAtByte) => {
    const { clock, near, atNear, atFar } = join({ up: { cutAtByte } });
    near.write(bytes("hello "));
    near.write(bytes("world"));
    near.write(bytes("never"));
    await clock.runUntilIdle();
    expect([atFar.text, atFar.end, atNear.end]).toEqual(["hello world".slice(0, cutAtByte), "1006@0", "1006@0"]);
  });

  it("cut inside a message of a WebSocket lets that message not arrive", async () => {
    const { clock, near, atFar } = join({ up: { cutAtByte: 8 } }, { messages: true });
    near.write(bytes("hello "));
    near.write(bytes("world"));
    await clock.runUntilIdle();
    expect([atFar.text, atFar.end]).toEqual(["hello ", "1006@0"]);
  });

  it("half open: what is sent goes nowhere, nobody is told, and a close is not either", async () => {
    const { clock, near, far, atNear, atFar } = join({ up: { silentAtByte: 2 } });
    near.write(bytes("heard"));
    far.write(bytes("down"));
    await clock.runUntilIdle();
    expect([atFar.text, atNear.text]).toEqual(["he", "down"]);
    near.close(1000, "");
    await clock.advance(1_000);
    expect([atFar.end, atNear.end]).toEqual([undefined, "1006@0"]);
  });

  it("destroyed by its own side: what it had written is under way and still arrives, as on a kernel's socket", async () => {
    const { clock, near, atNear, atFar } = join({ up: { latencyMs: 100 } });
    near.write(bytes("last words"));
    near.destroy();
    await clock.runUntilIdle();
    expect([atFar.text, atFar.end, atNear.end]).toEqual(["", undefined, "1006@0"]);
    await clock.advance(100);
    expect([atFar.text, atFar.end]).toEqual(["last words", "1006@100"]);
  });

  it("stalls hold everything up for a while and lose nothing", async () => {
    const { clock, near, atFar } = join({ stalls: { everyMs: [100, 100], forMs: [400, 400] } });
    for (let i = 0; i < 10; i++) {
      near.write(bytes(String(i)));
      await clock.advance(50);
    }
    expect(atFar.chunks).toEqual(["0@0", "1@50", "2@500", "3@500", "4@500", "5@500", "6@500", "7@500", "8@500", "9@500"]);
  });

  it("changes the bytes it is told to, and leaves the sender's own alone", async () => {
    const { clock, near, atFar } = join({ up: { corruptAtBytes: [1, 7] } });
    const sent = bytes("hello world");
    near.write(sent);
    await clock.runUntilIdle();
    const differing = [...atFar.text].flatMap((char, i) => (char === "hello world"[i] ? [] : [i]));
    expect(differing).toEqual([1, 7]);
    expect(sent).toEqual(bytes("hello world"));
  });

  it("changes bytes at the rate it is told to", async () => {
    const { clock, near, atFar } = join({ up: { corruptionRate: 0.01 } }, { seed: 5 });
    for (let i = 0; i < 100; i++) near.write(new Uint8Array(1_000).fill(97));
    await clock.runUntilIdle();
    const changed = [...atFar.text].filter((char) => char !== "a").length;
    expect(changed).toBeGreaterThan(900);
    expect(changed).toBeLessThan(1_100);
  });

  it("hands nothing out while its reader has stopped reading", async () => {
    const { clock, near, far, atNear } = join({ down: { latencyMs: 10 } });
    far.write(bytes("a"));
    await clock.advance(5);
    near.pause();
    await clock.advance(50);
    expect(atNear.text).toBe("");
    near.resume();
    await clock.runUntilIdle();
    expect(atNear.text).toBe("a");
  });

  it("does the same again with the same seed, and otherwise with another", async () => {
    const run = async (seed: number) => {
      const { clock, near, atFar } = join({ up: { latencyMs: 5, jitterMs: 50, corruptionRate: 0.05 } }, { seed });
      for (let i = 0; i < 20; i++) near.write(bytes("some text"));
      await clock.advance(1_000);
      return atFar.chunks;
    };
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
  });

  it.each(PROFILE_NAMES)("the profile %s carries bytes both ways", async (name) => {
    const clock = new VirtualClock();
    const [inner, far] = memoryPair({ schedule: (run) => clock.defer(run) });
    const near = faultyTransport(inner, { clock, faults: name });
    const atFar = watch(far, clock);
    const atNear = watch(near, clock);
    near.write(bytes("up"));
    far.write(bytes("down"));
    await clock.advance(1_000);
    expect([atFar.text, atNear.text]).toEqual(["up", "down"]);
  });
});
