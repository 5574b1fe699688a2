import { describe, expect, it } from "vitest";
import { encodeFrame, FrameDecoder, type FrameDecoderOptions, FrameDecoderStream, type FrameView } from "../../src/codec/index.js";
import { FramewireError } from "../../src/errors.js";
import { chunksAt, chunksOf, outcomeOfRun, runDecoder } from "../helpers/decoder-run.js";
import { heldBytes } from "../helpers/memory.js";
import { Random, randomCuts } from "../helpers/random.js";
import { runs } from "../helpers/runs.js";
import { damagedStream } from "../helpers/stream-generator.js";
import { cat, fill, hex, v1, v2 } from "../helpers/wire-builder.js";
import { expectEqual } from "./expect-equal.js";

const none = (): void => {};
const cmds = (into: number[]) => (frame: FrameView) => {
  into.push(frame.cmd);
};

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FramewireError) return error.code;
    throw error;
  }
  return "no error";
}

describe("FrameDecoder", () => {
  it.each([
    [{ magic: 2 ** 28 - 1 }],
    [{ magic: 2 ** 31 }],
    [{ maxPayload: -1 }],
    [{ maxTrailer: 4 }],
    [{ minVersion: 0 }],
    [{ checksumSeed: 2 ** 32 }],
    [{ recovery: "later" as "close" }],
  ] satisfies [FrameDecoderOptions][])("refuses %o", (options) => {
    expect(codeOf(() => new FrameDecoder(options))).toBe("invalid-option");
  });

  it("refuses an option that it does not have, with the nearest that it has", () => {
    const refusal = (message: string) => expect.objectContaining({ code: "invalid-option", message });
    expect(() => new FrameDecoder({ maxpayload: 5 } as never)).toThrow(
      refusal("FrameDecoder has no option maxpayload; did you mean maxPayload?"),
    );
    expect(() => new FrameDecoder({ onDiscarded: none } as never)).toThrow(
      refusal("FrameDecoder has no option onDiscarded; did you mean onDiscard?"),
    );
    // One of a connection, which no decoder has.
    expect(() => new FrameDecoderStream({ maxCalls: 5 } as never)).toThrow(expect.objectContaining({ code: "invalid-option" }));
    expect(() => new FrameDecoder().update({ minversion: 2 } as never)).toThrow(
      refusal("FrameDecoder.update has no option minversion; did you mean minVersion?"),
    );
    expect(codeOf(() => new FrameDecoder({ maxpayload: undefined } as never))).toBe("no error");
  });

  it("delivers a frame at its own last byte, not later", () => {
    for (const frame of [v1(7, "01 02"), v1(7), v2(7, "01 02"), v2(7)]) {
      const seen: number[] = [];
      const decoder = new FrameDecoder();
      decoder.push(frame.subarray(0, -1), cmds(seen));
      expect(seen).toEqual([]);
      decoder.push(frame.subarray(-1), cmds(seen));
      expect(seen).toEqual([7]);
    }
  });

  it("takes empty chunks at any point", () => {
    const frame = v2(7, "01 02 03");
    for (let cut = 0; cut <= frame.length; cut++) {
      expect(runDecoder(chunksAt(frame, [cut, cut, cut])).frames.map(({ cmd }) => cmd)).toEqual([7]);
    }
  });

  it("takes a Buffer as it takes a Uint8Array", () => {
    const seen: string[] = [];
    const decoder = new FrameDecoder();
    const stream = Buffer.from(cat(v1(1, "61 62"), v2(2, "63"), v1(3)));
    decoder.push(stream, (frame) => seen.push(`${frame.cmd} ${frame.payload.constructor.name} ${frame.bytes().buffer !== stream.buffer}`));
    expect(seen).toEqual(["1 Uint8Array true", "2 Uint8Array true", "3 Uint8Array true"]);
  });

  it("counts stream offsets over all chunks, and the gap before each frame", () => {
    const stream = cat("AA AA AA", v1(1, "01"), v1(2), "2A 00", "BB", v2(3), "08");
    const run = runDecoder(chunksOf(stream, 4));
    expect(run.frames.map(({ cmd, start, end, afterGap }) => [cmd, start, end, afterGap])).toEqual([
      [1, 3, 16, 3],
      [2, 16, 26, 0],
      [3, 29, 46, 1],
    ]);
  });
});

