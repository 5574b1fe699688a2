/**
 * Attacks a server that has its default limits, each attack from many sockets of another process, while good clients call it all the
 * time. Every attacker must be thrown out by the limit meant for it, no good client may lose its connection or wait, and memory must come back.
 *
 * What is measured is what the server does to its good clients, not what attackers do to the machine that all of them share: see
 * `processes.ts`. Each attack is made twice, first on a decoy: what good clients notice of that one is the machine's doing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { pins } from "../../../bench/processes.js";
import type { LimitCode } from "../../../src/server/index.js";
import { ATTACKS, wrongEnds } from "../../helpers/attacks.js";
import type { Soak } from "../index.js";
import { LEAST_MS, type PeerFigures, type ServerFigures } from "./figures.js";
import { GOOD_CLIENTS, GoodClients, type Latencies } from "./good-clients.js";
import { Attack, placeThis, raiseThis, ServerProcess, WHERE } from "./processes.js";

const CALM_MS = 4000;
/** The server's own goodbyes are over by then: its `closeTimeoutMs`, and a little. */
const SETTLE_MS = 3500;
const MIB = 1024 * 1024;
/** What an attack may take at its worst, and what may be kept of it: by the allocators, and in sessions that might be resumed, at most 10,000. */
const MOST = 128 * MIB;
const KEPT = 128 * MIB;
/** Fewer calls would say nothing of one in a hundred. */
const LEAST_CALLS = 2000;

/**
 * What the calls of good clients may take during an attack, where they took so long during one on the decoy, in milliseconds: twice as long, as
 * two measurements of the same may differ by that here, and a turn of a heavy sender; for the slow ones a collection of garbage too.
 */
const MEDIAN = (control: number) => 2 * control + 1;
const P99 = (control: number) => 2 * control + 5;
/** Of crowds so much more: the objects of thousands of new sockets are what the garbage collector then moves. docs/decisions/crowds.md */
const CROWD = 8;

/** What was to be seen while an attack went on. */
interface Observation {
  readonly before: Latencies;
  readonly control: Latencies;
  readonly during: Latencies;
  readonly peers: PeerFigures;
  readonly decoyed: PeerFigures;
  readonly calm: ServerFigures;
  readonly start: ServerFigures;
  readonly end: ServerFigures;
  readonly settled: ServerFigures;
}

async function observe(name: string, target: ServerProcess, decoy: ServerProcess, good: GoodClients): Promise<Observation> {
  await target.ask("collect");
  const onDecoy = new Attack(name, decoy.addresses);
  const onTarget = new Attack(name, target.addresses);
  await sleep(1000);
  good.taken();
  await sleep(CALM_MS);
  const before = good.taken();
  await target.ask("start");
  const [decoyed] = await Promise.all([onDecoy.run(), sleep(LEAST_MS)]);
  const control = good.taken();
  const calm = await target.ask("look");
  await sleep(SETTLE_MS);
  good.taken();
  const start = await target.ask("start");
  const [peers] = await Promise.all([onTarget.run(), sleep(LEAST_MS)]);
  const during = good.taken();
  const end = await target.ask("look");
  await sleep(SETTLE_MS);
  await target.ask("collect");
  await sleep(500);
  return { before, control, during, peers, decoyed, calm, start, end, settled: await target.ask("collect") };
}

