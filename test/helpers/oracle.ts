/**
 * A second decoder, written from docs/wire.md alone and for clarity alone: it takes a whole stream and answers
 * with everything that stands in it. It shares nothing with src/, not even constants, so that a mistake there
 * cannot hide here. Section numbers are those of the page.
 */

export type OracleReason = "garbage" | "truncated" | "header" | "varint" | "version" | "redundancy" | "oversize" | "trailer" | "checksum";

export interface OracleOptions {
  readonly magic?: number;
  readonly maxPayload?: number;
  readonly maxTrailer?: number;
  readonly minVersion?: number;
  readonly checksumSeed?: number;
  readonly recovery?: "resync" | "close";
}

export interface OracleFrame {
  readonly start: number;
  readonly end: number;
  readonly version: number;
  readonly cmd: number;
  readonly payload: Uint8Array;
  /** Bytes discarded between the frame before and this one. */
  readonly afterGap: number;
  readonly timestamp?: bigint;
  readonly sequence?: bigint;
  readonly ack?: bigint;
  readonly callId?: number;
  readonly kind?: number;
  readonly status?: number;
  readonly timeoutMs?: number;
  readonly trace?: string;
  readonly ext?: Uint8Array;
}

export interface OracleDiscard {
  readonly start: number;
  readonly end: number;
  readonly reason: OracleReason;
  /** How many bytes of the stream show that it is damage; all of them, if only the flush does. */
  readonly settledAt: number;
}

/** Damage that the bytes show, of which they need not show where it ends. */
export type OracleDamage = Omit<OracleDiscard, "end">;

export interface OracleResult {
  readonly frames: readonly OracleFrame[];
  readonly discards: readonly OracleDiscard[];
  /** Each discard's start: without a flush also that of the discard whose end is not known yet. */
  readonly damages: readonly OracleDamage[];
  /** `recovery: "close"` only: the error that damage ends the stream with. */
  readonly error?: "frame-malformed" | "frame-too-large";
}

export interface OracleRun {
  /** Whether a flush follows the bytes. Default true. */
  readonly flush?: boolean;
  /** Options that take hold behind a delivered frame, as after a hello. */
  readonly update?: (frame: OracleFrame, index: number) => OracleOptions | undefined;
}

type Settings = Required<Omit<OracleOptions, "checksumSeed">> & Pick<OracleOptions, "checksumSeed">;

/** What the bytes say about one candidate. `at` is the offset behind the byte that settled it. */
type Verdict =
  | { readonly state: "holds"; readonly frame: Omit<OracleFrame, "afterGap"> }
  | { readonly state: "fails"; readonly reason: OracleReason; readonly at: number }
  | { readonly state: "waits" };

