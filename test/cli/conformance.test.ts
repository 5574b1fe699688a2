import { afterEach, describe, expect, it } from "vitest";
import { causesOf } from "../../src/cli/conformance/report.js";
import { CASES } from "../../src/cli/conformance/run.js";
import { startClient, startServer } from "../helpers/conformance-peers.js";
import { shell } from "./shell.js";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function server(over: "tcp" | "ws" = "tcp"): Promise<string> {
  const { url, close } = await startServer(over);
  ends.push(close);
  return url;
}

describe("framewire conformance", () => {
  it("prints a table, and exits with 0 when all that applies passes", async () => {
    const { exitCode, stdout } = await shell(["conformance", "--connect", await server(), "--only", "301-303,202,8xx"]);
    expect(
      stdout
        .replaceAll(/\d+ ms/g, "N ms")
        .split("\n")
        .slice(0, 10),
    ).toEqual([
      "negotiation",
      "  202  -       5.2  the hello comes first, without a seed, and its range of versions holds 2: for clients",
      "",
      "calls",
      "  301  ok      5.4  a request is answered with one response, of its call and command  N ms",
      "  302  ok      5.4  calls in flight at the same time get their own replies  N ms",
      "  303  ok      5.4  a request with an unknown command is answered with unimplemented  N ms",
      "",
      "version 1",
      "  801  ok      6    the reply is a frame of version 1 with the command of its request  N ms",
    ]);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("14 passed, 0 failed, 2 do not apply");
    expect(exitCode).toBe(0);
  });

  it("prints JSON lines, and exits with 1 when a case fails", async () => {
    // This server has no such service.
    const { createServer } = await import("../../src/server/index.js");
    const other = createServer({ maxCalls: 1 });
    ends.push(() => other.close());
    const { url } = (await other.listen({ tcp: {} })).tcp!;
    const { exitCode, stdout } = await shell(["conformance", "--connect", url, "--only", "301,304", "--json"]);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      expect.objectContaining({ type: "case", number: 301, outcome: "skipped", why: "the peer does not serve Echo" }),
      expect.objectContaining({ type: "case", number: 304, outcome: "failed", expected: "the status to be 3", came: "12" }),
      { type: "summary", passed: 0, failed: 1, advice: 0, skipped: 1 },
    ]);
    expect(exitCode).toBe(1);
  });

  it("waits for a client", async () => {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const running = shell(["conformance", "--listen", String(port), "--over", "ws", "--only", "202,301,801"]);
    const client = startClient(`ws://127.0.0.1:${port}`);
    ends.push(client.close);
    const { exitCode, stdout, stderr } = await running;
    expect(stderr).toBe(`framewire: waiting for clients at ws://127.0.0.1:${port}\n`);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("3 passed, 0 failed, 0 do not apply");
    expect(exitCode).toBe(0);
  });

  it("says that nobody came", async () => {
    const { exitCode, stdout } = await shell(["conformance", "--connect", "tcp://127.0.0.1:1", "--only", "301-310"]);
    expect(stdout).toContain("expected a connection to the peer\n       came     could not connect to tcp://127.0.0.1:1");
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("0 passed, 10 failed, 0 do not apply");
    expect(exitCode).toBe(1);
  });

  it("prints the frames of a case, damaged ones too", async () => {
    const { exitCode, stdout } = await shell(["conformance", "--connect", await server(), "--trace", "112"]);
    const rows = stdout.split("\n").filter((line) => /^ +\d+ ms \d [<>] /.test(line));
    const short = rows.map((row) => row.replace(/^ +\d+ ms /, "").replaceAll(/ +/g, " "));
    expect(short[0]).toMatch(/^1 > 0 \d+ v2 0 hello /);
    expect(short[1]).toMatch(/^1 < 0 \d+ v2 0 welcome /);
    expect(short).toContainEqual(expect.stringMatching(/^1 > \d+ \d+ gap \d+ checksum$/));
    expect(short).toContainEqual(expect.stringMatching(/^1 < .* ack .* status=15$/));
    expect(stdout).toContain("  112  ok ");
    expect(exitCode).toBe(0);
    const json = await shell(["conformance", "--connect", await server(), "--only", "301,112", "--trace", "301", "--json"]);
    const traced = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(traced).toContainEqual(
      expect.objectContaining({ type: "trace", link: 1, direction: "sent", what: expect.objectContaining({ type: "frame", kind: 1 }) }),
    );
  });

  it("groups what failed by its cause", () => {
    const failed = (number: number, cause: string) =>
      ({ number, name: "", section: "1", version: 2, outcome: "failed", ms: 1, expected: "x", came: "y", cause }) as const;
    expect(causesOf([failed(301, "one"), failed(302, "a\u001b[31m"), failed(303, "one")])).toEqual([
      "",
      "failures by cause",
      "  2 cases: one",
      "       301, 303",
      "  1 case: a\\u001b[31m",
      "       302",
    ]);
    expect(causesOf([failed(301, "one")])).toEqual([]);
  });

  it("counts a broken rule as one cause, whatever case it fails", async () => {
    const { exitCode, stdout } = await shell(["conformance", "--connect", "tcp://127.0.0.1:1", "--only", "301-310"]);
    expect(stdout).toContain(
      "failures by cause\n  10 cases: there was no connection to the peer\n       301, 302, 303, 304, 305, 306, 307, 308, 309, 310\n",
    );
    expect(exitCode).toBe(1);
  });

  it("lists its cases", async () => {
    const { exitCode, stdout } = await shell(["conformance", "--list"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(CASES.length);
    expect(stdout).toContain("501  5.8  a ping is answered by a pong with its payload\n");
    expect(stdout).toContain(" (clients, advice)\n");
    expect(exitCode).toBe(0);
  });

  it.each([
    [[], "give one of --connect URL and --listen [HOST:]PORT"],
    [["--connect", "http://x"], "it must be a URL with tcp://"],
    [["--connect", "tcp://x:1", "--only", "1-2"], "It must be numbers, ranges and groups"],
    [["--connect", "tcp://x:1", "--only", "199"], "no case is selected"],
    [["--listen", "x:y"], "It must be PORT or HOST:PORT."],
    [["--listen", "1", "--wire", "1,2"], "test 1 and 2 in two runs"],
    [["--connect", "tcp://x:1", "--ca", "/nowhere.pem"], "cannot read /nowhere.pem"],
  ])("refuses %j", async (args, message) => {
    const { exitCode, stderr } = await shell(["conformance", ...args]);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });
});

it("every case has a number of its own, in the order of the numbers, and a section of the page", async () => {
  const { readFileSync } = await import("node:fs");
  const page = readFileSync(new URL("../../docs/wire.md", import.meta.url), "utf8");
  const numbers = CASES.map(({ number }) => number);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  const sections = new Set([...page.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? /gm)].map(([, section]) => section));
  expect(CASES.filter(({ section }) => !sections.has(section)).map(({ number }) => number)).toEqual([]);
});
