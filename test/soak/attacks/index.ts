/**
 * Attacks a server that has its default limits and a small heap, each attack from many sockets of another process, while good clients call
 * it all the time. Every attacker must be thrown out by the limit meant for it, no good client may lose its connection or wait, what the
 * server holds must be on its account, and memory must come back.
 *
 * What is measured is what the server does to its good clients, not what attackers do to the machine that all of them share: see
 * `processes.ts`. Each attack is made twice, first on a decoy: what good clients notice of that one is the machine's doing. The decoy is
 * where garbage is collected meanwhile, to see what of its memory is in use.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { pins } from "../../../bench/processes.js";
import type { LimitCode } from "../../../src/server/index.js";
import { type Attack, type DisconnectCode, wrongEnds } from "../../helpers/attacks/attack.js";
import { Attackers, FULL_PACES } from "../../helpers/attacks/attackers.js";
import { ATTACKS } from "../../helpers/attacks/index.js";
import type { Soak } from "../index.js";
import { LEAST_MS, type PeerFigures, type ServerFigures } from "./figures.js";
import { GOOD_CLIENTS, GoodClients, type Latencies } from "./good-clients.js";
import { AttackProcess, endProcesses, HEAP_MIB, placeThis, raiseThis, ServerProcess, WHERE } from "./processes.js";

const CALM_MS = 4000;
/** The server's own goodbyes are over by then: its `closeTimeoutMs`, and a little. */
const SETTLE_MS = 3500;
const MIB = 1024 * 1024;
/** What an attack may take at its worst beside what is on the account, and what may be kept of it: by the allocators, and in sessions that might be resumed, at most 10,000. */
const MOST = 128 * MIB;
const KEPT = 128 * MIB;
/** Memory in use may be so much more than the account says, and this beside it. */
const IN_USE = 1.5;
const IN_USE_BESIDE = 32 * MIB;
/** How often that is looked at on the decoy, in milliseconds. */
const COLLECT_MS = 700;
/** Sockets whose memory is measured while they are idle. */
const IDLE_SOCKETS = 1000;
/** Sessions of attackers are kept so long, and an attack must be done by then; the next one begins when there are none left. */
const RESUME_MS = 20_000;
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

/** What was in use on the decoy when most was in use that is not on its account. */
interface InUse {
  /** After a collection, less what was in use before and what idle sockets take. */
  readonly bytes: number;
  readonly heldBytes: number;
}

/** What was to be seen while an attack went on. */
interface Observation {
  readonly before: Latencies;
  readonly control: Latencies;
  readonly during: Latencies;
  readonly peers: PeerFigures;
  readonly decoyed: PeerFigures;
  readonly inUse: InUse;
  readonly calm: ServerFigures;
  readonly start: ServerFigures;
  readonly end: ServerFigures;
  readonly settled: ServerFigures;
}

const inUse = ({ memory }: ServerFigures) => memory.heapUsed + memory.external;

/** What an idle socket takes of a server's memory, half of them WebSockets, in bytes. */
async function idleSocketBytes(server: ServerProcess): Promise<number> {
  const before = await server.ask("collect");
  const idle = new Attackers(server.addresses, FULL_PACES);
  for (let i = 0; i < IDLE_SOCKETS; i++) {
    if (i % 2 === 0) idle.member(i);
    else await idle.upgraded(i);
  }
  await sleep(1000);
  await server.ask("collect");
  const after = await server.ask("collect");
  idle.leave();
  await sleep(1000);
  return Math.max(0, (inUse(after) - inUse(before)) / IDLE_SOCKETS);
}

/** Collects garbage on `server` until `over`, and notes the worst relation of what is in use to the account. */
async function watchMemory(server: ServerProcess, idleBytes: number, over: () => boolean): Promise<InUse> {
  const base = await server.ask("collect");
  let worst: InUse = { bytes: 0, heldBytes: 0 };
  const excess = ({ bytes, heldBytes }: InUse) => bytes - IN_USE * heldBytes;
  while (!over()) {
    await sleep(COLLECT_MS);
    const now = await server.ask("collect");
    const bytes = inUse(now) - inUse(base) - idleBytes * (now.stats.sockets - base.stats.sockets);
    const seen = { bytes, heldBytes: now.stats.heldBytes };
    if (excess(seen) > excess(worst)) worst = seen;
  }
  return worst;
}

