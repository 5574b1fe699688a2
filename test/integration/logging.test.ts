/** What a process with a server prints by itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const DIST = new URL("../../dist/", import.meta.url).href;

/** A server with a handler that throws, and a client of it; then a flood of calls to the handler. */
const PROGRAM = `
  import { createClient } from "${DIST}client/index.js";
  import { createServer } from "${DIST}server/index.js";
  const codec = { encode: (text) => ({ finish: () => new TextEncoder().encode(text) }), decode: (bytes) => new TextDecoder().decode(bytes) };
  const server = createServer();
  server.handle(0x0201, codec, (text) => { if (text !== "good") throw new Error("boom over " + "two\\nlines"); return text; });
  const { ws } = await server.listen({ ws: {} });
  const client = createClient(ws.url);
  await client.connect();
  const call = (text) => client.request(0x0201, codec, text).catch((error) => error.code);
  console.log(await call("bad"), await call("good"));
  if (process.argv[1] === "flood") {
    const until = Date.now() + 2500;
    while (Date.now() < until) await Promise.all(Array.from({ length: 50 }, () => call("bad")));
  }
  await client.close();
  await server.close();
`;

async function run(...args: string[]): Promise<{ stdout: string; lines: string[]; code: number | null }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM, ...args], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { stdout, lines: stderr.split("\n").filter((line) => line !== ""), code };
}

test("a handler that throws is one line on stderr, and the server goes on", async () => {
  const { stdout, lines, code } = await run();
  expect([stdout, code]).toEqual(["internal good\n", 0]);
  expect(lines).toEqual([
    expect.stringMatching(
      /^framewire error: a handler failed; connection=1 address=127\.0\.0\.1 method=0x0201 code=internal err="Error: boom over two\\nlines" at=.+$/,
    ),
  ]);
});

test("a flood of calls that fail is ten lines a second at most, and the others are counted", async () => {
  const { lines, code } = await run("flood");
  expect(code).toBe(0);
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.length).toBeLessThanOrEqual(40);
  expect(
    lines.some((line) => /^framewire error: … and \d+ more of these: a handler failed; method=0x0201 code=internal more=\d+$/.test(line)),
  ).toBe(true);
});
