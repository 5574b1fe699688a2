import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { LogReader, LogWriter } from "../../src/outbox/file-log.js";

const SEED = 0xfeed;

function payload(id: number): Uint8Array {
  return new Uint8Array(40).fill(id);
}

/** A log of `count` entries as bytes, and where each of them starts. */
function log(count: number, payloadOf: (id: number) => Uint8Array = payload): { bytes: Uint8Array; starts: number[] } {
  const writer = new LogWriter();
  writer.header(SEED);
  const starts: number[] = [];
  for (let id = 1; id <= count; id++) {
    starts.push(writer.length);
    writer.entry(id, { cmd: 5, payload: payloadOf(id) });
  }
  return { bytes: writer.take(), starts };
}

function read(bytes: Uint8Array): { ids: number[]; damagedBytes: number } {
  const reader = new LogReader();
  // Chunks of a length that has nothing to do with that of records.
  for (let at = 0; at < bytes.length; at += 37) reader.push(bytes.subarray(at, at + 37));
  const { entries, damagedBytes } = reader.end();
  for (const { id, frame } of entries) expect(frame.payload).toEqual(payload(id));
  return { ids: entries.map(({ id }) => id), damagedBytes };
}

describe("a log whose end is torn off", () => {
  const { bytes, starts } = log(4);

  it("at any byte gives all that was whole, and calls nothing damaged", () => {
    for (let length = starts[0]!; length <= bytes.length; length++) {
      const whole = starts.filter((_, i) => (starts[i + 1] ?? bytes.length) <= length).length;
      expect(read(bytes.subarray(0, length))).toEqual({ ids: [1, 2, 3, 4].slice(0, whole), damagedBytes: 0 });
    }
  });

  it("before its header is whole is no outbox", () => {
    expect(() => read(bytes.subarray(0, starts[0]! - 1))).toThrow("not an outbox");
  });
});

describe("a log that is damaged in the middle", () => {
  it("at any byte of a record loses that record alone, and says how many bytes", () => {
    const { bytes, starts } = log(3);
    for (let at = starts[1]!; at < starts[2]!; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0x55;
      expect(read(damaged)).toEqual({ ids: [1, 3], damagedBytes: starts[2]! - starts[1]! });
    }
  });

  it("gives no record away that a payload holds", () => {
    const forged = encodeFrame({ version: 2, cmd: 66, sequence: 9, payload: payload(9) });
    const { bytes, starts } = log(2, (id) => (id === 1 ? forged : payload(id)));
    bytes[starts[0]!]! ^= 1;
    expect(read(bytes).ids).toEqual([2]);
  });
});

it("an empty log is empty", () => {
  expect(read(new Uint8Array(0))).toEqual({ ids: [], damagedBytes: 0 });
});

it("the last word on an entry holds", () => {
  const writer = new LogWriter();
  writer.header(SEED);
  for (let id = 1; id <= 3; id++) writer.entry(id, { cmd: 5, payload: payload(id) });
  writer.number(1, 7);
  writer.number(2, 8);
  writer.number(1, 0);
  writer.removed(2);
  writer.number(2, 9);
  writer.session({ token: Uint8Array.of(1), callIds: 5, attempts: 1 });
  writer.session({ token: Uint8Array.of(2), callIds: 4_000_000_000, attempts: 2 });
  const reader = new LogReader();
  reader.push(writer.take());
  const { entries, session } = reader.end();
  expect(entries.map(({ id, sequence }) => [id, sequence])).toEqual([
    [1, 0],
    [3, 0],
  ]);
  expect(session).toEqual({ token: Uint8Array.of(2), callIds: 4_000_000_000, attempts: 2 });
});
