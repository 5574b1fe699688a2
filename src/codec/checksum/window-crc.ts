/**
 * CRC-32 by WebAssembly, on Node: of long runs, and of the frames in a chunk. It sees its own memory only, so what is to be checked
 * is copied there; of a chunk all from a frame on, once for as many frames as fit. docs/decisions/checksum-cost.md
 */
import type { ByteSource } from "../decoder/byte-source.js";
import { crcProgram, FOLD_FROM, LONGEST, RUN, SPARSE_FROM, TABLES, WINDOW } from "./crc-program.js";
import { fillTables } from "./crc32.js";
import { crcOfLong, crcOfView } from "./crc32-long.js";

/** Fewer bytes are not worth their copy. */
const WORTH = 2048;
/** So many are copied at once: a large frame that is not whole may be behind, and need none of it. */
const AHEAD = 16 * 1024;
/** From this many bytes on, the fold beats tables, and zlib may. The module's own, as its value is then part of the code. */
const LONG = FOLD_FROM;
const VERY_LONG = SPARSE_FROM;

type Crc = (from: number, to: number, crc: number) => number;

interface Program {
  readonly memory: Uint8Array;
  readonly short: Crc;
  readonly long: Crc;
  readonly longest: Crc;
}

/** Made for the first chunk that is worth it: 3 KB of code to compile, and 192 KiB. `null` where it cannot be made. */
let program: Program | null | undefined;
/** The chunk that was copied last, as its decoder names it, from which position, and up to which. */
let owner: DataView | undefined;
let first = 0;
let behind = 0;

/** What there is to run. Where there is no WebAssembly, none with 128-bit words, or a policy against it: `null`. */
function instantiate(): Program | null {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(crcProgram()));
    const { buffer } = exports.memory as WebAssembly.Memory;
    fillTables(buffer as ArrayBuffer, TABLES);
    return { memory: new Uint8Array(buffer), short: exports.short as Crc, long: exports.long as Crc, longest: exports.longest as Crc };
  } catch {
    return null;
  }
}

/**
 * The CRC of the bytes of `chunk` from `start` to `end`, going on from `crc`, signed. Those up to `last` may be asked for next.
 * `data` is all of `chunk`; until {@link forgetWindow} it must stay one object with the same bytes.
 */
export function crcOfFrame(chunk: ByteSource, data: DataView, start: number, end: number, last: number, crc: number): number {
  if (data !== owner || end > behind || start < first) {
    if (end - start > LONGEST) return crcOfRun(chunk.bytes, start, end, crc);
    if (last - start < WORTH || !moved(data, start, end, last)) {
      return end - start < LONG ? crcOfView(data, start, end, crc) : crcOfRun(chunk.bytes, start, end, crc);
    }
  }
  const from = start - first + WINDOW;
  const to = end - first + WINDOW;
  return to - from < LONG ? program!.short(from, to, crc) : byFolds(program!, from, to, crc);
}

/** Of at least {@link LONG} bytes of the program's memory. */
function byFolds({ long, longest }: Program, from: number, to: number, crc: number): number {
  return to - from < VERY_LONG ? long(from, to, crc) : longest(from, to, crc);
}

/** As `crcUpdate` of crc32.ts, of long runs: copied where the program finds them, piece by piece. */
export function crcOfRun(bytes: Uint8Array, start: number, end: number, crc: number): number {
  if (end - start < LONG || !there()) return crcOfLong(bytes, start, end, crc);
  const { memory, short } = program!;
  const { buffer, byteOffset } = bytes;
  let c = crc;
  for (let at = start; at < end; at += LONGEST) {
    const length = Math.min(end - at, LONGEST);
    memory.set(new Uint8Array(buffer, byteOffset + at, length), RUN);
    c = length < LONG ? short(RUN, RUN + length, c) : byFolds(program!, RUN, RUN + length, c);
  }
  return c;
}

/** Whether there is a program. */
function there(): boolean {
  program = program === undefined ? instantiate() : program;
  return program !== null;
}

/** Moves the window to the bytes of `data` from `start` to `end`, and some more up to `last`. False if there is no program. */
function moved(data: DataView, start: number, end: number, last: number): boolean {
  if (!there()) return false;
  const length = Math.min(last - start, Math.max(end - start, AHEAD));
  program!.memory.set(new Uint8Array(data.buffer, data.byteOffset + start, length), WINDOW);
  owner = data;
  first = start;
  behind = start + length;
  return true;
}

/** Holds on to nobody's bytes any longer: their owner may change them. */
export function forgetWindow(): void {
  owner = undefined;
}