/** Everything in `bytes`, from offset 0. */
export function oracle(bytes: Uint8Array, options: OracleOptions = {}, run: OracleRun = {}): OracleResult {
  let settings: Settings = {
    magic: 2128477429,
    maxPayload: 1048576,
    maxTrailer: 1024,
    minVersion: 1,
    recovery: "resync",
    ...options,
  };
  const flush = run.flush ?? true;
  const prefix = prefixOf(settings.magic);
  const frames: OracleFrame[] = [];
  const discards: OracleDiscard[] = [];
  const damages: OracleDamage[] = [];
  let gapStart = 0;
  let scan = 0;
  /** Damage of the gap that starts at `gapStart`. */
  let gap: OracleDamage[] = [];
  /** Bytes that had to be there to come this far: what is further right is not looked at before. */
  let seen = 0;

  const damaged = (start: number, reason: OracleReason, settledAt: number): void => {
    seen = Math.max(seen, settledAt);
    const damage = { start, reason, settledAt: seen };
    gap.push(damage);
    damages.push(damage);
  };

  const closeGap = (end: number): number => {
    gap.forEach((damage, i) => {
      const { start, ...rest } = damage;
      discards.push({ start, end: gap[i + 1]?.start ?? end, ...rest });
    });
    gap = [];
    return end - gapStart;
  };

  /** The bytes at `gapStart` may show that no prefix begins there. */
  const lookForGarbage = (emptyBefore: boolean): void => {
    if (gap.length > 0 || gapStart >= bytes.length) return;
    const wrong = prefix.findIndex((byte, i) => bytes[gapStart + i] !== byte);
    if (wrong < 0) return;
    const lone2A = emptyBefore && bytes[gapStart] === 0x2a;
    const settledAt = gapStart + (lone2A ? 2 : wrong + 1);
    if (settledAt <= bytes.length) damaged(gapStart, "garbage", settledAt);
    else if (flush && lone2A) damaged(gapStart, "garbage", bytes.length);
  };

  for (;;) {
    let start: number;
    let verdict: Verdict;
    if (settings.recovery === "close") {
      start = scan;
      verdict = judgeFromPrefix(bytes, start, prefix, settings, scan > 0 && isEmptyV1(frames.at(-1), scan));
      if (verdict.state === "waits" && flush && start < bytes.length) {
        const lone2A = bytes.length === start + 1 && bytes[start] === 0x2a;
        verdict = { state: "fails", reason: lone2A ? "garbage" : "truncated", at: bytes.length };
      }
      if (verdict.state === "fails") {
        damaged(start, verdict.reason, verdict.at);
        closeGap(verdict.at);
        return { frames, discards, damages, error: verdict.reason === "oversize" ? "frame-too-large" : "frame-malformed" };
      }
    } else {
      lookForGarbage(gapStart === scan && isEmptyV1(frames.at(-1), gapStart));
      start = find(bytes, prefix, scan);
      if (start < 0) break;
      verdict = judge(bytes, start, settings);
    }
    if (verdict.state === "waits" && !flush) return { frames, discards, damages };
    if (verdict.state === "waits" && settings.recovery === "close") return { frames, discards, damages };
    if (verdict.state === "waits") {
      damaged(start, "truncated", bytes.length);
      scan = start + 1;
    } else if (verdict.state === "fails") {
      damaged(start, verdict.reason, verdict.at);
      scan = start + 1;
    } else {
      seen = Math.max(seen, verdict.frame.end);
      const frame: OracleFrame = { ...verdict.frame, afterGap: closeGap(start) };
      frames.push(frame);
      scan = frame.end;
      // Section 2: behind an empty version 1 frame a 2A 00 is swallowed.
      if (isEmptyV1(frame, scan) && bytes[scan] === 0x2a && bytes[scan + 1] === 0x00) scan += 2;
      gapStart = scan;
      settings = { ...settings, ...run.update?.(frame, frames.length - 1) };
    }
  }

  if (flush) {
    // Section 4.3: a proper prefix at the very end counts as a truncated candidate.
    for (let k = Math.min(6, bytes.length - scan); k >= 1; k--) {
      if (matches(bytes, prefix.subarray(0, k), bytes.length - k)) {
        damaged(bytes.length - k, "truncated", bytes.length);
        break;
      }
    }
    closeGap(bytes.length);
  }
  return { frames, discards, damages };
}

/** Section 4.5: the next frame must start right here. */
function judgeFromPrefix(bytes: Uint8Array, start: number, prefix: Uint8Array, settings: Settings, mayBe2A00: boolean): Verdict {
  for (let i = 0; i < prefix.length; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) return { state: "waits" };
    if (byte !== prefix[i]) {
      if (i === 0 && byte === 0x2a && mayBe2A00) {
        // 2A 00 was swallowed before; so this 2A is damage, which the byte behind it shows.
        return bytes.length > start + 1 ? { state: "fails", reason: "garbage", at: start + 2 } : { state: "waits" };
      }
      return { state: "fails", reason: "garbage", at: start + i + 1 };
    }
  }
  return judge(bytes, start, settings);
}

function isEmptyV1(frame: OracleFrame | undefined, scan: number): boolean {
  return frame !== undefined && frame.version === 1 && frame.payload.length === 0 && frame.end === scan;
}

