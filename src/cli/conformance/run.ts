/** Runs the cases against one peer, one after the other, each over links of its own. */

import { connectTcp } from "../../transport/tcp.js";
import { connectNodeWebSocket } from "../../transport/websocket-node-connect.js";
import { type Case, isFor } from "./case.js";
import { CALLS } from "./cases-calls.js";
import { FRAMING } from "./cases-framing.js";
import { LIVENESS } from "./cases-liveness.js";
import { NEGOTIATION } from "./cases-negotiation.js";
import { RESUME } from "./cases-resume.js";
import { CLIENT_RESUME } from "./cases-resume-clients.js";
import { SEQUENCES } from "./cases-sequences.js";
import { STREAMS } from "./cases-streams.js";
import { VERSION_1 } from "./cases-version1.js";
import { Kit, type LinkSource, type Profile } from "./kit.js";
import type { ConformanceListener } from "./listener.js";
import { Trace } from "./trace.js";
import { Mismatch, NotApplicable, PeerGone, Violation } from "./verdict.js";

/** Every case, by number. */
export const CASES: readonly Case[] = [
  ...FRAMING,
  ...NEGOTIATION,
  ...CALLS,
  ...STREAMS,
  ...LIVENESS,
  ...SEQUENCES,
  ...RESUME,
  ...CLIENT_RESUME,
  ...VERSION_1,
];

/** The largest message that the kit takes over WebSocket. */
export const MOST_MESSAGE = 64 * 1024 * 1024;

/** What became of a case. */
export interface Result {
  readonly number: number;
  readonly name: string;
  readonly section: string;
  readonly version: 1 | 2;
  /** `advice`: it did otherwise than the page advises. `skipped`: the case does not apply. */
  readonly outcome: "passed" | "failed" | "advice" | "skipped";
  readonly ms: number;
  /** Of `failed` and `advice`. */
  readonly expected?: string;
  readonly came?: string;
  /** The same for all cases that failed for one reason; numbers in it are `#`. */
  readonly cause?: string;
  /** Why a case was skipped. */
  readonly why?: string;
}

/** The peer, and how it is reached. */
export interface Subject extends LinkSource {
  readonly over: "tcp" | "ws";
}

/** The kit connects to a server. */
export function serverAt(url: URL, timeoutMs: number, tls?: object): Subject {
  const over = url.protocol.startsWith("ws") ? "ws" : "tcp";
  return {
    role: "client",
    over,
    open: async (version) => {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        if (over === "tcp") return await connectTcp(url, [version], tls, signal);
        return await connectNodeWebSocket(url, [version], { maxMessage: MOST_MESSAGE, tls, headers: undefined }, signal);
      } catch (error) {
        throw new PeerGone("a connection to the peer", (error as Error).message);
      }
    },
  };
}

/** The kit waits for clients. */
export function clientsAt(listener: ConformanceListener, over: "tcp" | "ws", waitMs: number): Subject {
  return {
    role: "server",
    over,
    open: async (version) => {
      const transport = await listener.next(version, waitMs);
      if (transport === "other") throw new NotApplicable(`the peer does not offer version ${version}`);
      if (transport === undefined) throw new PeerGone("a connection of the peer", `none in ${waitMs} ms`);
      return transport;
    },
  };
}

/** Runs those of `cases` that apply; `told` gets each result as it comes. */
export async function runCases(
  subject: Subject,
  cases: readonly Case[],
  timeoutMs: number,
  told: (result: Result, trace?: readonly string[]) => void | Promise<void> = () => {},
  { profile = "full", trace, json = false }: RunSettings = {},
): Promise<Result[]> {
  const results: Result[] = [];
  const connections = { missed: 0 };
  for (const each of cases) {
    const traced = each.number === trace ? new Trace(json) : undefined;
    const result = await runCase(subject, each, timeoutMs, connections, profile, traced);
    results.push(result);
    await told(result, traced?.lines);
  }
  return results;
}

/** How cases are run. */
export interface RunSettings {
  /** Default: `full`. */
  readonly profile?: Profile | undefined;
  /** The case whose frames are traced. */
  readonly trace?: number | undefined;
  /** As JSON lines. */
  readonly json?: boolean | undefined;
}

/** After so many cases without a connection, the rest are not tried. */
const MISSES = 2;

async function runCase(
  subject: Subject,
  each: Case,
  timeoutMs: number,
  connections: { missed: number },
  profile: Profile,
  trace: Trace | undefined,
): Promise<Result> {
  const { number, name, section, version = 2, advice } = each;
  const facts = { number, name, section, version };
  const elsewhere = reasonToSkip(subject, each, profile);
  if (elsewhere !== undefined) return { ...facts, outcome: "skipped", ms: 0, why: elsewhere };
  const kit = new Kit(subject, timeoutMs, profile, trace);
  const startedAt = performance.now();
  const end = (rest: Pick<Result, "outcome" | "expected" | "came" | "cause" | "why">): Result => ({
    ...facts,
    ...rest,
    ms: Math.round(performance.now() - startedAt),
  });
  try {
    if (connections.missed >= MISSES) throw new PeerGone("a connection", "none for the cases before this one");
    await each.run(kit);
    connections.missed = 0;
    const [violation] = kit.violations;
    if (violation !== undefined) throw new Violation("the rules of the page to be kept", violation);
    return end({ outcome: "passed" });
  } catch (error) {
    if (error instanceof NotApplicable) return end({ outcome: "skipped", why: error.message });
    connections.missed = error instanceof PeerGone ? connections.missed + 1 : 0;
    const mismatch = error instanceof Mismatch ? error : new Mismatch("what can be read", String(error));
    const { expected, came } = mismatch;
    return end({ outcome: advice ? "advice" : "failed", expected, came, cause: causeOf(mismatch) });
  } finally {
    await kit.close();
  }
}

/** A broken rule is the same cause in every case; so is a peer that is not there. */
function causeOf(mismatch: Mismatch): string {
  if (mismatch instanceof PeerGone) return "there was no connection to the peer";
  const text = mismatch instanceof Violation ? mismatch.came : `${mismatch.expected}: ${mismatch.came}`;
  return text.replaceAll(/\d[\d,]*/g, "#");
}

function reasonToSkip({ role, over }: Subject, each: Case, profile: Profile): string | undefined {
  const { peer, over: only } = each;
  const theirs = role === "client" ? "server" : "client";
  if (peer !== undefined && peer !== theirs) return `for ${peer}s`;
  if (!isFor(each, profile)) return "a minimal peer may leave it out";
  if (only !== undefined && only !== over) return `for ${only === "tcp" ? "TCP" : "WebSocket"}`;
  return undefined;
}
