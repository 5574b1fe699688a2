import { afterEach, describe, expect, it } from "vitest";
import { pinnedBytes } from "../../src/codec/encoder/write-block.js";
import { encodeFrame, FrameDecoder } from "../../src/codec/index.js";
import { encodeApart, LEAST_APART, MOST_APART } from "../../src/link/large-frame.js";
import { LendingWriter, provideApart } from "../../src/link/lending-writer.js";
import type { Transport } from "../../src/link/transport.js";
import { resolveConnectionOptions } from "../../src/options.js";
import type { MessageWriter } from "../../src/protobuf/message-writer.js";
import { FrameRing } from "../../src/session/frame-ring.js";
import { provideFrameStore } from "../../src/session/frame-store.js";
import { ReplayBuffer } from "../../src/session/replay-buffer.js";
import { Random } from "../helpers/random.js";

const APART = { encode: encodeApart, least: LEAST_APART, most: MOST_APART };

afterEach(() => {
  provideApart(undefined);
  provideFrameStore(undefined);
});

describe("memory on loan to a socket", () => {
  function slowSocket() {
    const socket = {
      info: { kind: "tcp", protocol: undefined, messages: false, remoteAddress: "" },
      copies: true,
      bufferedBytes: 1000,
      closing: false,
      write(bytes: Uint8Array) {
        if (!socket.closing) socket.bufferedBytes += bytes.length;
      },
    };
    const writer = new LendingWriter(socket as unknown as Transport, resolveConnectionOptions({}), undefined);
    const write = () => {
      writer.write({ version: 2, cmd: 1, payload: new Uint8Array(1000) }, undefined);
      writer.flush(0);
    };
    return { socket, writer, write };
  }

  it("comes back write by write: a peer that reads slowly may never let the socket be empty", () => {
    const { socket, writer, write } = slowSocket();
    for (let i = 0; i < 1000; i++) {
      write();
      if (i >= 10) socket.bufferedBytes = 10_000;
      writer.noteProgress(0);
    }
    expect(writer.memory).toBeLessThan(20_000);
    expect(pinnedBytes()).toBeGreaterThan(0);
    writer.close();
    expect(pinnedBytes()).toBe(0);
  });

  it("stays on loan while it waits, also where a socket that is closing drops what is written after it", () => {
    const { socket, writer, write } = slowSocket();
    write();
    const { memory } = writer;
    socket.closing = true;
    for (let i = 0; i < 10; i++) write();
    writer.noteProgress(0);
    expect(writer.memory).toBe(memory);
    expect(pinnedBytes()).toBeGreaterThan(0);
    socket.bufferedBytes = 0;
    writer.noteProgress(0);
    expect(pinnedBytes()).toBe(0);
  });
});

it.each([
  { where: "with the others", way: undefined },
  { where: "apart", way: APART },
])(
  "bytes that the network has not taken are written over by nobody, and their memory is used again once it has: large frames $where",
  ({ way }) => {
    provideApart(way);
    const random = new Random(11);
    const buffers = new Set<ArrayBufferLike>();
    const rigs = Array.from({ length: 3 }, () => {
      const waiting: Uint8Array[] = [];
      const taken: number[] = [];
      const decoder = new FrameDecoder();
      const transport: Pick<Transport, "info" | "copies" | "write"> & { bufferedBytes: number } = {
        info: { kind: "tcp", protocol: undefined, messages: false, remoteAddress: "" },
        copies: true,
        bufferedBytes: 0,
        write: (bytes) => {
          waiting.push(bytes);
          buffers.add(bytes.buffer);
          transport.bufferedBytes += bytes.length;
        },
      };
      const network = () => {
        for (const bytes of waiting.splice(0))
          decoder.push(bytes, ({ cmd, payload }) => taken.push(payload.every((byte) => byte === cmd % 256) ? cmd : -1));
        transport.bufferedBytes = 0;
      };
      return { writer: new LendingWriter(transport as unknown as Transport, resolveConnectionOptions({}), undefined), network, taken };
    });
    for (let cmd = 0; cmd < 3000; cmd++) {
      const { writer, network } = random.pick(rigs);
      writer.write({ version: 2, cmd, payload: new Uint8Array(random.pick([10, 500, 9_000, 20_000])).fill(cmd) }, undefined);
      if (random.oneIn(2)) writer.flush(cmd);
      if (!random.oneIn(5)) continue;
      network();
      writer.noteProgress(cmd);
    }
    for (const { writer, network } of rigs) {
      writer.flush(3000);
      network();
    }
    const all = rigs.flatMap(({ taken }) => taken);
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
    expect(buffers.size).toBeLessThan(60);
  },
);

/** A socket that takes what it is given when told to, and what it was given. */
function slowSocket() {
  const given: Uint8Array[] = [];
  const calls: string[] = [];
  const transport = {
    info: { kind: "tcp", protocol: undefined, messages: false, remoteAddress: "" } as const,
    copies: true as const,
    bufferedBytes: 0,
    write: (bytes: Uint8Array) => {
      given.push(bytes);
      calls.push(`${bytes.length}`);
      transport.bufferedBytes += bytes.length;
    },
    cork: () => calls.push("cork"),
    uncork: () => calls.push("uncork"),
  };
  const take = (): Uint8Array[] => {
    transport.bufferedBytes = 0;
    return given.splice(0).map((bytes) => Uint8Array.from(bytes));
  };
  return { transport: transport as unknown as Transport, take, calls };
}