describe("the view of a frame", () => {
  it("shows the payload by its place in the buffer, in the chunk itself when the frame lies in it", () => {
    const stream = cat("00 00", v2(1, "AA BB CC"));
    let checked = 0;
    new FrameDecoder().push(stream, (frame) => {
      expect(frame.buffer).toBe(stream);
      expect([...frame.buffer.subarray(frame.payloadStart, frame.payloadEnd)]).toEqual([0xaa, 0xbb, 0xcc]);
      expect(frame.payload.buffer).toBe(stream.buffer);
      expect(frame.payload).toBe(frame.payload);
      checked++;
    });
    expect(checked).toBe(1);
  });

  it("shows the payload in one piece after any chunking", () => {
    const payload = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);
    const stream = cat("08 F5", v2(1, payload), v1(2, payload));
    for (let size = 1; size < stream.length; size += 7) {
      let seen = 0;
      const decoder = new FrameDecoder();
      for (const chunk of chunksOf(stream, size)) {
        decoder.push(chunk, (frame) => {
          expect(frame.buffer.subarray(frame.payloadStart, frame.payloadEnd)).toEqual(payload);
          expect(frame.payload).toEqual(payload);
          expect(frame.bytes()).toEqual(stream.subarray(frame.start, frame.end));
          seen++;
        });
      }
      expect(seen).toBe(2);
    }
  });

  it("is one object for all frames, and holds no bytes between pushes", () => {
    const views = new Set<FrameView>();
    const decoder = new FrameDecoder();
    for (const chunk of chunksOf(cat(v1(1, "01"), v2(2, "02"), v1(3)), 11)) decoder.push(chunk, (frame) => views.add(frame));
    const [view, ...others] = [...views];
    expect(others).toEqual([]);
    expect(view!.buffer.length).toBe(0);
  });

  it("keeps no chunk alive, nor a payload's view into one", async () => {
    const decoder = new FrameDecoder();
    const feed = (rest: Uint8Array): WeakRef<ArrayBufferLike> => {
      const chunk = cat("BB", v1(1, fill(40, 1)), rest);
      decoder.push(chunk, (frame) => expect(frame.payload.length).toBe(40));
      return new WeakRef(chunk.buffer);
    };
    for (const rest of [hex(""), hex("AA"), hex("08 F5"), v2(2, fill(100, 2)).subarray(0, -1)]) {
      const ref = feed(rest);
      // A weak reference holds on until the end of the task that made it.
      await new Promise((resolve) => setTimeout(resolve));
      heldBytes();
      expect(ref.deref()).toBeUndefined();
    }
  });

  it("copies: a copy lives on when the chunk is reused", () => {
    const frames: unknown[] = [];
    const bytes: Uint8Array[] = [];
    const chunk = Buffer.from(encodeFrame({ version: 3, cmd: 9, payload: hex("0102"), trace: "t", ext: hex("0A00"), sequence: 5 }));
    const whole = Uint8Array.from(chunk);
    new FrameDecoder().push(chunk, (frame) => {
      frames.push(frame.copy());
      bytes.push(frame.bytes());
    });
    chunk.fill(0xee);
    expect(frames).toEqual([{ version: 3, cmd: 9, payload: hex("0102"), trace: "t", ext: hex("0A00"), sequence: 5n }]);
    expect(bytes).toEqual([whole]);
  });
});

