/**
 * All attacks at once on one server with a small heap, over and over, while 200 good clients call it. Passes if no good client was closed
 * or refused, every call was answered, the server is alive, and its account is back to what it was before within a minute of the last attack.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ATTACKS } from "../helpers/attacks/index.js";
import { LEAST_MS, type PeerFigures, type ServerFigures } from "./attacks/figures.js";
import { GoodClients } from "./attacks/good-clients.js";
import { AttackProcess, endProcesses, HEAP_MIB, ServerProcess } from "./attacks/processes.js";
import type { Soak } from "./index.js";

const GOOD_CLIENTS = 200;
/** Between the calls of each of them, in milliseconds. */
const PAUSE_MS = 250;
/** The attacks are spread over so many processes. */
const PROCESSES = 4;
const LINE_MS = 60_000;
/** The account must be back to idle by then, and may be off by this much: good clients call all the time. */
const IDLE_MS = 60_000;
const IDLE_BYTES = 1024 * 1024;
/** Sessions of clients that are away are kept so long: less than `IDLE_MS`, so that none of them is left by then. */
const RESUME_MS = 30_000;

export const soakSiege: Soak = async (number, names) => {
  const seconds = number("seconds");
  const share = number("share");
  const chosen = ATTACKS.filter(({ name }) => names.length === 0 || names.includes(name));
  const server = await ServerProcess.start("besieged", { resumeWindowMs: RESUME_MS });
  const good = new GoodClients(server.addresses, GOOD_CLIENTS, PAUSE_MS);
  await good.start();
  await sleep(2000);
  const idle = await server.ask("collect");
  console.log(
    `${chosen.length} attacks at once for ${seconds} s, each with ${share} of its sockets; heap ${HEAP_MIB} MiB, ${GOOD_CLIENTS} good clients`,
  );
  console.log(line(0, idle, idle, good));
  const processes = Array.from({ length: PROCESSES }, (_, i) => chosen.filter((_attack, k) => k % PROCESSES === i))
    .filter((group) => group.length > 0)
    .map(
      (group) => new AttackProcess(server.addresses, { names: group.map(({ name }) => name), lastingMs: LEAST_MS, share, repeat: true }),
    );
  await sleep(1000);
  const wrong: string[] = [];
  let figures: Readonly<Record<string, PeerFigures>> = {};
  try {
    for (const each of processes) each.begin();
    let last = await server.ask("start");
    const started = performance.now();
    const end = started + seconds * 1000;
    while (performance.now() < end && good.wrong.size === 0) {
      await sleep(Math.max(0, Math.min(LINE_MS, end - performance.now())));
      const now = await server.ask("look");
      console.log(line((performance.now() - started) / 1000, now, last, good));
      last = await server.ask("start");
    }
    figures = Object.assign({}, ...(await Promise.all(processes.map((each) => each.stop()))));
    console.log("attacks are over");
    const over = performance.now();
    let now = await server.ask("look");
    while (!isIdle(now, idle) && performance.now() - over < IDLE_MS) {
      await sleep(1000);
      now = await server.ask("look");
    }
    const settled = await server.ask("collect");
    console.log(line((performance.now() - started) / 1000, settled, last, good));
    if (isIdle(now, idle)) console.log(`the account is back to idle after ${Math.round((performance.now() - over) / 1000)} s`);
    else wrong.push(`${mib(now.stats.heldBytes)} MiB are on the account after a minute, ${mib(idle.stats.heldBytes)} before the attacks`);
    if (settled.stats.sockets !== GOOD_CLIENTS) wrong.push(`${settled.stats.sockets} sockets are left`);
  } catch (error) {
    wrong.push((error as Error).message);
  }
  table(figures);
  await good.stop();
  server.stop();
  endProcesses();
  console.log(`${good.answered} good calls were answered`);
  return [...wrong, ...good.wrong];
};

function isIdle({ stats }: ServerFigures, idle: ServerFigures): boolean {
  return stats.heldBytes <= idle.stats.heldBytes + IDLE_BYTES;
}

/** What happened since the last line. */
function line(seconds: number, now: ServerFigures, last: ServerFigures, good: GoodClients): string {
  const { memory, peak, stats } = now;
  const { calls, p50, p99, most } = good.taken();
  const limits = Object.entries(stats.limits).map(
    ([code, count]) => [code, count - last.stats.limits[code as keyof typeof stats.limits]] as const,
  );
  const counted = limits.filter(([, count]) => count > 0).map(([code, count]) => `${code} ${count}`);
  return [
    `${String(Math.round(seconds)).padStart(5)} s`,
    `account ${mib(stats.heldBytes)} (most ${mib(peak.heldBytes)}) MiB`,
    `rss ${mib(memory.rss)} (${mib(peak.rss)})`,
    `heap ${mib(memory.heapUsed)} (${mib(peak.heapUsed)})`,
    `external ${mib(memory.external)} (${mib(peak.external)})`,
    `sockets ${stats.sockets}, sessions ${stats.sessions}, accepted ${now.accepted - last.accepted}`,
    `good calls ${calls}, p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, most ${most.toFixed(0)} ms`,
    counted.join(", ") || "no limits",
  ].join(" | ");
}

function table(figures: Readonly<Record<string, PeerFigures>>): void {
  for (const [name, { runs, opened, closed, left, codes, wrong }] of Object.entries(figures)) {
    const ends = Object.entries(codes).map(([code, count]) => `${code === "0" ? "none" : code} ${count}`);
    const noted = wrong.length > 0 ? ` | noted: ${wrong.join(", ")}` : "";
    console.log(
      `${name}: ${runs} runs, ${opened} sockets, ${opened - closed} not closed, ${left} left by themselves; ${ends.join(", ")}${noted}`,
    );
  }
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
