/**
 * Attacks a server that has its default limits, each attack from many sockets of another process, while good clients call it all the
 * time. Every attacker must be thrown out by the limit meant for it, no good client may lose its connection or wait, and memory must come back.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "../../../src/client/index.js";
import type { LimitCode } from "../../../src/server/index.js";
import { ATTACKS, BYTES, ECHO, wrongEnds } from "../../helpers/attacks.js";
import type { Soak } from "../index.js";
import { type Addresses, BUSY, type PeerFigures, type Question, type ServerFigures } from "./figures.js";

const GOOD_CLIENTS = 10;
const CALM_MS = 3000;
/** A shorter attack is looked at for this long from its beginning. */
const LEAST_MS = 3000;
/** The server's own goodbyes are over by then: its `closeTimeoutMs`, and a little. */
const SETTLE_MS = 3500;
const MIB = 1024 * 1024;
/** What an attack may take at its worst, and what the allocators may keep of it. */
const MOST = 128 * MIB;
const KEPT = 64 * MIB;

/** What the calls of good clients may take during an attack, where they took so long before. Milliseconds. */
const MEDIAN = (before: number) => 2 * before + 1;
const P99 = (before: number) => 3 * before + 25;

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

/** Clients that call all the time, and note how long each call takes. */
class GoodClients {
  readonly wrong = new Set<string>();
  readonly #clients;
  #calling: Promise<void>[] = [];
  #latencies: number[] = [];
  #stop = false;

  constructor({ ws, tcp }: Addresses) {
    this.#clients = Array.from({ length: GOOD_CLIENTS }, (_, i) => createClient(i % 2 === 0 ? ws : tcp));
  }

  async start(): Promise<void> {
    for (const client of this.#clients) {
      await client.connect();
      client.on("state", (state) => !this.#stop && this.wrong.add(`a good client is ${state}`));
    }
    const message = new Uint8Array(64);
    this.#calling = this.#clients.map(async (client) => {
      while (!this.#stop) {
        const started = performance.now();
        await client.request(ECHO, BYTES, message).catch(({ code }) => this.wrong.add(`a good client's call failed: ${code}`));
        this.#latencies.push(performance.now() - started);
        await sleep(10);
      }
    });
  }

  /** Of the calls since the last time. */
  taken(): Latencies {
    const sorted = this.#latencies.sort((a, b) => a - b);
    this.#latencies = [];
    return { p50: sorted[sorted.length >> 1] ?? 0, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, most: sorted.at(-1) ?? 0 };
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#calling);
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

async function ask(server: ChildProcess, question: Question): Promise<ServerFigures> {
  server.send(question);
  const [figures] = await once(server, "message");
  return figures;
}

/** What was to be seen while an attack went on. */
interface Observation {
  readonly ended: PeerFigures;
  readonly before: Latencies;
  readonly during: Latencies;
  readonly start: ServerFigures;
  readonly end: ServerFigures;
}

async function observe(name: string, server: ChildProcess, { ws, tcp }: Addresses, good: GoodClients): Promise<Observation> {
  await ask(server, "collect");
  const peers = fork(here("peers-process.js"), [name, ws, tcp]);
  await sleep(1000);
  good.taken();
  await sleep(CALM_MS);
  const before = good.taken();
  const start = await ask(server, "start");
  peers.send("begin");
  const least = sleep(LEAST_MS);
  const [ended] = (await once(peers, "message")) as [PeerFigures];
  await least;
  const during = good.taken();
  await sleep(SETTLE_MS);
  await ask(server, "collect");
  await sleep(500);
  return { ended, before, during, start, end: await ask(server, "collect") };
}

/** How often each limit was counted meanwhile. */
function limitsOf({ start, end }: Observation): Partial<Record<LimitCode, number>> {
  const counted = Object.entries(end.stats.limits).map(([code, count]) => [code, count - start.stats.limits[code as LimitCode]] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

/** What an attack must not do to the server and its good clients. `busy`: what a busy machine alone does to these. */
function damageOf({ before, during, start, end }: Observation, busy: Latencies): string[] {
  const wrong: string[] = [];
  const { stats, rss, peak } = end;
  if (stats.sockets !== GOOD_CLIENTS || stats.handshakes !== 0)
    wrong.push(`${stats.sockets} sockets and ${stats.handshakes} handshakes are left`);
  if (peak - start.rss > MOST) wrong.push(`took ${mib(peak - start.rss)} MiB`);
  if (rss - start.rss > KEPT) wrong.push(`${mib(rss - start.rss)} MiB are kept`);
  const median = MEDIAN(Math.max(before.p50, busy.p50));
  const p99 = P99(Math.max(before.p99, busy.p99));
  if (during.p50 > median) wrong.push(`half of the good calls took more than ${median.toFixed(2)} ms`);
  if (during.p99 > p99) wrong.push(`one in 100 good calls took more than ${p99.toFixed(1)} ms`);
  return wrong;
}

function show(name: string, observation: Observation): void {
  const { ended, before, during, start, end } = observation;
  const row = {
    attack: name,
    sockets: ended.opened,
    limits: list(limitsOf(observation)),
    "close codes": list(ended.codes),
    "open s": `${(ended.median / 1000).toFixed(2)} / ${(ended.longest / 1000).toFixed(1)}`,
    "MiB sent": mib(ended.bytes),
    "good p50 ms": `${before.p50.toFixed(2)} → ${during.p50.toFixed(2)}`,
    "good p99 ms": `${before.p99.toFixed(1)} → ${during.p99.toFixed(1)}`,
    "worst ms": `${before.most.toFixed(0)} → ${during.most.toFixed(0)}`,
    "server MiB": `${mib(start.rss)} → ${mib(end.peak)} → ${mib(end.rss)}`,
  };
  const cells = Object.entries(row).map(([key, value]) => `${key}: ${value}`);
  console.log(cells.join(" | "));
}

export const soakAttacks: Soak = async () => {
  const server = fork(here("server-process.js"), { execArgv: ["--expose-gc"] });
  const [addresses] = (await once(server, "message")) as [Addresses];
  const good = new GoodClients(addresses);
  await good.start();
  await sleep(1000);
  const wrong: string[] = [];
  const busy = await observe(BUSY, server, addresses, good);
  show(BUSY, busy);
  for (const attack of ATTACKS) {
    const observation = await observe(attack.name, server, addresses, good);
    show(attack.name, observation);
    const ends = wrongEnds(attack, { ...observation.ended, limits: limitsOf(observation) });
    wrong.push(...[...ends, ...damageOf(observation, busy.during)].map((line) => `${attack.name}: ${line}`));
  }
  await good.stop();
  server.disconnect();
  return [...wrong, ...good.wrong];
};

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([key, count]) => `${key === "0" ? "none" : key} ${count}`)
    .join(", ");
}
