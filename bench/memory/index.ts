/** `npm run bench -- memory`: what a connection costs that does nothing. */
import { type EchoSubject, subjectNamed } from "../echo/subjects.js";
import { median } from "../harness.js";
import { Worker } from "../processes.js";
import type { Benchmark, Section, Settings } from "../report.js";
import { short, times } from "../report.js";
import type { Sides } from "./client-process.js";
import type { Memory } from "./settled.js";

const COUNTS: readonly number[] = [1000, 5000];

/** The contestant that all ratios refer to. */
const BASE = "ws, bufferutil";

const SUBJECTS = [BASE, "net", "socket.io", "grpc-js bidi", "framewire ws", "framewire tcp"].map(subjectNamed);

/** Asked of framewire: at most this multiple of the resident bytes of raw ws. */
const LIMIT = 1.4;

/** The benchmark of idle connections. */
export const memoryBenchmark: Benchmark = {
  name: "memory",
  summary: "resident and heap bytes of an idle connection, on the server and on the client",
  packages: [...new Set(["ws", ...SUBJECTS.flatMap((subject) => subject.from)])],
  run,
};

/** Bytes for one connection. */
interface Cost {
  readonly fresh: Sides;
  readonly used: Sides;
}

async function run(settings: Settings): Promise<Section[]> {
  const { quick, progress } = settings;
  const rounds = settings.rounds ?? (quick ? 1 : 3);
  const counts = quick ? COUNTS.slice(0, 1) : COUNTS;
  const chosen = SUBJECTS.filter(({ name }) => name === BASE || settings.only === undefined || name.includes(settings.only));
  const costs = new Map<string, Cost[]>();
  for (let round = 0; round < rounds; round++) {
    for (const subject of chosen) {
      for (const count of counts) {
        progress(`memory: ${count} connections, round ${round + 1} of ${rounds}, ${subject.name}`);
        const key = `${count} ${subject.name}`;
        costs.set(key, [...(costs.get(key) ?? []), await costOf(subject, count)]);
      }
    }
  }
  return counts.map((count) => sectionOf(count, chosen, costs));
}

/** Fresh processes for each measurement: memory that was once taken is seldom given back. */
async function costOf({ name, env }: EchoSubject, count: number): Promise<Cost> {
  const module = new URL("./client-process.js", import.meta.url);
  const worker = await Worker.start(`${name}, clients`, module, [name], { ...(env && { env }), execArgv: ["--expose-gc"] });
  try {
    // What the first connections cost once and for all, code above all, does not belong to any of them.
    await worker.ask("open", 50, 60_000);
    await worker.ask("useAll", undefined, 60_000);
    const before = await worker.ask<Sides>("memory");
    await worker.ask("open", 50 + count, 120_000);
    const fresh = await worker.ask<Sides>("memory");
    await worker.ask("useAll", undefined, 60_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const used = await worker.ask<Sides>("memory");
    return { fresh: eachOf(fresh, before, count), used: eachOf(used, before, count) };
  } finally {
    await worker.stop();
  }
}

function eachOf(after: Sides, before: Sides, count: number): Sides {
  const each = (now: Memory, then: Memory): Memory => ({
    resident: (now.resident - then.resident) / count,
    heap: (now.heap - then.heap) / count,
    external: (now.external - then.external) / count,
  });
  return { server: each(after.server, before.server), client: each(after.client, before.client) };
}

function sectionOf(count: number, chosen: readonly EchoSubject[], costs: ReadonlyMap<string, readonly Cost[]>): Section {
  const rows = chosen.map(({ name }) => {
    const taken = costs.get(`${count} ${name}`)!;
    const of = (pick: (cost: Cost) => number) => Math.round(median(taken.map(pick)));
    return {
      subject: name,
      serverResident: of((cost) => cost.used.server.resident),
      serverHeap: of((cost) => cost.used.server.heap),
      serverExternal: of((cost) => cost.used.server.external),
      serverFreshResident: of((cost) => cost.fresh.server.resident),
      clientResident: of((cost) => cost.used.client.resident),
      clientHeap: of((cost) => cost.used.client.heap),
      clientExternal: of((cost) => cost.used.client.external),
    };
  });
  const base = rows.find(({ subject }) => subject === BASE)!;
  return {
    title: `Memory: bytes for each of ${count.toLocaleString("en")} idle connections, after one message of 64 B there and back`,
    note: `The kernel's socket buffers are not in it. Asked of framewire: at most ${LIMIT} times the server's resident bytes of ws.`,
    columns: [
      { key: "subject", title: "contestant" },
      { key: "serverResident", title: "server, resident" },
      { key: "ratio", title: "to ws", format: times },
      { key: "serverFreshResident", title: "before any message" },
      { key: "serverHeap", title: "server, heap" },
      { key: "serverExternal", title: "buffers" },
      { key: "clientResident", title: "client, resident" },
      { key: "clientHeap", title: "client, heap" },
    ],
    rows: rows.map((row) => ({ ...row, ratio: row.serverResident / base.serverResident })),
    plots: [
      {
        title: `Resident bytes of the server for each of ${count.toLocaleString("en")} idle connections (less is better)`,
        bars: rows.map(({ subject, serverResident }) => ({
          label: subject,
          value: serverResident,
          text: `${short(serverResident)}B, ${times(serverResident / base.serverResident)}`,
        })),
      },
    ],
  };
}