describe("onDamage", () => {
  /** What is reported while `bytes` come one by one and nothing follows: when, and what. */
  function reports(bytes: Uint8Array): string[] {
    const told: string[] = [];
    const decoder = new FrameDecoder({
      onDamage: ({ start, reason }) => told.push(`${decoder.stats.bytes}: damage at ${start}, ${reason}`),
      onDiscard: ({ start, end, reason }) => told.push(`${decoder.stats.bytes}: discard ${start} to ${end}, ${reason}`),
    });
    for (const byte of bytes) decoder.push(Uint8Array.of(byte), none);
    return told;
  }
  const good = v2(7, "01 02 03");
  const wrongAt = (at: number, value: number) => Uint8Array.from(good, (byte, i) => (i === at ? value : byte));

  it("reports a wrong checksum at its last byte, whatever follows", () => {
    expect(reports(wrongAt(good.length - 1, 0))).toEqual([`${good.length}: damage at 0, checksum`]);
  });

  it("reports a damaged magic at its wrong byte", () => {
    expect(reports(wrongAt(3, 0))).toEqual(["4: damage at 0, garbage"]);
    expect(reports(wrongAt(0, 9))).toEqual(["1: damage at 0, garbage"]);
  });

  it("reports garbage behind a frame once, at its first byte", () => {
    expect(reports(cat(good, "AA BB CC DD EE FF 00 11 22"))).toEqual([`${good.length + 1}: damage at ${good.length}, garbage`]);
  });

  it("comes once for each discard, before it", () => {
    const all = reports(cat(wrongAt(good.length - 1, 0), good));
    const end = good.length;
    expect(all).toEqual([`${end}: damage at 0, checksum`, `${end + 7}: discard 0 to ${end}, checksum`]);
  });

  it("says nothing of a candidate that may still hold", () => {
    // 7D, the tag of the checksum, becomes 75, a field of four bytes: the next byte shows that it is none.
    const undecided = wrongAt(good.length - 5, 0x75);
    expect(reports(undecided)).toEqual([]);
    expect(reports(cat(undecided, "08"))).toEqual([`${good.length + 1}: damage at 0, trailer`]);
  });
});

describe("flush", () => {
  const inner = v2(2, "01");
  const claim = v2(1, cat(inner, fill(40, 0))).subarray(0, -3);

  it("delivers what lies inside an unfinished frame, and discards the rest as truncated", () => {
    const run = runDecoder([claim]);
    expect(run.beforeFlush).toBe(0);
    expect(run.frames.map(({ cmd }) => cmd)).toEqual([2]);
    expect(run.discards[0]).toEqual({ start: 0, end: run.frames[0]!.start, reason: "truncated" });
  });

  it("begins anew: what follows does not continue what was cut off", () => {
    const run = runDecoder([claim], {}, false);
    const seen: number[] = [];
    run.decoder.flush(none);
    run.decoder.push(cat(claim.subarray(-3), v1(3)), cmds(seen));
    expect(seen).toEqual([3]);
    expect(run.discards.at(-1)).toEqual({ start: claim.length, end: claim.length + 3, reason: "garbage" });
  });

  it("ends the wait for an empty frame's payload field", () => {
    const run = runDecoder([v1(1)]);
    run.decoder.push(cat("2A 00", v1(2)), none);
    expect(run.discards).toEqual([{ start: 10, end: 12, reason: "garbage" }]);
  });

  it("takes a lone 2A behind an empty frame for garbage", () => {
    expect(runDecoder([v1(1), hex("2A")]).discards).toEqual([{ start: 10, end: 11, reason: "garbage" }]);
  });

  it("tells nothing when nothing is left", () => {
    const run = runDecoder([v1(1), v2(2)]);
    run.decoder.flush(none);
    run.decoder.flush(none);
    expect(run.discards).toEqual([]);
  });
});

describe("end", () => {
  it("flushes once; then push throws, and flush and end do nothing", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder();
    decoder.push(cat(v1(1), "08 F5"), cmds(seen));
    decoder.end(cmds(seen));
    expect(decoder.stats).toEqual({ bytes: 12, frames: 1, discards: 1, discardedBytes: 2, buffered: 0 });
    expect(codeOf(() => decoder.push(v1(2), cmds(seen)))).toBe("connection-closed");
    decoder.flush(cmds(seen));
    decoder.end(cmds(seen));
    expect(seen).toEqual([1]);
  });
});

