/** Streams of framewire frames, and the ways to cut any stream into chunks. */
import { encodeFrame } from "../../src/codec/index.js";
import { DEFAULTS } from "../../src/options.js";
import { randomFrom } from "../random.js";

/** The command that every good frame of these benchmarks carries. */
export const CMD = 513;

/** The seed of the streams that stand for a session. */
export const SEED = 0x5eed_5eed;

/** `08 MAGIC 10`: what every frame with the default magic starts with. */
export const PREFIX = prefixOf(DEFAULTS.magic);

/** `08 MAGIC 10` for a magic. */
export function prefixOf(magic: number): Buffer {
  return Buffer.from([0x08, ...varint(magic), 0x10]);
}

/** `count` version 1 frames. */
export function v1Stream(payload: Uint8Array, count: number): Buffer {
  return repeat(encodeFrame({ cmd: CMD, payload }), count);
}

/** `count` version 2 frames with no trailer field but the checksum. */
export function v2Stream(payload: Uint8Array, count: number): Buffer {
  return repeat(encodeFrame({ version: 2, cmd: CMD, payload }), count);
}

/** `count` version 2 frames as a session sends them: seeded, with sequence, ack, call_id and kind. */
export function sessionStream(payload: Uint8Array, count: number): Buffer {
  const frames: Uint8Array[] = [];
  for (let i = 1; i <= count; i++) {
    frames.push(
      encodeFrame({ version: 2, cmd: CMD, payload, sequence: i, ack: i - 1, callId: 2 * i + 1, kind: 1 }, { checksumSeed: SEED }),
    );
  }
  return Buffer.concat(frames);
}

/** A version 2 header up to the payload, which it says is `length` bytes long. */
export function v2Header(length: number, cmd = CMD): Buffer {
  const announced = varint(length);
  return Buffer.concat([PREFIX, Buffer.from([...announced, 0x18, 0x02, 0x20, ...varint(cmd), 0x2a, ...announced])]);
}

/** The end of a version 2 frame whose checksum is none: no frame here has the CRC 0. */
export const WRONG_CHECKSUM = Buffer.from([0x7d, 0, 0, 0, 0]);

/** A minimal varint. */
export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

/** One way to cut a stream. */
export interface Chunking {
  readonly name: string;
  readonly cut: (stream: Buffer) => Buffer[];
}

/** 64 KiB: a busy socket. 1460 B: one TCP segment. Random: a relay. 1 B: a hostile or very slow sender. */
export const CHUNKINGS: readonly Chunking[] = [
  { name: "64 KiB", cut: (stream) => every(stream, () => 65536) },
  { name: "1460 B", cut: (stream) => every(stream, () => 1460) },
  {
    name: "1-4096 B",
    cut: (stream) => {
      const random = randomFrom(7);
      return every(stream, () => 1 + Math.floor(random() * 4096));
    },
  },
  { name: "1 B", cut: (stream) => every(stream, () => 1) },
];

/** Cuts `stream` into views of as many bytes as `size` says each time. */
export function every(stream: Buffer, size: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = Math.min(stream.length, at + size());
    chunks.push(stream.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** `bytes` `count` times over. */
export function repeat(bytes: Uint8Array, count: number): Buffer {
  const stream = Buffer.allocUnsafe(bytes.length * count);
  for (let i = 0; i < count; i++) stream.set(bytes, i * bytes.length);
  return stream;
}