class Fails {
  readonly reason: OracleReason;
  readonly at: number;
  constructor(reason: OracleReason, at: number) {
    this.reason = reason;
    this.at = at;
  }
}

class Waits {}

/** Sections 2 and 4.2: follows the grammar from the `08` at `start`. */
function judge(bytes: Uint8Array, start: number, settings: Settings): Verdict {
  try {
    return { state: "holds", frame: readFrame(bytes, start, settings) };
  } catch (thrown) {
    if (thrown instanceof Waits) return { state: "waits" };
    if (thrown instanceof Fails) return { state: "fails", reason: thrown.reason, at: thrown.at };
    throw thrown;
  }
}

function readFrame(bytes: Uint8Array, start: number, settings: Settings): Omit<OracleFrame, "afterGap"> {
  let at = start + 6;
  const byte = (): number => {
    const value = bytes[at];
    if (value === undefined) throw new Waits();
    at += 1;
    return value;
  };
  const tag = (): number => byte();

  /** A minimal varint 0 .. 2147483647. */
  const natural = (): number => {
    let value = 0;
    for (let i = 0; i < 5; i++) {
      const b = byte();
      if (i === 4 && b > 0x07) throw new Fails("varint", at);
      value += (b % 128) * 128 ** i;
      if (b < 128) {
        if (i > 0 && b === 0) throw new Fails("varint", at);
        return value;
      }
    }
    throw new Fails("varint", at);
  };

  /** A minimal varint 0 .. 2147483647, or ten bytes of a negative int32. */
  const int32 = (): number => {
    let value = 0n;
    for (let i = 0; i < 10; i++) {
      const b = byte();
      if (i === 4 && b > 0x07 && b < 0xf8) throw new Fails("varint", at);
      if (i >= 5 && i <= 8 && b !== 0xff) throw new Fails("varint", at);
      if (i === 9 && b !== 0x01) throw new Fails("varint", at);
      value += BigInt(b % 128) * 128n ** BigInt(i);
      if (b < 128) {
        if (i > 0 && b === 0) throw new Fails("varint", at);
        break;
      }
    }
    return Number(BigInt.asIntN(64, value));
  };

  if (tag() !== 0x10) throw new Error("the prefix was matched before");
  const length = natural();

  let version = 1;
  let next = tag();
  if (next === 0x18) {
    version = natural();
    if (version === 0 || version < settings.minVersion) throw new Fails("version", at);
    next = tag();
    if (next !== 0x20) throw new Fails("header", at);
  } else if (next !== 0x20) {
    throw new Fails("header", at);
  } else if (settings.minVersion > 1) {
    throw new Fails("version", at);
  }
  const cmd = int32();

  const readPayload = (): Uint8Array => {
    const n = natural();
    if (n !== length) throw new Fails("redundancy", at);
    if (length > settings.maxPayload) throw new Fails("oversize", at);
    if (bytes.length < at + length) throw new Waits();
    at += length;
    return bytes.slice(at - length, at);
  };

  if (version === 1) {
    if (length === 0) return { start, end: at, version, cmd, payload: new Uint8Array() };
    if (tag() !== 0x2a) throw new Fails("header", at);
    const payload = readPayload();
    return { start, end: at, version, cmd, payload };
  }

  let payload = new Uint8Array();
  if (length > 0) {
    if (tag() !== 0x2a) throw new Fails("header", at);
    payload = Uint8Array.from(readPayload());
  } else if (bytes[at] === undefined) {
    throw new Waits();
  } else if (bytes[at] === 0x2a) {
    at += 1;
    readPayload();
  }

  // The trailer. Every field must end early enough for 7D and the CRC behind it.
  const lastStartOfChecksum = at + settings.maxTrailer - 5;
  const mustEndBy = (earliestEnd: number): void => {
    if (earliestEnd > lastStartOfChecksum) throw new Fails("trailer", at);
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let i = 0; i < 10; i++) {
      const b = byte();
      value += BigInt(b % 128) * 128n ** BigInt(i);
      if (b < 128) return value;
      if (i === 9) throw new Fails("trailer", at);
      mustEndBy(at + 1);
    }
    throw new Error("not reached");
  };
  const take = (count: number): Uint8Array => {
    if (bytes.length < at + count) throw new Waits();
    at += count;
    return bytes.slice(at - count, at);
  };

  const trailer: { -readonly [K in keyof OracleFrame]?: OracleFrame[K] } = {};
  let before = 5;
  for (;;) {
    const fieldTag = tag();
    if (fieldTag === 0x7d) break;
    const number = Math.floor(fieldTag / 8);
    const wireType = fieldTag % 8;
    if (number < 6 || number > 14 || number <= before) throw new Fails("trailer", at);
    before = number;
    if (wireType === 0) {
      mustEndBy(at + 1);
      const value = varint();
      if (number === 6) trailer.timestamp = BigInt.asIntN(64, value);
      if (number === 7) trailer.sequence = BigInt.asUintN(64, value);
      if (number === 8) trailer.ack = BigInt.asUintN(64, value);
      if (number === 9) trailer.callId = Number(BigInt.asUintN(32, value));
      if (number === 10) trailer.kind = Number(BigInt.asIntN(32, value));
      if (number === 11) trailer.status = Number(BigInt.asIntN(32, value));
      if (number === 12) trailer.timeoutMs = Number(BigInt.asUintN(32, value));
    } else if (wireType === 1) {
      mustEndBy(at + 8);
      take(8);
    } else if (wireType === 2) {
      mustEndBy(at + 1);
      const size = varint();
      mustEndBy(at + Number(size));
      const value = take(Number(size));
      if (number === 13) trailer.trace = new TextDecoder("utf-8", { ignoreBOM: true }).decode(value);
      if (number === 14) trailer.ext = value;
    } else if (wireType === 5) {
      mustEndBy(at + 4);
      take(4);
    } else {
      throw new Fails("trailer", at);
    }
  }

  // Section 3.
  const covered = bytes.slice(start, at - 1);
  const seed = settings.checksumSeed === undefined ? new Uint8Array() : littleEndian(settings.checksumSeed);
  const stored = take(4);
  if (!matches(stored, littleEndian(oracleCrc32(seed, covered)), 0)) throw new Fails("checksum", at);
  return { start, end: at, version, cmd, payload, ...trailer };
}

