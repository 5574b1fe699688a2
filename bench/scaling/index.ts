/** `npm run bench -- scaling`: what connections, calls and broadcasts cost a framewire server, as their number and size grow. */
import { median } from "../harness.js";
import { Worker } from "../processes.js";
import type { Benchmark, Cell, Section, Settings } from "../report.js";
import { short } from "../report.js";
import type { Done, Sides } from "./client-process.js";

const TRANSPORTS = ["ws", "tcp"] as const;

/** Files that the two processes need beside their connections. */
const OTHER_FILES = 200;

/** Messages on their way at any time, over all connections. */
const IN_FLIGHT = 400;

/** Longer than a heartbeat's interval, so that each connection has had its ping. */
const IDLE_MS = 32_000;

const PAYLOADS: readonly number[] = [64, 1024, 16384, 262144];

/** The benchmark behind docs/scaling.md. */
export const scalingBenchmark: Benchmark = {
  name: "scaling",
  summary: "processor time and memory of a framewire server for each connection, call and broadcast receiver, at 100 to 20,000 connections",
  packages: ["ws", "bufferutil"],
  run,
};

async function run(settings: Settings): Promise<Section[]> {
  const connections: Record<string, Cell>[] = [];
  const payloads: Record<string, Cell>[] = [];
  const chosen = TRANSPORTS.filter((name) => settings.only === undefined || settings.only === name);
  for (const over of chosen) {
    for (const count of counts(settings.quick)) connections.push(await atCount(over, count, settings));
    payloads.push(...(await byPayload(over, settings)));
  }
  return [connectionSection(connections), payloadSection(payloads)];
}

/** As many as the limit of open files allows in one process, at most 20,000. */
function counts(quick: boolean): number[] {
  const most = Math.floor((openFiles() - OTHER_FILES) / 100) * 100;
  return (quick ? [100, 1000] : [100, 1000, 5000, 20000]).map((count) => Math.min(count, most));
}

function openFiles(): number {
  const { userLimits } = process.report!.getReport() as unknown as { userLimits: { open_files: { hard: number | "unlimited" } } };
  const { hard } = userLimits.open_files;
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : hard;
}

/** Every figure comes from the same processes, one after the other: connections first, then nothing, calls, broadcasts. */
async function atCount(over: string, count: number, { quick, progress, rounds = quick ? 1 : 3 }: Settings): Promise<Record<string, Cell>> {
  const ms = quick ? 500 : 2000;
  return withClients(over, async (ask) => {
    progress(`scaling: ${over}, ${count} connections`);
    // Code is compiled and the first memory taken before anything is measured.
    await ask("open", 50);
    for (const kind of ["flash", "news"]) await ask("broadcast", { ms: 300, kind });
    await ask("calls", { ms: 1500, bytes: 64, inFlight: IN_FLIGHT });
    const before = await ask<Sides>("memory");
    const opened = await ask<Done>("open", 50 + count);
    const after = await ask<Sides>("memory");
    progress(`scaling: ${over}, ${count} connections, idle`);
    const idle = await ask<Done>("idle", quick ? 3000 : IDLE_MS);
    const repeated = async (name: string, question: object) => {
      const taken: Done[] = [];
      for (let round = 0; round < rounds; round++) {
        progress(`scaling: ${over}, ${count} connections, ${name}, round ${round + 1} of ${rounds}`);
        taken.push(await ask<Done>(name, question));
      }
      return {
        micros: median(taken.map(({ serverCpuMicros, count: done }) => serverCpuMicros / done)),
        perSecond: median(taken.map(({ elapsedMs, count: done }) => (done * 1000) / elapsedMs)),
      };
    };
    const calls = await repeated("calls", { ms, bytes: 64, inFlight: IN_FLIGHT });
    const flash = await repeated("broadcast", { ms, kind: "flash" });
    const news = await repeated("broadcast", { ms, kind: "news" });
    // What a few connections add to a process is less than what it takes and gives back anyway.
    const each = (side: "server" | "client", what: "resident" | "heap") =>
      count < 1000 ? null : Math.round((after[side][what] - before[side][what]) / count);
    return {
      over,
      count,
      openMicros: opened.serverCpuMicros / opened.count,
      openPerSecond: (opened.count * 1000) / opened.elapsedMs,
      resident: each("server", "resident"),
      heap: each("server", "heap"),
      clientResident: each("client", "resident"),
      idleMicrosPerSecond: (idle.serverCpuMicros * 1000) / idle.elapsedMs / idle.count,
      callMicros: calls.micros,
      callsPerSecond: calls.perSecond,
      flashMicros: flash.micros,
      flashesPerSecond: flash.perSecond,
      newsMicros: news.micros,
      newsPerSecond: news.perSecond,
    };
  });
}