async function observe(
  name: string,
  target: ServerProcess,
  decoy: ServerProcess,
  idleBytes: number,
  good: GoodClients,
): Promise<Observation> {
  await target.ask("collect");
  const order = { names: [name], lastingMs: LEAST_MS, share: 1, repeat: false };
  const onDecoy = new AttackProcess(decoy.addresses, order);
  const onTarget = new AttackProcess(target.addresses, order);
  await sleep(1000);
  good.taken();
  await sleep(CALM_MS);
  const before = good.taken();
  await target.ask("start");
  let decoyOver = false;
  const watching = watchMemory(decoy, idleBytes, () => decoyOver);
  const [decoyed] = await Promise.all([onDecoy.run(), sleep(LEAST_MS)]);
  decoyOver = true;
  const control = good.taken();
  const calm = await target.ask("look");
  const inUse = await watching;
  await sleep(SETTLE_MS);
  good.taken();
  const start = await target.ask("start");
  const [peers] = await Promise.all([onTarget.run(), sleep(LEAST_MS)]);
  const during = good.taken();
  const end = await target.ask("look");
  await sleep(SETTLE_MS);
  await target.ask("collect");
  await sleep(500);
  const settled = await target.ask("collect");
  return { before, control, during, peers: peers[name]!, decoyed: decoyed[name]!, inUse, calm, start, end, settled };
}

/** How often each limit and refusal was counted meanwhile. */
function countsOf({ start, settled }: Observation): {
  limits: Partial<Record<LimitCode, number>>;
  disconnects: Partial<Record<DisconnectCode, number>>;
} {
  const since = <C extends string>(before: Readonly<Record<C, number>>, now: Readonly<Record<C, number>>) =>
    Object.fromEntries(
      Object.entries<number>(now)
        .map(([code, count]) => [code, count - before[code as C]] as const)
        .filter(([, count]) => count > 0),
    ) as Partial<Record<C, number>>;
  return {
    limits: since(start.stats.limits, settled.stats.limits),
    disconnects: since(start.stats.disconnects, settled.stats.disconnects),
  };
}

/** What an attack must not do to the server and its good clients. */
function damageOf({ crowd }: Attack, { before, control, during, inUse, start, settled }: Observation): string[] {
  const wrong: string[] = [];
  const { stats, memory, peak } = settled;
  if (stats.sockets !== GOOD_CLIENTS || stats.handshakes !== 0)
    wrong.push(`${stats.sockets} sockets and ${stats.handshakes} handshakes are left`);
  const taken = peak.rss - start.memory.rss;
  if (taken > MOST + IN_USE * peak.heldBytes) wrong.push(`took ${mib(taken)} MiB, with ${mib(peak.heldBytes)} on the account`);
  if (memory.rss - start.memory.rss > KEPT) wrong.push(`${mib(memory.rss - start.memory.rss)} MiB are kept`);
  if (inUse.bytes > IN_USE * inUse.heldBytes + IN_USE_BESIDE)
    wrong.push(`${mib(inUse.bytes)} MiB were in use, and ${mib(inUse.heldBytes)} on the account`);
  const calls = Math.min(before.calls, control.calls, during.calls);
  if (calls < LEAST_CALLS) wrong.push(`only ${calls} good calls were made`);
  if (!pins) return wrong;
  if (during.p50 > MEDIAN(control.p50)) wrong.push(`half of the good calls took more than ${MEDIAN(control.p50).toFixed(2)} ms`);
  const p99 = P99(control.p99) + (crowd ? CROWD : 0);
  if (during.p99 > p99) wrong.push(`one in 100 good calls took more than ${p99.toFixed(1)} ms`);
  return wrong;
}

