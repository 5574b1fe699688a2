/**
 * Streams of frames, damaged, with the origin of every byte, so that it is known without any decoder which frames
 * arrived undamaged (docs/wire.md section 4.4). Everything follows from one seed.
 */
import { damage, type Received } from "./damage.js";
import type { OracleOptions } from "./oracle.js";
import { Random } from "./random.js";
import { type Bytes, cat, fill, hex, MAGIC, open, type Parts, seal, varint } from "./wire-builder.js";

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface DamagedStream {
  readonly seed: number;
  readonly bytes: Uint8Array;
  readonly options: OracleOptions;
  readonly sent: readonly Uint8Array[];
  /** Where undamaged frames stand in `bytes`, in order. */
  readonly undamaged: readonly Span[];
}

/** What the two kinds of stream have in common while they are written. */
interface Writer {
  readonly random: Random;
  readonly magic: number;
  readonly maxPayload: number;
  /** Of the session; `undefined` outside one. */
  readonly seed: number | undefined;
}

/**
 * A version 2 stream for the guarantee: sent frames, foreign bytes between them that are no valid frames, then damage.
 * Where chance has mended a frame, so that its bytes and their origins tell different stories, another stream is drawn.
 */
export function damagedStream(seed: number): DamagedStream {
  for (let attempt = 0; ; attempt++) {
    const random = new Random(seed * 64 + attempt);
    const writer = newWriter(random);
    const received: Received = { bytes: [], frames: [], offsets: [] };
    const sent: Uint8Array[] = [];
    const claims = random.oneIn(2);
    for (let count = random.from(2, 24); sent.length < count; ) {
      if (random.oneIn(3)) append(received, foreign(writer), -1);
      const few = Array.from({ length: claims ? random.from(1, 4) : 1 }, () => frameOf(writer, writer.seed));
      if (claims) append(received, claimOver(few, writer), -1);
      for (const frame of few) {
        append(received, frame, sent.length);
        sent.push(frame);
      }
    }
    for (let count = random.from(0, 8); count > 0; count--) damage(received, random);
    const bytes = Uint8Array.from(received.bytes);
    const undamaged = spansByOrigin(received, sent);
    if (sameSpans(undamaged, spansByValue(bytes, sent))) {
      const { magic, maxPayload } = writer;
      return {
        seed,
        bytes,
        sent,
        undamaged,
        options: { magic, maxPayload, minVersion: 2, ...(writer.seed === undefined ? {} : { checksumSeed: writer.seed }) },
      };
    }
  }
}

/** A stream of anything, all versions and options, for comparing two decoders; nothing is known about what stands in it. */
export function wildStream(seed: number): { readonly seed: number; readonly bytes: Uint8Array; readonly options: OracleOptions } {
  const random = new Random(seed);
  const writer = newWriter(random);
  const received: Received = { bytes: [], frames: [], offsets: [] };
  for (let count = random.from(1, 16); count > 0; count--) {
    const kind = random.from(0, 5);
    if (kind < 2) append(received, foreign(writer), -1);
    else if (kind === 2) append(received, frameOf(writer, undefined), -1);
    else if (kind === 3) append(received, frameV1(writer), -1);
    else {
      const few = Array.from({ length: random.from(1, 3) }, () => frameOf(writer, writer.seed));
      if (random.oneIn(3)) append(received, claimOver(few, writer), -1);
      append(received, cat(...few), -1);
    }
  }
  if (random.oneIn(2)) for (let count = random.from(1, 6); count > 0; count--) damage(received, random);
  const options = {
    magic: writer.magic,
    maxPayload: writer.maxPayload,
    maxTrailer: random.pick([5, 8, 16, 64, 1024]),
    minVersion: random.pick([1, 1, 1, 2, 3]),
    ...(writer.seed === undefined ? {} : { checksumSeed: writer.seed }),
  };
  return { seed, bytes: Uint8Array.from(received.bytes), options };
}

function newWriter(random: Random): Writer {
  return {
    random,
    magic: random.oneIn(4) ? random.from(2 ** 28, 2 ** 31 - 1) : MAGIC,
    maxPayload: random.pick([16, 64, 200, 300, 1024, 5000]),
    seed: random.oneIn(3) ? undefined : random.uint32(),
  };
}