/** Section 3: CRC-32 of all `parts` in a row, bit by bit. */
export function oracleCrc32(...parts: Uint8Array[]): number {
  let register = 0xffff_ffff;
  for (const part of parts) {
    for (const byte of part) {
      register ^= byte;
      for (let bit = 0; bit < 8; bit++) register = (register & 1) === 1 ? (register >>> 1) ^ 0xedb88320 : register >>> 1;
    }
  }
  return (register ^ 0xffff_ffff) >>> 0;
}

/** A 32-bit number as four bytes, lowest first. */
export function littleEndian(value: number): Uint8Array {
  return Uint8Array.of(value % 256, Math.floor(value / 256) % 256, Math.floor(value / 65536) % 256, Math.floor(value / 16777216));
}

/** Section 2: the seven bytes 08 MAGIC 10. */
export function prefixOf(magic: number): Uint8Array {
  const prefix = [0x08];
  for (let i = 0; i < 4; i++) prefix.push((Math.floor(magic / 128 ** i) % 128) + 128);
  prefix.push(Math.floor(magic / 128 ** 4), 0x10);
  return Uint8Array.from(prefix);
}

function matches(bytes: Uint8Array, pattern: Uint8Array, at: number): boolean {
  return at >= 0 && pattern.every((byte, i) => bytes[at + i] === byte);
}

function find(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0x08, from); at >= 0; at = bytes.indexOf(0x08, at + 1)) {
    if (matches(bytes, pattern, at)) return at;
  }
  return -1;
}
