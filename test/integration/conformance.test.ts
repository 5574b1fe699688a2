import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/cli/conformance/kit.js";
import { ConformanceListener } from "../../src/cli/conformance/listener.js";
import { CASES, clientsAt, type Result, runCases, serverAt } from "../../src/cli/conformance/run.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { startClient, startServer } from "../helpers/conformance-peers.js";
import { MUTANTS } from "./conformance-mutants.js";
import { type Mutation, plain, startRig } from "./conformance-rig.js";

const DATA_LOSS = 15;
const TIMEOUT_MS = 3000;
/** Mutants wait for what never comes. */
const MUTANT_TIMEOUT_MS = 1000;

/** Ends what a test has started, the last first. Tests run beside each other: each has its own. */
type Ends = (end: () => Promise<void>) => void;
const endsOf =
  ({ onTestFinished }: { onTestFinished: (end: () => Promise<void>) => void }): Ends =>
  (end) =>
    onTestFinished(end);

const lines = (results: readonly Result[], ...outcomes: Result["outcome"][]) =>
  results
    .filter(({ outcome }) => outcomes.includes(outcome))
    .map(({ number, name, expected, came, why }) => `${number} ${name}: ${why ?? `expected ${expected}; came ${came}`}`);

const skipped = (results: readonly Result[]) => results.filter(({ outcome }) => outcome === "skipped").map(({ why }) => why);

/** The kit listens, and `join` makes the client come; over TCP one version at a time. */
async function withClient(
  ends: Ends,
  over: "tcp" | "ws",
  cases: typeof CASES,
  timeoutMs: number,
  join: (url: string) => Promise<{ close(): Promise<void> }>,
): Promise<Result[]> {
  const listener = new ConformanceListener(over, 64 * 1024 * 1024);
  const { port } = await listener.listen("127.0.0.1", 0);
  ends(() => listener.close());
  const client = await join(`${over}://127.0.0.1:${port}`);
  ends(() => client.close());
  return runCases(clientsAt(listener, over, timeoutMs), cases, timeoutMs);
}

describe.concurrent.each(["tcp", "ws"] as const)("over %s", (over) => {
  test("our server passes whole", async (context) => {
    const ends = endsOf(context);
    const { url, close } = await startServer(over);
    ends(close);
    const results = await runCases(serverAt(new URL(url), TIMEOUT_MS), CASES, TIMEOUT_MS);
    expect(lines(results, "failed", "advice")).toEqual([]);
    expect([...new Set(skipped(results))].sort()).toEqual(over === "tcp" ? ["for WebSocket", "for clients"] : ["for TCP", "for clients"]);
  });

  test("our client passes whole", async (context) => {
    const ends = endsOf(context);
    const cases = CASES.filter(({ version = 2 }) => over === "ws" || version === 2);
    const results = await withClient(ends, over, cases, TIMEOUT_MS, async (url) => startClient(url));
    expect(lines(results, "failed", "advice")).toEqual([]);
    expect([...new Set(skipped(results))].sort()).toEqual(over === "tcp" ? ["for servers"] : ["for TCP", "for servers"]);
  });

  test("our client of version 1 passes whole", async (context) => {
    const ends = endsOf(context);
    const cases = CASES.filter(({ version }) => version === 1);
    const results = await withClient(ends, over, cases, TIMEOUT_MS, async (url) => startClient(url, { version: 1 }));
    expect(lines(results, "failed", "advice")).toEqual([]);
  });
});

/** Their bytes end within a frame: the line waits for the rest before it passes anything on. */
const HELD_BACK = { tcp: [101, 132, 208, 220, 615, 616], ws: [] as number[] };