async function byPayload(over: string, { quick, progress, rounds = quick ? 1 : 3 }: Settings): Promise<Record<string, Cell>[]> {
  const ms = quick ? 500 : 2000;
  return withClients(over, async (ask) => {
    await ask("open", 100);
    const rows: Record<string, Cell>[] = [];
    for (const bytes of PAYLOADS) {
      // So many that the server always has work, so few that they do not wait in queues.
      const inFlight = bytes > 100_000 ? 20 : IN_FLIGHT;
      await ask("calls", { ms: 1500, bytes, inFlight });
      const taken: Done[] = [];
      for (let round = 0; round < rounds; round++) {
        progress(`scaling: ${over}, ${bytes} B, round ${round + 1} of ${rounds}`);
        taken.push(await ask<Done>("calls", { ms, bytes, inFlight }));
      }
      const perSecond = median(taken.map(({ elapsedMs, count }) => (count * 1000) / elapsedMs));
      const micros = median(taken.map(({ serverCpuMicros, count }) => serverCpuMicros / count));
      rows.push({ over, bytes, perSecond, megabytes: (perSecond * bytes) / 1e6, micros });
    }
    return rows;
  });
}

type Ask = <T>(name: string, question?: unknown) => Promise<T>;

async function withClients<T>(over: string, use: (ask: Ask) => Promise<T>): Promise<T> {
  const module = new URL("./client-process.js", import.meta.url);
  const worker = await Worker.start(`framewire ${over}, clients`, module, [over], { execArgv: ["--expose-gc"] });
  try {
    return await use((name, question) => worker.ask(name, question, 300_000));
  } finally {
    await worker.stop();
  }
}

const micros = (value: Cell) => (typeof value === "number" ? value.toFixed(2) : "-");

function connectionSection(rows: readonly Record<string, Cell>[]): Section {
  return {
    title: "Scaling: what one server process spends, by the number of connections",
    note: `CPU in microseconds of the server; calls of 64 B with ${IN_FLIGHT} in flight over all connections, broadcasts of 64 B one in a turn. Idle is measured over ${IDLE_MS / 1000} s, pings included.`,
    columns: [
      { key: "over", title: "over" },
      { key: "count", title: "connections" },
      { key: "openMicros", title: "connect, µs", format: micros },
      { key: "openPerSecond", title: "connects/s", format: short },
      { key: "resident", title: "resident B" },
      { key: "heap", title: "heap B" },
      { key: "clientResident", title: "client resident B" },
      { key: "idleMicrosPerSecond", title: "idle, µs/s", format: micros },
      { key: "callMicros", title: "call, µs", format: micros },
      { key: "callsPerSecond", title: "calls/s", format: short },
      { key: "flashMicros", title: "receiver, at most once, µs", format: micros },
      { key: "flashesPerSecond", title: "deliveries/s", format: short },
      { key: "newsMicros", title: "reliable, µs", format: micros },
      { key: "newsPerSecond", title: "deliveries/s", format: short },
    ],
    rows,
  };
}

function payloadSection(rows: readonly Record<string, Cell>[]): Section {
  return {
    title: "Scaling: what a call costs the server, by its size, on 100 connections",
    note: "The same bytes go there and back; the server decodes and encodes them.",
    columns: [
      { key: "over", title: "over" },
      { key: "bytes", title: "bytes" },
      { key: "perSecond", title: "calls/s", format: short },
      { key: "megabytes", title: "MB/s each way", format: short },
      { key: "micros", title: "server CPU, µs", format: micros },
    ],
    rows,
  };
}
