import { readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { ConformanceListener } from "../../src/cli/conformance/listener.js";
import { CASES, clientsAt, type Result, runCases, serverAt } from "../../src/cli/conformance/run.js";
import { buildPeer, GO, type Language, PYTHON } from "./peers.js";

const TIMEOUT_MS = 3000;

const lines = (results: readonly Result[], ...outcomes: Result["outcome"][]) =>
  results
    .filter(({ outcome }) => outcomes.includes(outcome))
    .map(({ number, name, expected, came, why }) => `${number} ${name}: ${why ?? `expected ${expected}; came ${came}`}`);

/** Runs the kit against a language's server. */
async function testServer(language: Language, over: "tcp" | "ws"): Promise<Result[]> {
  const serving = (await buildPeer(language)).start("server", over);
  onTestFinished(async () => void (await serving.end()));
  const port = Number((await serving.printed(/^listening (\d+)$/))[1]);
  return runCases(serverAt(new URL(`${over}://127.0.0.1:${port}`), TIMEOUT_MS), CASES, TIMEOUT_MS);
}

async function testClient(language: Language, over: "tcp" | "ws"): Promise<Result[]> {
  const peer = await buildPeer(language);
  const listener = new ConformanceListener(over, 64 * 1024 * 1024);
  const { port } = await listener.listen("127.0.0.1", 0);
  onTestFinished(() => listener.close());
  const results: Result[] = [];
  for (const version of [2, 1] as const) {
    const client = peer.start("conform", `${over}://127.0.0.1:${port}`, String(version));
    const cases = CASES.filter((each) => (each.version ?? 2) === version);
    results.push(...(await runCases(clientsAt(listener, over, TIMEOUT_MS), cases, TIMEOUT_MS)));
    await client.end();
  }
  return results;
}

/** How a row of the table in docs/conformance.md reads. */
function row(language: string, end: string, over: string, results: readonly Result[]): string {
  const numbers = (outcome: Result["outcome"]) => results.filter((each) => each.outcome === outcome).map(({ number }) => number);
  const [failed, advice] = [numbers("failed"), numbers("advice")].map((each) => (each.length === 0 ? "none" : each.join(", ")));
  return `| ${language} | ${end} | ${over} | ${numbers("passed").length} | ${failed} | ${advice} | ${numbers("skipped").length} |`;
}

describe.each([PYTHON, GO])("the kit against $name", (language) => {
  const page = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8");

  test.each(["tcp", "ws"] as const)("as a server over %s: the page tells the result", async (over) => {
    const results = await testServer(language, over);
    expect(page, lines(results, "failed", "advice").join("\n")).toContain(row(language.name, "server", over, results));
  });

  test.each(["tcp", "ws"] as const)("as a client over %s: the page tells the result", async (over) => {
    const results = await testClient(language, over);
    expect(page, lines(results, "failed", "advice").join("\n")).toContain(row(language.name, "client", over, results));
  });
});
