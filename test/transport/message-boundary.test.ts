import { describe, expect, it } from "vitest";
import { PROGRESS_BYTES } from "../../src/link/transport.js";
import { MessageBoundary } from "../../src/transport/message-boundary.js";
import { chunksOf } from "../helpers/decoder-run.js";

const FIN = 0x80;
const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;
const PING = 9;

/** One frame of RFC 6455 section 5.2. */
function frame(first: number, length: number, masked: boolean): Uint8Array {
  const header = [first];
  const mask = masked ? 0x80 : 0;
  if (length < 126) header.push(mask | length);
  else if (length < 65_536) header.push(mask | 126, length >> 8, length & 0xff);
  else header.push(mask | 127, 0, 0, 0, 0, (length >>> 24) & 0xff, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
  if (masked) header.push(1, 2, 3, 4);
  return Buffer.concat([Uint8Array.from(header), new Uint8Array(length).fill(0x81)]);
}

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];

describe.each([true, false])("with a masking key: %s", (masked) => {
  it.each(LENGTHS)("a message of %i bytes is under way from its first byte to its last, however it is cut", (length) => {
    const bytes = frame(FIN | BINARY, length, masked);
    for (const size of [1, 2, 3, 7, 1000, bytes.length - 1]) {
      const boundary = new MessageBoundary();
      const seen: number[] = [];
      for (const chunk of chunksOf(bytes, size).filter((chunk) => chunk.length > 0)) {
        seen.push(boundary.current);
        boundary.push(chunk);
      }
      // What it is called grows with each part that has arrived, and with nothing less.
      const [first, ...later] = seen;
      expect(first).toBe(0);
      expect(later.every((current, at) => current >= (later[at - 1] ?? 1))).toBe(true);
      expect(later.at(-1) ?? 1).toBeLessThanOrEqual(1 + length / PROGRESS_BYTES);
      expect(boundary.current).toBe(0);
    }
  });

  it("messages that follow each other in one chunk are told apart", () => {
    const boundary = new MessageBoundary();
    boundary.push(
      Buffer.concat([...LENGTHS.map((length) => frame(FIN | TEXT, length, masked)), frame(FIN | BINARY, 10, masked).subarray(0, 5)]),
    );
    const parts = LENGTHS.reduce((sum, length) => sum + Math.floor(length / PROGRESS_BYTES), 0);
    expect(boundary.current).toBe(LENGTHS.length + parts + 1);
  });
});

it("a message in fragments is one message, pings in between or not", () => {
  const boundary = new MessageBoundary();
  const parts = [
    frame(BINARY, 3, true),
    frame(FIN | PING, 4, true),
    frame(CONTINUATION, 0, true),
    frame(CONTINUATION, 200, true),
    frame(FIN | PING, 0, true),
  ];
  for (const part of parts) {
    boundary.push(part);
    expect(boundary.current).toBe(1);
  }
  boundary.push(frame(FIN | CONTINUATION, 1, true));
  expect(boundary.current).toBe(0);
  boundary.push(frame(FIN | PING, 4, true).subarray(0, 3));
  expect(boundary.current).toBe(2);
});

it("a message goes on with each 32 KiB of its own, in however many fragments, and with no ping", () => {
  const boundary = new MessageBoundary();
  const seen: number[] = [];
  const push = (bytes: Uint8Array) => {
    boundary.push(bytes);
    seen.push(boundary.current);
  };
  push(frame(BINARY, PROGRESS_BYTES - 1, true));
  for (let i = 0; i < 1_000; i++) boundary.push(frame(FIN | PING, 125, true));
  push(frame(CONTINUATION, 0, true));
  push(frame(CONTINUATION, 1, true));
  push(frame(CONTINUATION, 2 * PROGRESS_BYTES, true));
  push(frame(FIN | CONTINUATION, 1, true));
  expect(seen).toEqual([1, 1, 2, 4, 0]);
});

it("weighs what brings nothing as frames of no use, and fragments as a frame each", () => {
  const weigh = (...parts: Uint8Array[]) => {
    const boundary = new MessageBoundary();
    boundary.push(Buffer.concat(parts));
    return boundary.weight;
  };
  const empty = frame(CONTINUATION, 0, true);
  const end = frame(FIN | CONTINUATION, 0, true);
  expect(weigh(frame(FIN | BINARY, 10, true), frame(FIN | TEXT, 1, true))).toBe(0);
  expect(weigh(frame(FIN | PING, 0, true), frame(FIN | PING, 125, false), frame(FIN | 10, 3, true))).toBe(300);
  expect(weigh(frame(FIN | BINARY, 0, true))).toBe(100);
  expect(weigh(frame(BINARY, 1, true), frame(CONTINUATION, 1, true), frame(FIN | CONTINUATION, 1, true))).toBe(3);
  expect(weigh(frame(BINARY, 1, true), empty, empty, end)).toBe(1 + 100 + 100 + 1);
  expect(weigh(frame(BINARY, 0, true), end)).toBe(200);
  expect(weigh(frame(BINARY, 1, true), frame(FIN | PING, 0, true), end, frame(FIN | BINARY, 0, true))).toBe(1 + 100 + 1 + 100);
  expect(weigh(frame(FIN | 8, 2, true))).toBe(0);
});

it("weighs each chunk by itself, and tells of a close frame once it is whole", () => {
  const boundary = new MessageBoundary();
  const ping = frame(FIN | PING, 4, true);
  boundary.push(ping.subarray(0, 8));
  expect(boundary.weight).toBe(0);
  boundary.push(ping.subarray(8));
  expect(boundary.weight).toBe(100);
  const close = frame(FIN | 8, 2, true);
  boundary.push(close.subarray(0, 7));
  expect([boundary.weight, boundary.closed]).toEqual([0, false]);
  boundary.push(close.subarray(7));
  expect(boundary.closed).toBe(true);
  boundary.push(ping);
  expect(boundary.closed).toBe(false);
});

it("tells how much of a chunk ends with a message, and nothing of one with a control frame in it", () => {
  const message = frame(FIN | BINARY, 10, true);
  const fragments = [frame(BINARY, 3, true), frame(FIN | CONTINUATION, 4, true)];
  const push = (...parts: Uint8Array[]) => new MessageBoundary().push(Buffer.concat(parts));
  expect(push(message, message)).toBe(2 * message.length);
  expect(push(message, message.subarray(0, 7))).toBe(message.length);
  expect(push(message.subarray(0, 7))).toBe(0);
  expect(push(message, fragments[0]!)).toBe(message.length);
  expect(push(message, ...fragments, message.subarray(0, 1))).toBe(message.length + Buffer.concat(fragments).length);
  expect(push(message, frame(FIN | PING, 4, true), message)).toBe(0);
  expect(push(message, frame(FIN | PING, 4, true).subarray(0, 5))).toBe(message.length);
  const boundary = new MessageBoundary();
  boundary.push(message.subarray(0, 7));
  expect(boundary.push(Buffer.concat([message.subarray(7), message, message.subarray(0, 7)]))).toBe(2 * message.length - 7);
});