describe('recovery "close"', () => {
  const close = (onDiscard: FrameDecoderOptions["onDiscard"] = none): FrameDecoder => new FrameDecoder({ recovery: "close", onDiscard });

  it("delivers the good frames before the damage, tells the discard, then throws", () => {
    const told: unknown[] = [];
    const seen: number[] = [];
    const decoder = close((discard) => told.push(discard));
    expect(codeOf(() => decoder.push(cat(v1(1), v2(2), "55", v1(3)), cmds(seen)))).toBe("frame-malformed");
    expect(seen).toEqual([1, 2]);
    expect(told).toEqual([{ start: 27, end: 28, reason: "garbage" }]);
  });

  it("says frame-too-large for oversize", () => {
    expect(codeOf(() => close().push(v1(1, fill(5, 0), { len: "FF FF 7F", n: "FF FF 7F" }), none))).toBe("frame-too-large");
  });

  it("blames the peer", () => {
    expect(() => close().push(hex("55"), none)).toThrow(expect.objectContaining({ fault: "remote" }));
  });

  it("throws the same error at every later call", () => {
    const decoder = close();
    let first: unknown;
    try {
      decoder.push(hex("55"), none);
    } catch (error) {
      first = error;
    }
    expect(first).toBeInstanceOf(FramewireError);
    for (const call of [() => decoder.push(v1(1), none), () => decoder.flush(none), () => decoder.end(none)]) {
      let again: unknown;
      try {
        call();
      } catch (error) {
        again = error;
      }
      expect(again).toBe(first);
    }
  });

  it("throws at the first byte that proves damage, whichever chunk it is in", () => {
    const good = v1(1);
    const damage = cat("08 F5 F9 F7 F6 07 10 02 20 01 2A 03");
    for (let cut = 0; cut <= good.length + damage.length; cut++) {
      const told: unknown[] = [];
      const seen: number[] = [];
      const decoder = close((discard) => told.push(discard));
      const stream = cat(good, damage, v1(2));
      const chunks = chunksAt(stream, [cut, good.length + damage.length - 1]).filter((chunk) => chunk.length > 0);
      let error = "no error";
      let thrownAt = 0;
      for (const chunk of chunks) {
        error = codeOf(() => decoder.push(chunk, cmds(seen)));
        thrownAt += chunk.length;
        if (error !== "no error") break;
      }
      expect(error).toBe("frame-malformed");
      expect(thrownAt).toBeGreaterThanOrEqual(good.length + damage.length);
      expect(told).toEqual([{ start: 10, end: 22, reason: "redundancy" }]);
      expect(seen).toEqual([1]);
    }
  });

  it("throws at the end of a stream that was cut off", () => {
    const told: unknown[] = [];
    const decoder = close((discard) => told.push(discard));
    decoder.push(cat(v1(1), v2(2, "01").subarray(0, -1)), none);
    expect(codeOf(() => decoder.end(none))).toBe("frame-malformed");
    expect(told).toEqual([{ start: 10, end: 29, reason: "truncated" }]);
  });
});

