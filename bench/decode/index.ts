/** `npm run bench -- decode`: the decoder beside its peers, on good streams and on hostile ones. */
import { measureOptions } from "../harness.js";
import type { Benchmark, Section, Settings } from "../report.js";
import { megabytes, times } from "../report.js";
import { byteByByte, claimedLengths, claimedLengthsApart, type HostileRow, hostileStreams, type ScanRow, scanning } from "./hostile.js";
import { PEERS } from "./peers/all.js";
import { targetSection } from "./targets.js";
import { throughput, throughputSections } from "./throughput.js";

/** The benchmark of the frame decoder. */
export const decodeBenchmark: Benchmark = {
  name: "decode",
  summary: "frame decoding: frames per second beside other libraries' decoders, hostile streams, scanning, memory",
  packages: PEERS.map((peer) => peer.from),
  run,
};

async function run(settings: Settings): Promise<Section[]> {
  const { quick, progress } = settings;
  const options = measureOptions(quick, settings.rounds);
  // Memory first: later benchmarks leave garbage and optimised code behind.
  progress("decode: memory");
  const claimed = claimedLengths();
  const apart = claimedLengthsApart();
  const hostile = await hostileStreams(options, progress);
  const scanned = await scanning(options, progress);
  progress("decode: byte by byte");
  const byteByByteMs = await byteByByte(options.rounds);
  const rows = await throughput(options, quick, progress);
  return [
    ...throughputSections(rows),
    hostileSection(hostile),
    scanSection(scanned),
    {
      title: "Memory for claimed lengths",
      note: "10,000 headers, each claiming 1 MiB of payload, 20 bytes of each arrived. The decoders were there before; median of five rounds.",
      columns: [
        { key: "held", title: "held by" },
        { key: "bytesFed", title: "bytes fed" },
        { key: "bytesGrown", title: "heap and buffers grown by" },
        { key: "bytesEach", title: "for each header", format: (bytes) => (bytes as number).toFixed(0) },
      ],
      rows: [
        { held: "one decoder", ...claimed },
        { held: "10,000 decoders", ...apart },
      ],
    },
    targetSection({ throughput: rows, hostile, scanning: scanned, byteByByteMs, claimed, apart }),
    { title: "Samples", columns: [], rows: rows.map((row) => ({ ...row })) },
  ];
}

function hostileSection(rows: readonly HostileRow[]): Section {
  const ms = (value: unknown) => (value as number).toFixed(1);
  return {
    title: "Hostile streams, in chunks of 64 KiB",
    columns: [
      { key: "name", title: "stream" },
      { key: "oneMibMs", title: "1 MiB, ms", format: ms },
      { key: "fourMibMs", title: "4 MiB, ms", format: ms },
      { key: "growth", title: "time per byte, 4 MiB / 1 MiB", format: times },
      { key: "note", title: "what it is" },
    ],
    rows: rows.map((row) => ({ ...row })),
  };
}

function scanSection(rows: readonly ScanRow[]): Section {
  return {
    title: "Scanning for the next frame, in chunks of 64 KiB",
    columns: [
      { key: "name", title: "filler" },
      { key: "megabytesPerSecond", title: "framewire", format: megabytes },
      { key: "indexOfMegabytesPerSecond", title: "Buffer.indexOf(prefix)", format: megabytes },
    ],
    rows: rows.map((row) => ({ ...row })),
  };
}
