/** What hostile input costs: time for each byte, scanning speed, tiny chunks, and memory for lengths that are only claimed. */
import { FrameDecoder } from "../../src/codec/index.js";
import { type MeasureOptions, measure, median, medianMs, type Subject } from "../harness.js";
import { randomBytes } from "../random.js";
import { FILLERS, HOSTILE } from "./hostile-streams.js";
import { every, prefixOf, v1Stream, v2Header, v2Stream } from "./streams.js";

const MIB = 2 ** 20;

/** Time of one hostile stream at two sizes. */
export interface HostileRow {
  readonly name: string;
  readonly note: string;
  readonly oneMibMs: number;
  readonly fourMibMs: number;
  /** Time per byte at 4 MiB divided by that at 1 MiB; 1 = linear. */
  readonly growth: number;
}

/** Times every hostile stream, in 64 KiB chunks and flushed, with room for payloads as large as the stream. */
export async function hostileStreams(options: MeasureOptions, progress: (text: string) => void): Promise<HostileRow[]> {
  const rows: HostileRow[] = [];
  for (const { name, note, make } of HOSTILE) {
    progress(`decode: hostile ${name}`);
    const one = every(make(MIB), () => 65536);
    const four = every(make(4 * MIB), () => 65536);
    const subjects = [subject("1 MiB", one, (chunks) => drain(chunks)), subject("4 MiB", four, (chunks) => drain(chunks))];
    const [small, large] = await measure({ name, units: 0, subjects }, options);
    rows.push({
      name,
      note,
      oneMibMs: (small!.nsPerUnit * bytesOf(one)) / 1e6,
      fourMibMs: (large!.nsPerUnit * bytesOf(four)) / 1e6,
      growth: large!.nsPerUnit / small!.nsPerUnit,
    });
  }
  return rows;
}

/** Speed of scanning one filler. */
export interface ScanRow {
  readonly name: string;
  readonly megabytesPerSecond: number;
  /** What a plain search for the whole prefix by `Buffer.indexOf` does on the same bytes. */
  readonly indexOfMegabytesPerSecond: number;
}

/** Scans every filler in 64 KiB chunks. */
export async function scanning(options: MeasureOptions, progress: (text: string) => void): Promise<ScanRow[]> {
  const rows: ScanRow[] = [];
  for (const { name, magic, make } of FILLERS) {
    progress(`decode: scanning ${name}`);
    const chunks = every(make(4 * MIB), () => 65536);
    const prefix = prefixOf(magic);
    const subjects = [
      subject("framewire", chunks, () => drain(chunks, magic)),
      subject("indexOf", chunks, () => chunks.reduce((found, chunk) => found + (chunk.indexOf(prefix) === -1 ? chunk.length : 0), 0)),
    ];
    const [scan, search] = await measure({ name, units: 0, subjects }, options);
    rows.push({ name, megabytesPerSecond: scan!.unitsPerSecond / 1e6, indexOfMegabytesPerSecond: search!.unitsPerSecond / 1e6 });
  }
  return rows;
}

/** Time of one frame of 40,000 B payload that arrives byte by byte, in milliseconds; the worse of version 1 and 2. */
export async function byteByByte(rounds: number): Promise<number> {
  const payload = randomBytes(40_000, 40);
  const times: number[] = [];
  for (const stream of [v1Stream(payload, 1), v2Stream(payload, 1)]) {
    const chunks = every(stream, () => 1);
    times.push(
      await medianMs(rounds, () => {
        if (count(chunks) !== 1) throw new Error("the frame did not arrive");
      }),
    );
  }
  return Math.max(...times);
}

/** Growth of the heap and of array buffers: the median of some rounds. */
export interface ClaimRow {
  readonly bytesFed: number;
  readonly bytesClaimed: number;
  readonly bytesGrown: number;
  /** For each of the headers. */
  readonly bytesEach: number;
}

const HEADERS = 10_000;
/** The first 20 bytes of a frame that claims 1 MiB. */
const CLAIM = Buffer.concat([v2Header(MIB), Buffer.alloc(20)]).subarray(0, 20);
const CLAIM_ROUNDS = 5;

/**
 * 10,000 headers that each claim 1 MiB, of each of which 20 bytes arrive: fed to one decoder, which has to keep them all
 * as the payload of the first may still come.
 */
export function claimedLengths(): ClaimRow {
  return claims(() => {
    const decoder = settled();
    return { push: () => decoder.push(CLAIM, unwanted), buffered: () => decoder.stats.buffered };
  });
}

/** The same with a decoder for each header, as 10,000 connections would have; what the decoders take without one is not counted. */
export function claimedLengthsApart(): ClaimRow {
  return claims(() => {
    const decoders = Array.from({ length: HEADERS }, settled);
    return {
      push: (index) => decoders[index]!.push(CLAIM, unwanted),
      buffered: () => decoders.reduce((sum, decoder) => sum + decoder.stats.buffered, 0),
    };
  });
}

/** A decoder that has delivered a frame before. */
function settled(): FrameDecoder {
  const decoder = new FrameDecoder({ minVersion: 2 });
  let frames = 0;
  decoder.push(v2Stream(CLAIM, 1), () => frames++);
  if (frames !== 1 || decoder.stats.buffered !== 0) throw new Error("a decoder did not settle");
  return decoder;
}

function unwanted(): void {
  throw new Error("a claim was delivered as a frame");
}

function claims(prepare: () => { readonly push: (index: number) => void; readonly buffered: () => number }): ClaimRow {
  const grown: number[] = [];
  for (let round = 0; round < CLAIM_ROUNDS; round++) {
    const { push, buffered } = prepare();
    const before = held();
    for (let i = 0; i < HEADERS; i++) push(i);
    grown.push(held() - before);
    if (buffered() !== HEADERS * CLAIM.length) throw new Error("the headers were not held back");
  }
  const bytesGrown = median(grown);
  return { bytesFed: HEADERS * CLAIM.length, bytesClaimed: HEADERS * MIB, bytesGrown, bytesEach: bytesGrown / HEADERS };
}

function held(): number {
  if (globalThis.gc === undefined) throw new Error("start Node with --expose-gc: memory cannot be measured without collecting first");
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A subject whose unit is the byte. */
function subject(name: string, chunks: readonly Buffer[], run: (chunks: readonly Buffer[]) => number): Subject {
  return { name, units: bytesOf(chunks), pass: () => run(chunks) };
}

function bytesOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** Decodes and throws away; gives the number of bytes. */
function drain(chunks: readonly Buffer[], magic?: number): number {
  const decoder = new FrameDecoder({
    minVersion: 2,
    maxPayload: 8 * MIB,
    ...(magic === undefined ? {} : { magic }),
    onDiscard: () => undefined,
  });
  const ignore = () => undefined;
  for (const chunk of chunks) decoder.push(chunk, ignore);
  decoder.end(ignore);
  return decoder.stats.bytes;
}

function count(chunks: readonly Buffer[]): number {
  let frames = 0;
  const decoder = new FrameDecoder();
  const onFrame = () => frames++;
  for (const chunk of chunks) decoder.push(chunk, onFrame);
  decoder.end(onFrame);
  return frames;
}
