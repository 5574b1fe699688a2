import { afterEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.js";
import { encodeFrame, FrameDecoder, FrameEncoder, type FrameInit } from "../../src/codec/index.js";
import type { FramewireError } from "../../src/errors.js";
import { decodeMessage, encodeMessage } from "../../src/protobuf/messages.js";
import type { MessageCodec } from "../../src/protocol/definition.js";
import type { ServerConnection } from "../../src/server/index.js";
import { EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { fc } from "../helpers/fast-check.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const CMD = 1000;

const written = new Map<string, Uint8Array>();

/** Bytes that can be told from those of every other label. */
function bytesOf(label: string, size: number): Uint8Array {
  const known = written.get(`${label} ${size}`);
  if (known !== undefined) return known;
  let state = 7;
  for (const character of label) state = (state * 31 + character.charCodeAt(0)) >>> 0;
  const bytes = new Uint8Array(size).map(() => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 24);
  written.set(`${label} ${size}`, bytes);
  return bytes;
}

/** A message that can be told from every other, byte by byte. */
function labelled(label: string, size: number): EchoRequest {
  return { text: label, delayMs: size, id: 5n, data: bytesOf(label, size).slice() };
}

/** A codec that nobody has sent with: the first message that lacks fields has all later ones of its codec completed before they are encoded. */
const freshCodec = () => ({ ...EchoRequest });

/** The same, of which the field in the middle runs `action` the first time that it is read. */
function withGetter(label: string, size: number, action: () => void): EchoRequest {
  let ran = false;
  return Object.defineProperty(labelled(label, size), "id", {
    enumerable: true,
    get() {
      if (!ran) {
        ran = true;
        action();
      }
      return 5n;
    },
  });
}

const summary = ({ text, delayMs, id, data }: EchoRequest) => `${text} ${delayMs} ${id} ${Buffer.from(data).toString("base64")}`;
const expected = (label: string, size: number) => summary({ text: label, delayMs: size, id: 5n, data: bytesOf(label, size) });

interface World {
  readonly a: ServerConnection;
  readonly b: ServerConnection;
  readonly broadcast: (message: EchoRequest) => void;
  /** Must be answered. */
  readonly calls: Promise<unknown>[];
  /** What A and B should get, beside the message whose getter runs this. */
  readonly wantA: (label: string, size: number) => void;
  readonly wantB: (label: string, size: number) => void;
}

const READ_BY_OTHERS: MessageCodec<EchoRequest, EchoRequest> = {
  encode: (message) => EchoRequest.encode(message),
  decode: (bytes) => EchoRequest.decode(bytes),
};

/** What a getter does while its message is being encoded for A. */
const ACTIONS: Readonly<Record<string, (world: World) => void>> = {
  "sends to another connection": ({ b, wantB }) => {
    wantB("inner", 100);
    void b.send(CMD, EchoRequest, labelled("inner", 100));
  },
  "sends on the same connection": ({ a, wantA }) => {
    wantA("inner", 100);
    void a.send(CMD, EchoRequest, labelled("inner", 100));
  },
  "sends much to another connection": ({ b, wantB }) => {
    for (let i = 0; i < 5; i++) {
      wantB(`inner ${i}`, 20_000);
      void b.send(CMD, EchoRequest, labelled(`inner ${i}`, 20_000));
    }
  },
  "sends much on the same connection": ({ a, wantA }) => {
    for (let i = 0; i < 5; i++) {
      wantA(`inner ${i}`, 20_000);
      void a.send(CMD, EchoRequest, labelled(`inner ${i}`, 20_000));
    }
  },
  "sends a message to both, whose getter does it again": ({ a, b, wantA, wantB }) => {
    for (const label of ["2", "1"]) {
      wantA(`deep ${label}`, 3000);
      wantB(`deep ${label}`, 3000);
    }
    const deepest = (connection: ServerConnection) => void connection.send(CMD, EchoRequest, labelled("deep 2", 3000));
    for (const [to, other] of [
      [a, b],
      [b, a],
    ] as const) {
      void to.send(
        CMD,
        freshCodec(),
        withGetter("deep 1", 3000, () => deepest(other)),
      );
    }
  },
  broadcasts: ({ broadcast, wantA, wantB }) => {
    wantA("all", 500);
    wantB("all", 500);
    broadcast(labelled("all", 500));
  },
  "sends with a codec that is no generated one": ({ a, b, wantA, wantB }) => {
    wantA("theirs", 400);
    wantB("theirs", 400);
    void a.send(CMD, READ_BY_OTHERS, labelled("theirs", 400));
    void b.send(CMD, READ_BY_OTHERS, labelled("theirs", 400));
  },
  "calls both": ({ a, b, calls }) => {
    for (const connection of [a, b])
      calls.push(connection.service(TestServiceDefinition).echo({ text: "inner", data: new Uint8Array(3000) }));
  },
  "encodes and reads messages and frames": () => {
    const message = labelled("aside", 3000);
    const frame = encodeFrame({ version: 2, cmd: 3, payload: encodeMessage(EchoRequest, message) });
    let read: unknown;
    new FrameDecoder().push(frame, (view) => {
      read = decodeMessage(EchoRequest, view);
    });
    expect(summary(read as EchoRequest)).toBe(summary(message));
  },
};

describe.each(JOINTS.filter(({ name }) => ["memory stream", "WebSocket", "TCP"].includes(name)))("over $name", ({ name, open }) => {
  async function meet() {
    const server = bench.server();
    const make = await open(server);
    const got: [string[], string[]] = [[], []];
    const troubles: string[] = [];
    for (const list of got) {
      const client = await bench.client(make);
      client.handle(CMD, EchoRequest, (message: EchoRequest) => void list.push(summary(message)));
      client.implement(TestServiceDefinition, { echo: ({ text, data }) => ({ text, data }), note: ({ text }) => void list.push(text) });
      client.on("gap", () => troubles.push("gap"));
      client.on("failure", ({ error }) => troubles.push(String(error)));
    }
    const [a, b] = server.connections as [ServerConnection, ServerConnection];
    return { server, a, b, got, troubles };
  }

  it.each(Object.entries(ACTIONS))("a getter that %s puts no byte into another frame", async (_name, action) => {
    const { server, a, b, got, troubles } = await meet();
    const want: [string[], string[]] = [[], []];
    const world: World = {
      a,
      b,
      calls: [],
      broadcast: (message) => server.broadcast(TestServiceDefinition.methods.note, { text: summary(message) }),
      wantA: (label, size) => want[0].push(expected(label, size)),
      wantB: (label, size) => want[1].push(expected(label, size)),
    };
    const codec = freshCodec();
    for (const size of [10, 3000, 20_000, 20_000, 10]) {
      for (const [to, connection] of [a, b].entries()) {
        want[to]!.push(expected("before", size), expected("after", size));
        void connection.send(CMD, EchoRequest, labelled("before", size));
        if (to === 0) {
          want[0].push(expected("outer", size));
          void a.send(
            CMD,
            codec,
            withGetter("outer", size, () => action(world)),
          );
        }
        void connection.send(CMD, EchoRequest, labelled("after", size));
      }
    }
    await expect.poll(() => got.map(({ length }) => length)).toEqual(want.map(({ length }) => length));
    expect(got.map((list) => [...list].sort())).toEqual(want.map((list) => [...list].sort()));
    await Promise.all(world.calls);
    expect(troubles).toEqual([]);
  });

  it("a getter that throws leaves nothing of its message, and what it sent before goes out", async () => {
    const { a, b, got, troubles } = await meet();
    const fail = () => {
      void a.send(CMD, EchoRequest, labelled("inner a", 50));
      void b.send(CMD, EchoRequest, labelled("inner b", 50));
      throw new Error("as the test says");
    };
    const broken = Object.defineProperty(labelled("outer", 3000), "data", { get: fail });
    void a.send(CMD, EchoRequest, labelled("before", 3000));
    await expect(a.send(CMD, freshCodec(), broken)).rejects.toThrow("as the test says");
    void a.send(CMD, EchoRequest, labelled("after", 20_000));
    await expect.poll(() => got.map(({ length }) => length)).toEqual([4, 2]);
    const [ofA, ofB] = got;
    expect(ofA[0]).toBe(expected("before", 3000));
    expect(ofA.slice(1, 3)).toEqual(Array(2).fill(expected("inner a", 50)));
    expect(ofA[3]).toBe(expected("after", 20_000));
    expect(ofB).toEqual(Array(2).fill(expected("inner b", 50)));
    expect(troubles).toEqual([]);
  });

  it("a getter that closes its own connection is heard as a close, and its frame is whole", async () => {
    const { a, got } = await meet();
    const closed = new Promise<unknown>((resolve) => a.on("close", resolve));
    await a.send(
      CMD,
      freshCodec(),
      withGetter("outer", 3000, () => a.close()),
    );
    await closed;
    await expect.poll(() => got[0]).toEqual([expected("outer", 3000)]);
  });

  it("listeners, handlers and codecs that send while a frame is at hand mix nothing up", async () => {
    const server = bench.server();
    const make = await open(server);
    const codec = {
      ...EchoRequest,
      decode(input: never, length?: number): EchoRequest {
        // Opened on the outer message, which is read only after these.
        client.send(CMD + 1, EchoRequest, labelled("from decode", 3000));
        new FrameDecoder().push(encodeFrame({ cmd: 1, payload: encodeMessage(EchoRequest, labelled("aside", 900)) }), (frame) =>
          decodeMessage({ ...EchoRequest } as MessageCodec, frame),
        );
        return EchoRequest.decode(input, length);
      },
    };
    const got: string[] = [];
    const echoed: string[] = [];
    let shown = 0;
    const client: Client = await bench.client(make);
    client.handle(CMD, codec, (message: EchoRequest) => {
      got.push(summary(message));
      void client.send(CMD + 1, EchoRequest, labelled("from handler", 20_000));
    });
    client.on("frame", ({ direction, cmd }) => {
      if (direction === "in" && cmd === CMD) shown++;
      if (direction === "in" && cmd === CMD) void client.send(CMD + 1, EchoRequest, labelled("from listener", 70));
    });
    server.handle(CMD + 1, EchoRequest, (message: EchoRequest) => void echoed.push(summary(message)));
    const [connection] = server.connections as [ServerConnection];
    for (let i = 0; i < 20; i++) void connection.send(CMD, EchoRequest, labelled(`message ${i}`, i * 300));
    await expect.poll(() => echoed.length, { timeout: 5000 }).toBe(61);
    expect(got).toEqual(Array.from({ length: 20 }, (_, i) => expected(`message ${i}`, i * 300)));
    expect(shown).toBe(20);
    for (const [label, size, times] of [
      // Once more, when the library looks whether the codec is a generated one.
      ["from decode", 3000, 21],
      ["from handler", 20_000, 20],
      ["from listener", 70, 20],
    ] as const) {
      expect(echoed.filter((each) => each === expected(label, size)).length, `${label} over ${name}`).toBe(times);
    }
  });
});

it("a listener of drops that sends, and a getter of what it sends, mix nothing up", async () => {
  const server = bench.server({ highWaterMark: 1, maxQueuedFrames: 3 });
  const make = await JOINTS[0]!.open(server);
  const got: [string[], string[]] = [[], []];
  for (const list of got) {
    const client = await bench.client(make);
    client.handle(CMD, EchoRequest, (message: EchoRequest) => void list.push(summary(message)));
    client.implement(TestServiceDefinition, { price: ({ price }) => void list.push(String(price)) });
  }
  const [a, b] = server.connections as [ServerConnection, ServerConnection];
  const { price } = TestServiceDefinition.methods;
  let drops = 0;
  a.on("drop", () => {
    drops++;
    const inner = () => void b.send(CMD, EchoRequest, labelled("inner", 900));
    void b.send(CMD, freshCodec(), withGetter("dropped", 900, inner));
  });
  for (let i = 0; i < 4; i++) void a.send(price, { price: i });
  expect(drops).toBeGreaterThan(0);
  await expect.poll(() => got[1].length).toBe(2 * drops);
  await expect.poll(() => got[0].at(-1)).toBe("3");
  expect([...got[1]].sort()).toEqual(["dropped", "inner"].flatMap((label) => Array(drops).fill(expected(label, 900))));
});

describe("while a client is away", () => {
  it("a getter that sends has both messages kept as they are", async () => {
    const server = bench.server();
    const [joint] = JOINTS;
    const make = await joint!.open(server);
    const got: string[] = [];
    server.handle(CMD, EchoRequest, (message: EchoRequest) => void got.push(summary(message)));
    const client = make({ reconnect: false });
    for (const size of [100, 6000]) {
      const inner = () => void client.send(CMD, EchoRequest, labelled("inner", size));
      void client.send(CMD, EchoRequest, withGetter("outer", size, inner));
    }
    await client.connect();
    await expect.poll(() => got.length).toBe(4);
    expect(got).toEqual([expected("inner", 100), expected("outer", 100), expected("inner", 6000), expected("outer", 6000)]);
    await client.close();
  });
});

describe("an encoder of single frames", () => {
  const frames = (bytes: Uint8Array) => {
    const list: string[] = [];
    new FrameDecoder().push(bytes, (frame) => list.push(`${frame.cmd} ${frame.trace} ${summary(EchoRequest.decode(frame.payload))}`));
    return list;
  };

  it("takes no other frame in the middle of one, and is as before afterwards", () => {
    const encoder = new FrameEncoder();
    const refused: unknown[] = [];
    const attempts: (() => unknown)[] = [
      () => encoder.append({ cmd: 9 }),
      () => encoder.appendMessage({ cmd: 9 }, EchoRequest, labelled("inner", 10)),
      () => encoder.appendEncoded(Uint8Array.of(1, 2, 3)),
      () => encoder.take(),
    ];
    const tryAll = () => {
      for (const attempt of attempts) {
        try {
          refused.push(attempt());
        } catch (error) {
          refused.push((error as FramewireError).code);
        }
      }
    };
    encoder.appendMessage({ version: 2, cmd: 1, trace: "t" }, EchoRequest, withGetter("outer", 3000, tryAll));
    const broken = withGetter("broken", 100_000, () => {
      throw new Error("as the test says");
    });
    expect(() => encoder.appendMessage({ version: 2, cmd: 2 }, EchoRequest, broken)).toThrow("as the test says");
    let reads = 0;
    const unsteady: FrameInit = {
      version: 2,
      cmd: 3,
      get trace() {
        if (++reads > 1) throw new Error("as the test says");
        return "t";
      },
    };
    expect(() => encoder.append(unsteady)).toThrow("as the test says");
    encoder.append({ version: 2, cmd: 4, trace: "u", payload: encodeMessage(EchoRequest, labelled("after", 5)) });
    expect(refused).toEqual(Array(4).fill("failed-precondition"));
    expect(frames(encoder.take())).toEqual([`1 t ${expected("outer", 3000)}`, `4 u ${expected("after", 5)}`]);
  });

  it("gives each frame its own bytes where a getter of one encodes another", () => {
    let inner: Uint8Array[] = [];
    const payload = encodeMessage(EchoRequest, labelled("outer", 100));
    const other = () => {
      inner.push(encodeFrame({ version: 2, cmd: 8, trace: "i", payload: encodeMessage(EchoRequest, labelled("inner", 300)) }));
    };
    for (const field of ["payload", "trace", "cmd"] as const) {
      inner = [];
      const frame = Object.defineProperty({ version: 2, cmd: 1, trace: "t", payload }, field, {
        get() {
          other();
          return { payload, trace: "t", cmd: 1 }[field];
        },
      });
      expect(frames(encodeFrame(frame))).toEqual([`1 t ${expected("outer", 100)}`]);
      expect(inner.map(frames)).toEqual(inner.map(() => [`8 i ${expected("inner", 300)}`]));
    }
  });
});

describe("a handler of one decoder that feeds another", () => {
  it("sees the frames of each, whatever lies in whose chunk", () => {
    const size = fc.oneof(fc.nat({ max: 60 }), fc.constantFrom(300, 2500, 9000));
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 1, maxLength: 8 }),
        fc.array(size, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        (outer, inner, cut) => {
          const bytesOf = (sizes: readonly number[], seed: number) =>
            Buffer.concat(
              sizes.map((length, i) =>
                encodeFrame({ version: 2, cmd: i, payload: Uint8Array.from({ length }, (_, k) => k * seed) }, { checksumSeed: seed }),
              ),
            );
          const [near, far] = [bytesOf(outer, 3), bytesOf(inner, 5)];
          const half = cut % far.length;
          const other = new FrameDecoder({ checksumSeed: 5 });
          const seen: [number[], number[]] = [[], []];
          let turn = 0;
          new FrameDecoder({ checksumSeed: 3 }).push(near, (frame) => {
            const note = (list: number[], each: { readonly payload: Uint8Array }, seed: number) => {
              list.push(each.payload.every((byte, k) => byte === ((k * seed) & 0xff)) ? each.payload.length : -1);
            };
            if (turn++ === 0) {
              for (const chunk of [far.subarray(0, half), far.subarray(half)]) other.push(chunk, (each) => note(seen[1], each, 5));
            }
            note(seen[0], frame, 3);
          });
          expect(seen).toEqual([outer, inner]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
