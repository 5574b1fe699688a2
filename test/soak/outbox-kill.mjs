/**
 * `node test/soak/outbox-kill.mjs [--kills 100]`, after `npm run build`: kills a client with SIGKILL again and again while sends
 * and calls are between accepted and answered; each next process goes on with the same outbox, over TCP and
 * WebSocket in turn. At the end everything accepted must have been handled, and nothing twice.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createServer } from "framewire/server";
import { CALL, NOTE, TEXT } from "./outbox-client.mjs";

const { kills: given } = new Command("npm run soak:outbox --")
  .description("Kills a client with SIGKILL again and again; nothing that it had accepted may be lost or handled twice.")
  .allowExcessArguments(false)
  .showHelpAfterError()
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .option("--kills <n>", "how often", "100")
  .parse()
  .opts();
const kills = Number(given);
if (!Number.isInteger(kills) || kills < 1) {
  console.error(`--kills is ${given}; it must be a whole number from 1`);
  process.exit(2);
}
const CLIENT = fileURLToPath(new URL("outbox-client.mjs", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "framewire-kill-"));
const path = join(directory, "outbox");

/** How often each was handled. */
const handled = new Map();
/** @param {string} id */
const handle = (id) => void handled.set(id, (handled.get(id) ?? 0) + 1);
let unanswered = 0;

const server = createServer();
server.handle(NOTE, TEXT, handle);
server.handle(CALL, TEXT, async (id) => {
  handle(id);
  unanswered++;
  await sleep(30);
  unanswered--;
  return id;
});
const { tcp, ws } = await server.listen({ tcp: {}, ws: {} });

const accepted = new Set();
/** Lines that should not be there. */
const wrong = [];
const figures = { resumed: 0, fresh: 0, left: 0, inFlight: 0 };

/** @param {number} life @param {string[]} mode */
function start(life, ...mode) {
  const url = (life % 2 === 0 ? tcp : ws)?.url ?? "";
  const child = spawn(process.execPath, [CLIENT, url, path, String(life), ...mode], { stdio: ["ignore", "pipe", "inherit"] });
  const first = new Promise((resolve) => {
    createInterface(child.stdout).on("line", (line) => {
      const [word, ...rest] = line.split(" ");
      if (word === "accepted") accepted.add(rest[0]);
      else if (word === "opened") figures.left += Number(rest[1]);
      else if (word === "connected") rest[0] === "resumed" ? figures.resumed++ : figures.fresh++;
      else wrong.push(line);
      if (word === "accepted") resolve(undefined);
    });
  });
  // `close` comes after the last line was read.
  return { child, first, closed: once(child, "close") };
}

for (let life = 0; life < kills; life++) {
  const { child, first, closed } = start(life);
  await first;
  await sleep(Math.random() * 250);
  child.kill("SIGKILL");
  figures.inFlight += unanswered;
  const [, signal] = await closed;
  if (signal !== "SIGKILL") wrong.push(`client ${life} ended by itself`);
}
const [code] = await start(kills, "drain").closed;
if (code !== 0) wrong.push(`the last client ended with ${code}`);
const { sessions } = server.sessions;
await server.close();
rmSync(directory, { recursive: true });

const lost = [...accepted].filter((id) => !handled.has(id));
const twice = [...handled].filter(([, times]) => times > 1).map(([id]) => id);
console.log(`${figures.resumed} times the session went on, ${figures.fresh} times it was new; ${sessions} sessions at the end`);
console.log(
  `${figures.left} sends were left in the outbox by the client before, ${figures.inFlight} calls were being handled at the kills`,
);
for (const line of wrong.slice(0, 20)) console.log(`wrong: ${line}`);
console.log(`${kills} kills: ${accepted.size} accepted, ${handled.size} handled, ${lost.length} lost, ${twice.length} handled twice`);
process.exit(lost.length === 0 && twice.length === 0 && wrong.length === 0 ? 0 : 1);
