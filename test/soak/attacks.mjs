/**
 * `node test/soak/attacks.mjs [NAME…]`, after `npm run build`: attacks a server that has its default limits, each attack from many sockets of
 * another process, while good clients call it all the time. Every attacker must be thrown out by the limit meant for it,
 * no good client may lose its connection, and memory must come back. Prints a table; exits 1 if one of these does not hold.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "framewire/client";
import { BYTES, ECHO } from "./attack-wire.mjs";

/** The limits that an attack may end with. */
const LIMITS = {
  slowloris: ["handshake-timeout", "frame-timeout"],
  "half-done handshakes": ["handshake-timeout", "too-many-connections"],
  "1 GiB claimed": ["frame-too-large"],
  "readers that never read": ["slow-consumer", "heartbeat-timeout", "write-timeout"],
  "endless tiny frames": ["rate-exceeded"],
  "unknown commands": ["rate-exceeded"],
  "unknown calls": ["rate-exceeded"],
  pings: ["rate-exceeded"],
  noise: ["resync-budget"],
};
const GOOD_CLIENTS = 10;
const CALM_MS = 5000;
/** A shorter attack is looked at for this long from its beginning. */
const LEAST_MS = 5000;
/** Memory that the allocators may keep after an attack, above what there was before. */
const KEPT = 96 * 1024 * 1024;
const MIB = 1024 * 1024;

const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const server = fork(here("attack-server.mjs"), { execArgv: ["--expose-gc"] });
const [{ ws, tcp }] = await once(server, "message");

/** @param {"start" | "figures" | "collect"} what */
async function ask(what) {
  server.send(what);
  const [figures] = await once(server, "message");
  return figures;
}

const wrong = [];
/** @type {number[]} */
let latencies = [];
let stop = false;
const clients = Array.from({ length: GOOD_CLIENTS }, (_, i) => createClient(i % 2 === 0 ? ws : tcp));
for (const client of clients) {
  await client.connect();
  client.on("state", (state) => !stop && wrong.push(`a good client is ${state}`));
}
const calling = clients.map(async (client) => {
  const message = new Uint8Array(64);
  while (!stop) {
    const started = performance.now();
    await client.request(ECHO, BYTES, message).catch((error) => wrong.push(`a good client's call failed: ${error.code}`));
    latencies.push(performance.now() - started);
    await sleep(10);
  }
});

/** Median and 99th percentile of the calls since the last time. */
function taken() {
  const sorted = latencies.sort((a, b) => a - b);
  latencies = [];
  return { p50: sorted[sorted.length >> 1] ?? 0, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, most: sorted.at(-1) ?? 0 };
}

const rows = [];
const chosen = process.argv.slice(2);
await sleep(2000);
for (const [name, limits] of Object.entries(LIMITS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  await ask("collect");
  const attack = fork(here("attack-peers.mjs"), [name, ws, tcp]);
  await sleep(1000);
  taken();
  await sleep(CALM_MS);
  const before = taken();
  const { stats: counted, rss } = await ask("start");
  attack.send("begin");
  const least = sleep(LEAST_MS);
  const [{ opened, closed, bytes, median, longest }] = await once(attack, "message");
  await least;
  const during = taken();
  await sleep(4000);
  await ask("collect");
  await sleep(500);
  const { stats, rss: after, peak } = await ask("collect");
  const by = Object.entries(stats.limits).flatMap(([code, count]) =>
    count > counted.limits[code] ? [`${code} ${count - counted.limits[code]}`] : [],
  );
  const met = by.map((text) => text.split(" ")[0] ?? "");
  if (closed < opened) wrong.push(`${name}: ${opened - closed} of ${opened} attackers are still connected`);
  if (met.length === 0 || met.some((code) => !limits.includes(code))) wrong.push(`${name}: ended by ${by.join(", ") || "no limit"}`);
  if (stats.sockets !== GOOD_CLIENTS || stats.handshakes !== 0)
    wrong.push(`${name}: ${stats.sockets} sockets and ${stats.handshakes} handshakes are left`);
  if (after - rss > KEPT) wrong.push(`${name}: ${Math.round((after - rss) / MIB)} MiB are kept`);
  rows.push({
    attack: name,
    sockets: opened,
    "ended by": by.join(", "),
    "open s": `${(median / 1000).toFixed(2)} / ${(longest / 1000).toFixed(1)}`,
    "MiB sent": Math.round(bytes / MIB),
    "good p50 ms": `${before.p50.toFixed(2)} → ${during.p50.toFixed(2)}`,
    "good p99 ms": `${before.p99.toFixed(1)} → ${during.p99.toFixed(1)}`,
    "worst ms": `${before.most.toFixed(0)} → ${during.most.toFixed(0)}`,
    "MiB before/peak/after": `${Math.round(rss / MIB)} / ${Math.round(peak / MIB)} / ${Math.round(after / MIB)}`,
  });
  console.log(
    Object.entries(rows.at(-1) ?? {})
      .map(([key, value]) => `${key}: ${value}`)
      .join(" | "),
  );
}
stop = true;
await Promise.all(calling);
await Promise.all(clients.map((client) => client.close()));
server.kill();
console.table(rows);
for (const line of new Set(wrong)) console.log(`WRONG ${line}`);
process.exit(wrong.length > 0 ? 1 : 0);