/** How often each limit was counted meanwhile. */
function limitsOf({ start, settled }: Observation): Partial<Record<LimitCode, number>> {
  const counted = Object.entries(settled.stats.limits).map(
    ([code, count]) => [code, count - start.stats.limits[code as LimitCode]] as const,
  );
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

/** What an attack must not do to the server and its good clients. */
function damageOf({ crowd }: Pick<(typeof ATTACKS)[number], "crowd">, { before, control, during, start, settled }: Observation): string[] {
  const wrong: string[] = [];
  const { stats, rss, peak } = settled;
  if (stats.sockets !== GOOD_CLIENTS || stats.handshakes !== 0)
    wrong.push(`${stats.sockets} sockets and ${stats.handshakes} handshakes are left`);
  if (peak - start.rss > MOST) wrong.push(`took ${mib(peak - start.rss)} MiB`);
  if (rss - start.rss > KEPT) wrong.push(`${mib(rss - start.rss)} MiB are kept`);
  const calls = Math.min(before.calls, control.calls, during.calls);
  if (calls < LEAST_CALLS) wrong.push(`only ${calls} good calls were made`);
  if (!pins) return wrong;
  if (during.p50 > MEDIAN(control.p50)) wrong.push(`half of the good calls took more than ${MEDIAN(control.p50).toFixed(2)} ms`);
  const p99 = P99(control.p99) + (crowd ? CROWD : 0);
  if (during.p99 > p99) wrong.push(`one in 100 good calls took more than ${p99.toFixed(1)} ms`);
  return wrong;
}

function show(name: string, observation: Observation, frameBytes: number | undefined): void {
  const { before, control, during, peers, decoyed, calm, start, end, settled } = observation;
  const seconds = (end.at - start.at) / 1000;
  const bytes = end.bytesRead - start.bytesRead;
  const taken = [`${Math.round((end.accepted - start.accepted) / seconds)} sockets`, `${(bytes / MIB / seconds).toFixed(1)} MiB`];
  if (frameBytes !== undefined) taken.push(`${Math.round(bytes / frameBytes / seconds / 1000)}k frames`);
  const three = (value: (latencies: Latencies) => string) => [before, control, during].map(value).join(" / ");
  const row = {
    attack: name,
    sockets: peers.opened,
    "taken a second": taken.join(", "),
    seconds: seconds.toFixed(1),
    limits: list(limitsOf(observation)),
    "close codes": list(peers.codes),
    "open s": `${(peers.median / 1000).toFixed(2)} / ${(peers.longest / 1000).toFixed(1)}`,
    "good calls": three(({ calls }) => String(calls)),
    "p50 ms": three(({ p50 }) => p50.toFixed(2)),
    "p99 ms": three(({ p99 }) => p99.toFixed(2)),
    "worst ms": three(({ most }) => most.toFixed(1)),
    "server's loop late ms (99 of 100, most)": `${calm.late.toFixed(1)}, ${calm.latest.toFixed(1)} / ${end.late.toFixed(1)}, ${end.latest.toFixed(1)}`,
    "cpu s (server, attackers; on decoy)": `${((end.cpu - start.cpu) / 1000).toFixed(1)}, ${(peers.cpu / 1000).toFixed(1)}; ${(decoyed.cpu / 1000).toFixed(1)}`,
    "server MiB": `${mib(start.rss)} → ${mib(settled.peak)} → ${mib(settled.rss)}`,
    "sessions kept": settled.stats.sessions - GOOD_CLIENTS,
  };
  const cells = Object.entries(row).map(([key, value]) => `${key}: ${value}`);
  console.log(cells.join(" | "));
}

export const soakAttacks: Soak = async (_number, names) => {
  placeThis();
  console.log(WHERE);
  const target = await ServerProcess.start("target");
  const decoy = await ServerProcess.start("decoy");
  raiseThis("good clients");
  const good = new GoodClients(target.addresses);
  await good.start();
  await sleep(1000);
  const wrong: string[] = [];
  for (const attack of ATTACKS) {
    if (names.length > 0 && !names.includes(attack.name)) continue;
    const observation = await observe(attack.name, target, decoy, good);
    show(attack.name, observation, attack.frameBytes);
    const ends = wrongEnds(attack, { ...observation.peers, limits: limitsOf(observation) });
    wrong.push(...[...ends, ...damageOf(attack, observation)].map((line) => `${attack.name}: ${line}`));
  }
  await good.stop();
  target.stop();
  decoy.stop();
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