function show({ name, frameBytes }: Attack, observation: Observation): void {
  const { before, control, during, peers, decoyed, inUse, calm, start, end, settled } = observation;
  const seconds = (end.at - start.at) / 1000;
  const bytes = end.bytesRead - start.bytesRead;
  const taken = [`${Math.round((end.accepted - start.accepted) / seconds)} sockets`, `${(bytes / MIB / seconds).toFixed(1)} MiB`];
  if (frameBytes !== undefined) taken.push(`${Math.round(bytes / frameBytes / seconds / 1000)}k frames`);
  const three = (value: (latencies: Latencies) => string) => [before, control, during].map(value).join(" / ");
  const { limits, disconnects } = countsOf(observation);
  const { peak, memory, stats } = settled;
  const row = {
    attack: name,
    sockets: peers.opened,
    "taken a second": taken.join(", "),
    seconds: seconds.toFixed(1),
    limits: list({ ...limits, ...disconnects }),
    "close codes": list({ ...peers.codes, ...(peers.left > 0 ? { left: peers.left } : {}) }),
    "open s": `${(peers.median / 1000).toFixed(2)} / ${(peers.longest / 1000).toFixed(1)}`,
    "good calls": three(({ calls }) => String(calls)),
    "p50 ms": three(({ p50 }) => p50.toFixed(2)),
    "p99 ms": three(({ p99 }) => p99.toFixed(2)),
    "worst ms": three(({ most }) => most.toFixed(1)),
    "server's loop late ms (99 of 100, most)": `${calm.late.toFixed(1)}, ${calm.latest.toFixed(1)} / ${end.late.toFixed(1)}, ${end.latest.toFixed(1)}`,
    "cpu s (server, attackers; on decoy)": `${((end.cpu - start.cpu) / 1000).toFixed(1)}, ${(peers.cpu / 1000).toFixed(1)}; ${(decoyed.cpu / 1000).toFixed(1)}`,
    "rss MiB": `${mib(start.memory.rss)} → ${mib(peak.rss)} → ${mib(memory.rss)}`,
    "heap MiB": `${mib(start.memory.heapUsed)} → ${mib(peak.heapUsed)} → ${mib(memory.heapUsed)}`,
    "external MiB": `${mib(start.memory.external)} → ${mib(peak.external)} → ${mib(memory.external)}`,
    "account MiB": `${mib(peak.heldBytes)} → ${mib(stats.heldBytes)}`,
    "in use after a collection, account MiB (decoy)": `${mib(inUse.bytes)}, ${mib(inUse.heldBytes)}`,
    "slow handlers at once": settled.handlers,
    "sessions kept": stats.sessions - GOOD_CLIENTS,
  };
  const cells = Object.entries(row).map(([key, value]) => `${key}: ${value}`);
  console.log(cells.join(" | "));
}

export const soakAttacks: Soak = async (_number, names) => {
  const unknown = names.filter((name) => !ATTACKS.some((attack) => attack.name === name));
  if (unknown.length > 0) return [`there is no attack ${unknown.join(", ")}; there are ${ATTACKS.map(({ name }) => name).join(", ")}`];
  placeThis();
  console.log(WHERE);
  const target = await ServerProcess.start("target", { resumeWindowMs: RESUME_MS });
  const decoy = await ServerProcess.start("decoy", { resumeWindowMs: RESUME_MS });
  raiseThis("good clients");
  const idleBytes = await idleSocketBytes(decoy);
  console.log(`Each server has a heap of ${HEAP_MIB} MiB. An idle socket takes ${(idleBytes / 1024).toFixed(1)} KiB.`);
  const good = new GoodClients(target.addresses);
  await good.start();
  await sleep(1000);
  const wrong: string[] = [];
  try {
    for (const attack of ATTACKS) {
      if (names.length > 0 && !names.includes(attack.name)) continue;
      const observation = await Promise.race([observe(attack.name, target, decoy, idleBytes, good), target.died, decoy.died]);
      show(attack, observation);
      const ends = wrongEnds(attack, { ...observation.peers, ...countsOf(observation) });
      wrong.push(...[...ends, ...damageOf(attack, observation)].map((line) => `${attack.name}: ${line}`));
      await withoutSessions(target, decoy);
    }
    await good.stop();
  } catch (error) {
    wrong.push((error as Error).message);
  }
  target.stop();
  decoy.stop();
  endProcesses();
  return [...wrong, ...good.wrong];
};

/** Waits until the sessions of the attackers are over: what they still get, such as messages to a room, belongs to no other attack. */
async function withoutSessions(target: ServerProcess, decoy: ServerProcess): Promise<void> {
  for (let waited = 0; waited < 2 * RESUME_MS; waited += 1000) {
    const [{ stats: onTarget }, { stats: onDecoy }] = await Promise.all([target.ask("look"), decoy.ask("look")]);
    if (onTarget.sessions === GOOD_CLIENTS && onDecoy.sessions === 0) return;
    await sleep(1000);
  }
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([key, count]) => `${key === "0" ? "none" : key} ${count}`)
    .join(", ");
}