function frameOf(sequence: number, length: number) {
  return { version: 2, cmd: 1, payload: new Uint8Array(length).fill(sequence * 37), sequence };
}

describe("large frames", () => {
  it("are buffers of their own, behind what was written before them and in one call of the system with it", () => {
    provideApart(APART);
    const { transport, take, calls } = slowSocket();
    const writer = new LendingWriter(transport, resolveConnectionOptions({}), undefined);
    const frames = [frameOf(1, 100), frameOf(2, 50), frameOf(3, 16_000), frameOf(4, 20), frameOf(5, 20_000), frameOf(6, 9_000)];
    for (const frame of frames) writer.write(frame, undefined);
    expect(writer.due).toBe(true);
    writer.flush(1);
    expect(writer.due).toBe(false);
    const lengths = frames.map((frame) => encodeFrame(frame).length);
    const [one, two, three, four, five, six] = lengths as [number, number, number, number, number, number];
    expect(calls).toEqual(["cork", `${one + two}`, `${three}`, "uncork", "cork", `${four}`, `${five}`, "uncork", `${six}`]);
    expect(Buffer.concat(take())).toEqual(Buffer.concat(frames.map((frame) => encodeFrame(frame))));
    expect(writer.writtenBytes).toBe(lengths.reduce((sum, length) => sum + length, 0));
  });

  it("are kept as they are, and written over by nobody before the network has taken and the peer acknowledged them", () => {
    provideApart(APART);
    provideFrameStore(FrameRing);
    const random = new Random(17);
    const wrong: string[] = [];
    const rigs = Array.from({ length: 3 }, () => {
      const socket = slowSocket();
      const writer = new LendingWriter(socket.transport, resolveConnectionOptions({}), undefined);
      return { ...socket, writer, replay: new ReplayBuffer({ replayBytes: 300_000, replayFrames: 40 }), taken: [] as Uint8Array[] };
    });
    const lengths = new Map<string, number>();
    for (let step = 0; step < 1500; step++) {
      const index = random.from(0, rigs.length - 1);
      const { writer, replay, take } = rigs[index]!;
      const sequence = replay.next;
      const length = random.pick([10, 3_000, 9_000, 16_384, 60_000]);
      lengths.set(`${index} ${sequence}`, length);
      writer.write(frameOf(sequence, length), replay);
      if (random.oneIn(2)) writer.flush(step);
      if (random.oneIn(3)) {
        for (const bytes of take()) rigs[index]!.taken.push(bytes);
        writer.noteProgress(step);
      }
      // The peer may have a frame of which another copy is still on its way.
      if (random.oneIn(3)) replay.ack(random.from(replay.acked, replay.next - 1));
      if (random.oneIn(4)) {
        const after = random.from(replay.oldest - 1, replay.next - 1);
        replay.rewind(after);
        for (let again = Math.max(after + 1, replay.oldest); replay.behind; again++) {
          const bytes = replay.again() as Uint8Array;
          const expected = encodeFrame(frameOf(again, lengths.get(`${index} ${again}`) as number));
          if (Buffer.compare(bytes, expected) !== 0) wrong.push(`step ${step}: ${again} of rig ${index}`);
        }
      }
    }
    for (const [index, { writer, take, taken, replay }] of rigs.entries()) {
      writer.flush(3000);
      taken.push(...take());
      const sent = Array.from({ length: replay.next - 1 }, (_, i) =>
        encodeFrame(frameOf(i + 1, lengths.get(`${index} ${i + 1}`) as number)),
      );
      if (Buffer.compare(Buffer.concat(taken), Buffer.concat(sent)) !== 0) wrong.push(`what rig ${index} sent`);
    }
    expect(wrong).toEqual([]);
  });

  it("whose messages turn out smaller or larger than the one before go out whole, and so do those behind one that cannot be encoded", () => {
    provideApart(APART);
    provideFrameStore(FrameRing);
    const { transport, take } = slowSocket();
    const writer = new LendingWriter(transport, resolveConnectionOptions({ maxPayload: 400_000 }), undefined);
    const replay = new ReplayBuffer({ replayBytes: 1e9, replayFrames: 1e9 });
    const codec = {
      encode(message: unknown, inPlace?: never) {
        const target = inPlace as unknown as MessageWriter;
        target.raw(new Uint8Array(message as number).fill(message as number));
        if (message === 13) throw new Error("no such message");
        return target;
      },
    };
    const expected: Uint8Array[] = [];
    for (const length of [10, 20_000, 9_000, 13, 30_000, 5, 100_000, 190_000, 300_000, 16_384, 16_000, 13, 16_500, 40]) {
      const frame = { version: 2, cmd: 1, sequence: replay.next };
      if (length === 13) {
        expect(() => writer.writeMessage(frame, codec, length, replay)).toThrow("no such message");
        continue;
      }
      writer.writeMessage(frame, codec, length, replay);
      writer.flush(1);
      expected.push(encodeFrame({ ...frame, payload: new Uint8Array(length).fill(length) }));
    }
    expect(Buffer.compare(Buffer.concat(take()), Buffer.concat(expected))).toBe(0);
    replay.rewind(0);
    for (const bytes of expected) expect(Buffer.compare(replay.again() as Uint8Array, bytes)).toBe(0);
  });
});