function append(received: Received, bytes: Uint8Array, frame: number): void {
  for (let offset = 0; offset < bytes.length; offset++) {
    received.bytes.push(bytes[offset]!);
    received.frames.push(frame);
    received.offsets.push(offset);
  }
}

/** A frame as a good writer sends it, version 2 and above. */
function frameOf(writer: Writer, seed: number | undefined): Uint8Array {
  const { random, magic } = writer;
  const parts: Parts = {
    magic,
    ver: random.pick([2, 2, 2, 3, 127, 128, 2 ** 31 - 1]),
    cmd: command(random),
    trailer: trailerFields(random),
  };
  return seal(open(random.oneIn(8) ? parts : { ...parts, payload: payload(writer) }), seed);
}

function frameV1(writer: Writer): Uint8Array {
  const { random, magic } = writer;
  const parts: Parts = { magic, cmd: command(random), ...(random.oneIn(3) ? { ver: 1 } : {}) };
  return open(random.oneIn(4) ? parts : { ...parts, payload: payload(writer) });
}

function command(random: Random): number {
  return random.pick([0, 1, 127, 128, 16384, 2 ** 31 - 1, -1, -(2 ** 31), random.uint32() | 0]);
}

function payload(writer: Writer): Uint8Array {
  const { random, magic, maxPayload } = writer;
  const size = random.pick([0, 1, 2, random.from(0, 32), random.from(0, 150), maxPayload]);
  const limit = Math.min(size, maxPayload);
  const prefix = open({ magic }).subarray(0, 7);
  switch (random.from(0, 6)) {
    case 0:
      return fill(limit, random.pick([0x08, 0x00, 0xff, 0x2a, 0x7d, 0x10]));
    case 1:
      return cat(...Array<Bytes>(Math.ceil(limit / 7)).fill(prefix)).subarray(0, limit);
    case 2:
      return cat(...Array<Bytes>(Math.ceil(limit / 6)).fill(prefix.subarray(0, 6))).subarray(0, limit);
    case 3:
      return cat(...Array.from({ length: 4 }, () => hostileHeader(writer))).subarray(0, limit);
    case 4: {
      // A third party that does not know the seed writes whole frames into the payload. Without a seed it could write valid ones.
      const nested = seal(
        open({ magic, ver: 2, cmd: 7, payload: random.bytes(random.from(0, 8)) }),
        writer.seed === undefined ? 1 : undefined,
      );
      return cat(random.bytes(random.from(0, 5)), nested, nested).subarray(0, maxPayload);
    }
    default:
      return random.bytes(limit);
  }
}

function trailerFields(random: Random): Uint8Array {
  const parts: Bytes[] = [];
  for (let number = 6; number <= 14; number++) {
    if (!random.oneIn(4)) continue;
    const wireType = random.oneIn(6) ? random.pick([0, 1, 2, 5]) : number < 13 ? 0 : 2;
    parts.push(Uint8Array.of(number * 8 + wireType));
    if (wireType === 0)
      parts.push(random.oneIn(5) ? cat(fill(random.from(1, 8), 0x80), "00") : varint(random.uint32() >>> random.from(0, 31)));
    if (wireType === 1) parts.push(random.bytes(8));
    if (wireType === 5) parts.push(random.bytes(4));
    if (wireType === 2) {
      const value = random.bytes(random.pick([0, 1, 5, 40]));
      parts.push(varint(value.length), value);
    }
  }
  return cat(...parts);
}

/** Bytes between frames that are not a valid frame of the session. */
function foreign(writer: Writer): Uint8Array {
  const { random, magic, seed } = writer;
  const prefix = open({ magic }).subarray(0, 7);
  switch (random.from(0, 6)) {
    case 0:
      return random.bytes(random.from(1, 40));
    case 1:
      return cat(prefix.subarray(0, random.from(1, 6)));
    case 2:
      return cat(...Array<Bytes>(random.from(1, 8)).fill(prefix));
    case 3:
      return frameV1(writer);
    case 4:
      return fill(random.from(1, 30), random.pick([...prefix]));
    case 5:
      return frameOf(writer, seed === undefined ? 1 : seed ^ 1);
    default:
      return hostileHeader(writer);
  }
}

