/** A client in a network namespace of its own, whose link is really taken down, or gets another address. Linux, as root. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createServer } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import type { Soak } from "./index.js";

const NAMESPACE = `fw${process.pid}`;
const [OURS, THEIRS] = [`fwh${process.pid}`.slice(0, 15), `fwc${process.pid}`.slice(0, 15)];
const HOST = "10.213.7.1";
const HEARTBEAT = { heartbeatIntervalMs: 1000, heartbeatTimeoutMs: 1000 };

const ip = (...args: string[]) => execFileSync("ip", args, { stdio: "pipe" });
const inside = (...args: string[]) => ip("-n", NAMESPACE, ...args);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Event {
  readonly at: number;
  readonly state?: string;
  readonly resumed?: boolean;
  readonly sent?: number;
  readonly failed?: string;
}

/** What happens to the network; gives the time from which the client could be heard again. */
interface Mishap {
  readonly name: string;
  readonly happen: () => Promise<number>;
  /** It is over before anybody notices. */
  readonly unnoticed?: true;
}

async function down(ms: number): Promise<number> {
  ip("link", "set", OURS, "down");
  await wait(ms);
  ip("link", "set", OURS, "up");
  return Date.now();
}

const MISHAPS: readonly Mishap[] = [
  { name: "link down for 0.5 s", happen: () => down(500), unnoticed: true },
  { name: "link down for 8 s", happen: () => down(8000) },
  {
    name: "another address at once",
    happen: async () => {
      inside("addr", "del", `10.213.7.2/24`, "dev", THEIRS);
      inside("addr", "add", `10.213.7.3/24`, "dev", THEIRS);
      return Date.now();
    },
  },
];

function setUp(): void {
  ip("netns", "add", NAMESPACE);
  ip("link", "add", OURS, "type", "veth", "peer", "name", THEIRS, "netns", NAMESPACE);
  ip("addr", "add", `${HOST}/24`, "dev", OURS);
  ip("link", "set", OURS, "up");
  inside("link", "set", "lo", "up");
  inside("addr", "add", "10.213.7.2/24", "dev", THEIRS);
  inside("link", "set", THEIRS, "up");
}

function tearDown(): void {
  for (const args of [
    ["link", "del", OURS],
    ["netns", "del", NAMESPACE],
  ]) {
    try {
      ip(...args);
    } catch {
      // It was not there.
    }
  }
}

async function run(kind: "tcp" | "ws", { name, happen, unnoticed }: Mishap): Promise<string[]> {
  setUp();
  const notes: string[] = [];
  const server = createServer(HEARTBEAT);
  server.implement(TestServiceDefinition, testService(notes));
  let client: ChildProcess | undefined;
  try {
    const { url } = (await server.listen({ [kind]: { host: HOST } }))[kind]!;
    const program = fileURLToPath(new URL("namespace-client.js", import.meta.url));
    client = spawn("ip", ["netns", "exec", NAMESPACE, process.execPath, program, url], { stdio: ["pipe", "pipe", "inherit"] });
    const events: Event[] = [];
    let text = "";
    client.stdout?.on("data", (data) => {
      text += String(data);
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      events.push(...lines.map((line) => JSON.parse(line) as Event));
    });
    while (notes.length < 20) await wait(20);
    const brokenAt = Date.now();
    const backAt = await happen();
    await wait(7000);
    const ended = once(client, "close");
    client.stdin?.end();
    await ended;
    const { sent = 0 } = events.find((event) => event.sent !== undefined) ?? {};
    const behind = events.filter(({ at, state }) => at >= brokenAt && state !== undefined);
    const detected = behind.find(({ state }) => state === "retry-pending");
    const again = behind.find(({ state }) => state === "connected");
    const lost = sent - new Set(notes).size;
    const doubled = notes.length - new Set(notes).size;
    const ms = (at: number | undefined, from: number) => (at === undefined ? "–" : `${((at - from) / 1000).toFixed(1)} s`);
    console.log(
      `| ${[name, kind, ms(detected?.at, brokenAt), ms(again?.at, backAt), again?.resumed === true ? "yes" : "–", sent, lost, doubled].join(" | ")} |`,
    );
    const wrong = [
      ...(sent < 100 || lost !== 0 || doubled !== 0 ? [`${lost} lost and ${doubled} doubled of ${sent}`] : []),
      ...(unnoticed !== true && again?.resumed !== true ? ["the session was not resumed"] : []),
      ...events.flatMap(({ failed }) => failed ?? []),
    ];
    return wrong.map((each) => `${name}, ${kind}: ${each}`);
  } finally {
    client?.kill("SIGKILL");
    await server.close();
    tearDown();
  }
}

export const soakNamespaces: Soak = async () => {
  try {
    setUp();
  } catch (error) {
    return [`this machine allows no network namespaces: ${(error as Error).message}`];
  } finally {
    tearDown();
  }
  const wrong: string[] = [];
  for (const mishap of MISHAPS) for (const kind of ["tcp", "ws"] as const) wrong.push(...(await run(kind, mishap)));
  return wrong;
};
