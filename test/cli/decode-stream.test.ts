import { describe, expect, test } from "vitest";
import { decodeStream, type StreamResult, type StreamSettings } from "../../src/cli/decode-stream.js";
import { encodeFrame, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../src/gen/framewire/v1/session.js";

const SEED = 0x9abcdef0;
const helloFrame = encodeFrame({
  version: 2,
  cmd: 0,
  kind: FrameKind.FRAME_KIND_HELLO,
  payload: Hello.encode(Hello.fromPartial({ checksumSeed: SEED })).finish(),
});
const welcomeFrame = encodeFrame({
  version: 2,
  cmd: 0,
  kind: FrameKind.FRAME_KIND_WELCOME,
  payload: Welcome.encode(Welcome.fromPartial({ checksumSeed: SEED })).finish(),
});

function seeded(frame: Partial<FrameInit>, checksumSeed = SEED): Uint8Array {
  return encodeFrame({ version: 2, cmd: 257, ...frame }, { checksumSeed });
}

async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

async function read(chunks: readonly Uint8Array[], settings: Partial<StreamSettings> = {}) {
  const events: string[] = [];
  const result: StreamResult = await decodeStream(
    chunksOf(...chunks),
    { decoder: {}, strict: false, ...settings },
    {
      frame: ({ version, cmd }) => events.push(`v${version} ${cmd}`),
      gap: ({ reason, start, end }) => events.push(`${reason} ${start}-${end}`),
      chunk: async () => true,
    },
  );
  return { events, result };
}

describe("the seed of a session", () => {
  test.each([
    ["hello", helloFrame],
    ["welcome", welcomeFrame],
  ])("a %s at the start gives the seed for the frames behind it, in the same chunk or a later one", async (_name, opening) => {
    const stream = [opening, seeded({ cmd: 1 }), seeded({ cmd: 2 })];
    expect((await read(stream)).events).toEqual(["v2 0", "v2 1", "v2 2"]);
    expect((await read([Buffer.concat(stream)])).events).toEqual(["v2 0", "v2 1", "v2 2"]);
  });

  test("a seed of 0 is a seed", async () => {
    const opening = encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload: new Uint8Array(0) });
    expect((await read([opening, seeded({ cmd: 1 }, 0)])).events).toEqual(["v2 0", "v2 1"]);
  });

  test("a seed that the user gave is kept", async () => {
    const stream = [seeded({ cmd: 1 }, 7), seeded({ cmd: 0, kind: FrameKind.FRAME_KIND_HELLO }, 7), seeded({ cmd: 2 }, 7)];
    expect((await read(stream, { decoder: { checksumSeed: 7 } })).events).toEqual(["v2 1", "v2 0", "v2 2"]);
  });

  test("behind a hello a version 1 frame is not taken for one, unless the user asked for version 1", async () => {
    const plain = encodeFrame({ cmd: 9, payload: Uint8Array.of(1) });
    expect((await read([helloFrame, plain])).events[1]).toMatch(/^version /);
    expect((await read([helloFrame, plain], { decoder: { minVersion: 1 } })).events).toEqual(["v2 0", "v1 9"]);
  });

  test("a later hello does not change the seed", async () => {
    const second = Hello.encode(Hello.fromPartial({ checksumSeed: 1 })).finish();
    const stream = [helloFrame, seeded({ cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload: second }), seeded({ cmd: 3 })];
    expect((await read(stream)).events).toEqual(["v2 0", "v2 0", "v2 3"]);
  });

  test("a frame that only looks like an opening changes nothing", async () => {
    const notHello = encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload: Uint8Array.of(0x1d, 1) });
    const unseeded = encodeFrame({ version: 2, cmd: 4 });
    expect((await read([notHello, unseeded])).events).toEqual(["v2 0", "v2 4"]);
  });
});

describe("reading", () => {
  test("counts bytes, frames and gaps by reason", async () => {
    const frame = encodeFrame({ cmd: 1, payload: Uint8Array.of(1) });
    const { result } = await read([Buffer.from("??"), frame, Buffer.from("!"), frame, frame.subarray(0, 8)]);
    expect(result).toEqual({
      bytes: 2 * frame.length + 11,
      frames: 2,
      gaps: 3,
      gapBytes: 11,
      reasons: new Map([
        ["garbage", 2],
        ["truncated", 1],
      ]),
    });
  });

  test("strict tells nothing behind the first gap, though one push finds more", async () => {
    const frame = encodeFrame({ cmd: 1 });
    const { events, result } = await read([Buffer.concat([frame, Buffer.from("x"), frame, Buffer.from("y"), frame])], { strict: true });
    expect(events).toEqual(["v1 1", `garbage ${frame.length}-${frame.length + 1}`]);
    expect(result).toMatchObject({ frames: 1, gaps: 1 });
  });

  test("recovery close gives the reason for the refusal", async () => {
    const large = encodeFrame({ cmd: 1, payload: new Uint8Array(10) });
    const { events, result } = await read([large], { decoder: { recovery: "close", maxPayload: 9 } });
    expect(events).toEqual(["oversize 0-12"]);
    expect(result.refused?.code).toBe("frame-too-large");
  });

  test("the next chunk is read only when the sink has taken what the last one held", async () => {
    const frame = encodeFrame({ cmd: 1, payload: new Uint8Array(100) });
    let ahead = 0;
    let most = 0;
    async function* input(): AsyncIterable<Uint8Array> {
      for (let i = 0; i < 50; i++) {
        most = Math.max(most, ++ahead);
        yield frame;
      }
    }
    const result = await decodeStream(
      input(),
      { decoder: {}, strict: false },
      {
        frame: () => undefined,
        gap: () => undefined,
        chunk: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          ahead = 0;
          return true;
        },
      },
    );
    expect({ frames: result.frames, most }).toEqual({ frames: 50, most: 1 });
  });

  test("reading ends when the sink wants no more, and the input is closed", async () => {
    let closed = false;
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        for (;;) yield encodeFrame({ cmd: 1 });
      } finally {
        closed = true;
      }
    }
    let chunks = 0;
    const sink = { frame: () => undefined, gap: () => undefined, chunk: async () => ++chunks < 3 };
    const result = await decodeStream(endless(), { decoder: {}, strict: false }, sink);
    expect({ frames: result.frames, closed }).toEqual({ frames: 3, closed: true });
  });

  test("an error of the input is thrown as it is", async () => {
    async function* broken(): AsyncIterable<Uint8Array> {
      yield encodeFrame({ cmd: 1 });
      throw new Error("disk on fire");
    }
    const sink = { frame: () => undefined, gap: () => undefined, chunk: async () => true };
    await expect(decodeStream(broken(), { decoder: {}, strict: false }, sink)).rejects.toThrow("disk on fire");
  });
});