/**
 * A header whose payload would reach up to the last of the 7D in `frames`, which follow it: the claim is decided by a checksum
 * only, and until then all of them lie inside it.
 */
function claimOver(frames: readonly Uint8Array[], writer: Writer): Uint8Array {
  const end = cat(...frames).lastIndexOf(0x7d);
  const claim = varint(Math.min(end, writer.maxPayload));
  return cat(open({ magic: writer.magic }).subarray(0, 7), claim, "18 02 20 01 2A", claim);
}

/** A candidate that lies: in its lengths, its varints, its order of fields, or its checksum. */
function hostileHeader(writer: Writer): Uint8Array {
  const { random, magic, maxPayload } = writer;
  const claim = random.from(0, maxPayload + 1);
  const badVarint = (): Uint8Array =>
    hex(
      random.pick([
        "80 00",
        "87 80 00",
        "80 80 80 80 08",
        "87 80 80 80 10",
        "FF FF FF FF FF FF FF FF FF 01",
        "81 80 80 80 80 80 80 80 80 80 01",
        "FF FF FF FF 0F",
      ]),
    );
  const prefix = open({ magic }).subarray(0, 7);
  switch (random.from(0, 8)) {
    case 0:
      return cat(prefix, varint(claim), "18 02 20 01 2A", varint(claim));
    case 1:
      return cat(prefix, varint(claim), "18 02 20 01 2A", varint(claim), random.bytes(random.from(0, 20)), "7D", random.bytes(4));
    case 2:
      return cat(prefix, varint(claim), "18 02 20 01 2A", varint(random.from(0, maxPayload)));
    case 3:
      return open({ magic, len: badVarint(), ver: 2, payload: "01" });
    case 4:
      return open({ magic, ver: badVarint(), payload: "01" });
    case 5:
      return open({ magic, ver: 2, cmd: random.pick([badVarint(), hex("FF FF FF FF F8 FF FF FF 7F")]), payload: "01" });
    case 6:
      return open({ magic, ver: 2, payload: "01", n: badVarint() });
    case 7:
      return seal(
        open({
          magic,
          ver: 2,
          payload: "01",
          trailer: random.pick([
            "40 01 38 01",
            "38 01 38 01",
            "2A 00",
            "73 74",
            "38 FF FF FF FF FF FF FF FF FF FF 01",
            "6A FF FF FF FF 0F",
          ]),
        }),
      );
    default:
      return cat(
        prefix,
        "01",
        random.pick(["20 01 18 02 2A 01 FF", "10 01 20 01", "18 02 18 02 20 01", "18 00 20 01", "2A 01 FF", "18 02 20 01 7D 00 00 00 00"]),
      );
  }
}

function spansByOrigin(received: Received, sent: readonly Uint8Array[]): Span[] {
  const spans: Span[] = [];
  for (let start = 0; start < received.bytes.length; start++) {
    const frame = received.frames[start]!;
    if (frame < 0 || received.offsets[start] !== 0) continue;
    const { length } = sent[frame]!;
    let matched = 0;
    while (matched < length && received.frames[start + matched] === frame && received.offsets[start + matched] === matched) matched++;
    if (matched === length) spans.push({ start, end: start + length });
  }
  return spans;
}

/** Where whole sent frames stand in `bytes`, from left to right and without overlap: knows the frames, not the grammar. */
export function spansByValue(bytes: Uint8Array, sent: readonly Uint8Array[]): Span[] {
  const spans: Span[] = [];
  for (let start = bytes.indexOf(0x08); start >= 0; ) {
    const found = sent.find((frame) => standsAt(frame, bytes, start));
    if (found !== undefined) spans.push({ start, end: start + found.length });
    start = bytes.indexOf(0x08, start + (found?.length ?? 1));
  }
  return spans;
}

function standsAt(frame: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < frame.length; i++) if (bytes[start + i] !== frame[i]) return false;
  return true;
}

function sameSpans(a: readonly Span[], b: readonly Span[]): boolean {
  return a.length === b.length && a.every((span, i) => span.start === b[i]!.start && span.end === b[i]!.end);
}