describe("a handler that throws", () => {
  const stream = cat("AA", v1(1, "01"), v2(2, fill(70, 2)), v1(3), "2A 00", "BB", v2(4), v1(5).subarray(0, 8));

  it("gets its error out of push; its frame counts, and nothing behind it is lost", () => {
    for (const size of [stream.length, 1, 2, 3, 5, 17, 40, 90]) {
      const seen: number[] = [];
      let errors = 0;
      const decoder = new FrameDecoder();
      const onFrame = (frame: FrameView): never => {
        seen.push(frame.cmd);
        throw new Error(`handler of ${frame.cmd}`);
      };
      for (const chunk of [...chunksOf(stream, size), ...Array<Uint8Array>(6).fill(new Uint8Array(0)), v1(5).subarray(8)]) {
        try {
          decoder.push(chunk, onFrame);
        } catch (error) {
          expect((error as Error).message).toBe(`handler of ${seen.at(-1)}`);
          errors++;
        }
      }
      expect(seen, `chunks of ${size}`).toEqual([1, 2, 3, 4, 5]);
      expect(errors).toBe(5);
      expect(decoder.stats).toEqual({ bytes: stream.length + 2, frames: 5, discards: 2, discardedBytes: 2, buffered: 0 });
    }
  });

  it("leaves the rest to flush, which delivers it", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder();
    expect(() =>
      decoder.push(stream, () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    decoder.flush(cmds(seen));
    expect(seen).toEqual([2, 3, 4]);
    expect(decoder.stats.buffered).toBe(0);
  });

  it("in onDiscard loses nothing either", () => {
    const seen: number[] = [];
    let errors = 0;
    const decoder = new FrameDecoder({
      onDiscard: () => {
        errors++;
        throw new Error("no");
      },
    });
    expect(() => decoder.push(stream, cmds(seen))).toThrow("no");
    expect(() => decoder.push(new Uint8Array(0), cmds(seen))).toThrow("no");
    decoder.push(v1(5).subarray(8), cmds(seen));
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(errors).toBe(2);
  });
});

describe("a handler that stops its decoder", () => {
  it("gets no further frame of the chunk, and push says what it has taken", () => {
    const stream = cat(v2(1, "01"), v2(2, "02"), v1(3), v2(4));
    for (const first of [0, 5]) {
      const seen: number[] = [];
      const decoder = new FrameDecoder();
      expect(decoder.push(stream.subarray(0, first), none)).toBe(first);
      const taken = decoder.push(stream.subarray(first), (frame) => {
        seen.push(frame.cmd);
        if (frame.cmd === 2) decoder.stop();
      });
      expect(seen).toEqual([1, 2]);
      expect(first + taken).toBe(v2(1, "01").length + v2(2, "02").length);
      expect(decoder.stats).toMatchObject({ bytes: first + taken, frames: 2, buffered: 0 });
      expect(decoder.push(stream.subarray(first + taken), cmds(seen))).toBe(stream.length - first - taken);
      expect(seen).toEqual([1, 2, 3, 4]);
    }
  });

  it("changes nothing of what is delivered and told, wherever that is, in streams damaged at random", () => {
    let stopped = 0;
    const streams = runs(400);
    for (let seed = 1; seed <= streams; seed++) {
      const { bytes, options } = damagedStream(seed);
      const random = new Random(seed);
      const stops = () => random.oneIn(3) && ++stopped > 0;
      const whole = runDecoder([bytes], options);
      for (const chunks of [[bytes], chunksAt(bytes, randomCuts(random, bytes.length, 200))]) {
        const run = runDecoder(chunks, options, true, stops);
        const outcome = [outcomeOfRun(run), run.order, run.decoder.stats];
        expectEqual(outcome, [outcomeOfRun(whole), whole.order, whole.decoder.stats], () => `seed ${seed}`);
      }
    }
    expect(stopped).toBeGreaterThan(2.5 * streams);
  });

  it("between pushes does nothing", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder();
    decoder.stop();
    const stream = cat(v2(1), v2(2));
    expect(decoder.push(stream, cmds(seen))).toBe(stream.length);
    expect(seen).toEqual([1, 2]);
  });
});

describe("a handler that calls back into its decoder", () => {
  it.each(["push", "flush", "end"] as const)("is refused %s, and the decoder goes on", (call) => {
    const seen: number[] = [];
    const codes: string[] = [];
    const decoder = new FrameDecoder({ onDiscard: () => codes.push(codeOf(again)) });
    const again = (): unknown => (call === "push" ? decoder.push(v1(9), none) : decoder[call](none));
    decoder.push(cat(v1(1), "AA", v1(2)), (frame) => {
      seen.push(frame.cmd);
      codes.push(codeOf(again));
    });
    expect(codes).toEqual(Array(3).fill("failed-precondition"));
    expect(seen).toEqual([1, 2]);
    decoder.push(v1(3), cmds(seen));
    expect(seen).toEqual([1, 2, 3]);
  });

  it("may feed another decoder", () => {
    const seen: number[] = [];
    const inner = new FrameDecoder();
    new FrameDecoder().push(v1(1, cat(v1(2, "AA"), v1(3))), (frame) => {
      inner.push(frame.payload, cmds(seen));
      seen.push(frame.cmd);
    });
    expect(seen).toEqual([2, 3, 1]);
  });
});

