/**
 * `npm run soak -- NAME [--runs N] [--first SEED] …`: long runs, with figures. Each exits with 1 at what must not be, and says the seed
 * that brings it back.
 */
import { parseArgs } from "node:util";
import { soakAttacks } from "./attacks/index.js";
import { soakBytes } from "./bytes.js";
import { soakFleet } from "./fleet.js";
import { soakLosses } from "./losses.js";
import { soakNamespaces } from "./namespaces.js";
import { soakNetworks } from "./networks.js";
import { soakNoise } from "./noise.js";
import { soakResume } from "./resume.js";
import { soakSessions } from "./sessions.js";
import { soakSiege } from "./siege.js";

/** Numbers from the command line, each with the default of its soak. */
export type Numbers = (name: string, fallback: number) => number;

/** Runs and prints its figures; gives what went wrong. `names`: what stands behind its own name. */
export type Soak = (number: Numbers, names: readonly string[]) => Promise<string[]>;

const SOAKS: Readonly<Record<string, { readonly run: Soak; readonly about: string }>> = {
  sessions: { run: soakSessions, about: "seeded sessions in memory, links break at random bytes (--runs 1000, --first 1)" },
  losses: {
    run: soakLosses,
    about: "the same where little is kept, or for too short, or servers forget: every loss is told (--runs 1000, --first 1)",
  },
  bytes: { run: soakBytes, about: "one session, broken, silenced and damaged at every single byte (--step 1)" },
  resume: { run: soakResume, about: "over TCP and WebSocket through a proxy that cuts (--frames 50000, --cuts 200, --first 1)" },
  noise: { run: soakNoise, about: "over TCP with one wrong byte in 10,000, and with far more (--frames 20000, --first 1)" },
  attacks: { run: soakAttacks, about: "a server under attack, and what its good clients notice; a quarter of an hour ([NAME …])" },
  siege: {
    run: soakSiege,
    about: "all attacks at once on one server with 200 good clients, a line each minute (--seconds 3600, --share 0.2, [NAME …])",
  },
  networks: { run: soakNetworks, about: "3G, Wi-Fi, tunnels and new addresses, in virtual time (--runs 10, --first 1)" },
  namespaces: { run: soakNamespaces, about: "a real network whose link goes down or whose address changes; Linux, as root" },
  fleet: { run: soakFleet, about: "clients that lose their server together (--clients 5000, --first 1)" },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string" },
    first: { type: "string" },
    frames: { type: "string" },
    cuts: { type: "string" },
    clients: { type: "string" },
    help: { type: "boolean", short: "h" },
    seconds: { type: "string" },
    share: { type: "string" },
    step: { type: "string" },
    streams: { type: "string" },
  },
});
const [name = "", ...names] = positionals;
const soak = values.help !== true && Object.hasOwn(SOAKS, name) ? SOAKS[name] : undefined;
if (name === "decoder" && values.help !== true) {
  await import("../fuzz/soak.js");
} else if (soak === undefined) {
  console.log("npm run soak -- NAME, where NAME is one of");
  console.log("  decoder     damaged streams and wild ones (--streams 3000, --first 1)");
  for (const [each, { about }] of Object.entries(SOAKS)) console.log(`  ${each.padEnd(12)}${about}`);
  process.exitCode = name === "" || values.help === true ? 0 : 2;
} else {
  const wrong = await soak.run((option, fallback) => Number(values[option as keyof typeof values] ?? fallback), names);
  for (const each of wrong) console.error(each);
  console.log(wrong.length === 0 ? `${name}: all holds` : `${name}: ${wrong.length} things are wrong`);
  process.exit(wrong.length === 0 ? 0 : 1);
}