describe.concurrent("a line that changes nothing", () => {
  test.for(["tcp", "ws"] as const)("lets our server pass over %s", async (over, context) => {
    const ends = endsOf(context);
    const server = await startServer(over);
    const rig = await startRig({ over, target: server.url, kitConnects: true, mutation: {} });
    ends(server.close);
    ends(rig.close);
    const cases = CASES.filter(({ version = 2, number }) => version === 2 && !HELD_BACK[over].includes(number));
    const results = await runCases(serverAt(new URL(rig.url), TIMEOUT_MS), cases, TIMEOUT_MS);
    expect(lines(results, "failed", "advice")).toEqual([]);
  });

  test.for(["tcp", "ws"] as const)("lets our client pass over %s", async (over, context) => {
    const ends = endsOf(context);
    const cases = CASES.filter(({ version = 2, number }) => version === 2 && !HELD_BACK[over].includes(number));
    const results = await withClient(ends, over, cases, TIMEOUT_MS, async (url) => {
      const rig = await startRig({ over, target: url, kitConnects: false, mutation: {} });
      const client = startClient(rig.url);
      ends(rig.close);
      return client;
    });
    expect(lines(results, "failed", "advice")).toEqual([]);
  });
});

/** A server that leaves out what section 8.2 allows: it sends no sequences and asks for nothing again. It acknowledges what it gets. */
function minimal(): Mutation {
  let highest = 0n;
  return {
    fromPeer: (frame, line) => {
      const { sequence = 0n, kind = 0, status } = frame;
      if (kind === FrameKind.FRAME_KIND_ACK && status === DATA_LOSS) return [];
      if (sequence === 0n) return undefined;
      const again = sequence <= highest;
      if (!again) highest = sequence;
      // The kit cannot acknowledge what has no sequence.
      line.toPeer.write({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: highest });
      return again ? [] : [{ ...plain(frame), sequence: undefined }];
    },
    welcome: (welcome) => ({ ...welcome, token: new Uint8Array(0), resumeWindowMs: 0 }),
  };
}

describe.concurrent("a minimal server", () => {
  const run = async (context: { onTestFinished: (end: () => Promise<void>) => void }, profile: Profile) => {
    const ends = endsOf(context);
    const results: Result[] = [];
    // A server for each case: its line knows one session.
    for (const each of CASES.filter(({ version = 2, number }) => version === 2 && !HELD_BACK.tcp.includes(number))) {
      const server = await startServer("tcp");
      const rig = await startRig({ over: "tcp", target: server.url, kitConnects: true, mutation: minimal() });
      results.push(...(await runCases(serverAt(new URL(rig.url), TIMEOUT_MS), [each], TIMEOUT_MS, () => {}, { profile })));
      await rig.close();
      await server.close();
    }
    ends(async () => {});
    return results;
  };

  test("passes with the profile minimal", async (context) => {
    const results = await run(context, "minimal");
    expect(lines(results, "failed", "advice")).toEqual([]);
    expect(results.filter(({ outcome }) => outcome === "passed").length).toBeGreaterThan(60);
  });
});

test("the page tells how many mutants there are", () => {
  const page = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8");
  expect(/(\d+) of them, such as/.exec(page)?.[1]).toBe(String(MUTANTS.length));
});

describe.concurrent("mutants", () => {
  test.for(MUTANTS.map((mutant) => ({ name: `a ${mutant.peer} that ${mutant.does}`, mutant })))("$name", async ({ mutant }, context) => {
    const ends = endsOf(context);
    const { peer, over = "tcp", version = 2, options = {}, caughtBy } = mutant;
    const cases = CASES.filter(({ number }) => caughtBy.includes(number));
    const mutation = mutant.make();
    let results: Result[];
    if (peer === "server") {
      const server = await startServer(over, options);
      const rig = await startRig({ over, version, target: server.url, kitConnects: true, mutation });
      ends(server.close);
      ends(rig.close);
      results = await runCases(serverAt(new URL(rig.url), MUTANT_TIMEOUT_MS), cases, MUTANT_TIMEOUT_MS);
    } else {
      results = await withClient(ends, over, cases, MUTANT_TIMEOUT_MS, async (url) => {
        const rig = await startRig({ over, version, target: url, kitConnects: false, mutation });
        const client = startClient(rig.url, options);
        ends(rig.close);
        return client;
      });
    }
    // Each of the cases that are named, and for what they are about.
    expect(results.filter(({ outcome }) => outcome === "failed" || outcome === "advice").map(({ number }) => number)).toEqual([
      ...caughtBy,
    ]);
  });
});