describe("update", () => {
  const seed = 0xdead_beef;

  it("inside a handler holds from the next candidate on, however the stream is cut", () => {
    const stream = cat(v1(1), v2(2, "AA", { seed }), v1(3), v2(4, "AA"), v2(5, fill(9, 0), { seed }), v2(6, "BB", { seed }));
    for (let size = 1; size <= stream.length; size++) {
      const seen: number[] = [];
      const decoder = new FrameDecoder();
      for (const chunk of chunksOf(stream, size)) {
        decoder.push(chunk, (frame) => {
          seen.push(frame.cmd);
          if (frame.cmd === 1) decoder.update({ checksumSeed: seed, minVersion: 2, maxPayload: 8 });
        });
      }
      expect(seen, `chunks of ${size}`).toEqual([1, 2, 6]);
    }
  });

  it("between pushes leaves the candidate that has begun to the old options", () => {
    for (let cut = 7; cut < 17; cut++) {
      const seen: number[] = [];
      const decoder = new FrameDecoder();
      const first = v2(1, "AA");
      decoder.push(first.subarray(0, cut), cmds(seen));
      decoder.update({ checksumSeed: seed });
      decoder.update({ minVersion: 2 });
      decoder.push(cat(first.subarray(cut), v1(2), v2(3, "AA"), v2(4, "AA", { seed })), cmds(seen));
      expect(seen, `cut at ${cut}`).toEqual([1, 4]);
    }
  });

  it("holds at once where no candidate has begun", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder();
    decoder.push(hex("AA 08 F5 F9 F7 F6 07"), cmds(seen));
    decoder.update({ minVersion: 2 });
    decoder.push(cat(v1(1).subarray(6), v2(2)), cmds(seen));
    expect(seen).toEqual([2]);
  });

  it("leaves what is undefined as it is, and refuses what is out of range", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder({ checksumSeed: seed, minVersion: 2 });
    decoder.update({ checksumSeed: undefined, maxPayload: 4 });
    expect(codeOf(() => decoder.update({ minVersion: 0 }))).toBe("invalid-option");
    decoder.push(cat(v1(1), v2(2, "AA", { seed }), v2(3, fill(5, 0), { seed })), cmds(seen));
    expect(seen).toEqual([2]);
  });
});

describe("stats", () => {
  it("add up at any time: bytes = frames + discarded + buffered", () => {
    const good = [v1(1, "01"), v2(2, fill(30, 2)), v1(3, "03 03")];
    const stream = cat("AA BB", good[0]!, "CC", v2(9, "00").fill(0, 15), good[1]!, good[2]!, "08 F5 F9");
    const decoder = new FrameDecoder();
    let frameBytes = 0;
    const check = (): void => {
      const { bytes, discardedBytes, buffered } = decoder.stats;
      expect(bytes).toBe(frameBytes + discardedBytes + buffered);
    };
    for (const chunk of chunksOf(stream, 3)) {
      decoder.push(chunk, (frame) => {
        frameBytes += frame.end - frame.start;
        check();
      });
      check();
    }
    expect(decoder.stats).toMatchObject({ bytes: stream.length, frames: 3, discards: 3, buffered: 3 });
  });

  it("count a discard that has no end yet", () => {
    const decoder = new FrameDecoder();
    decoder.push(fill(100, 0xaa), none);
    expect(decoder.stats).toEqual({ bytes: 100, frames: 0, discards: 1, discardedBytes: 100, buffered: 0 });
  });
});
