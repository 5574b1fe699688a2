import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const DIST = new URL("../../dist/", import.meta.url).href;

/** A server with an idle client, one that is away, one that never spoke, and a call in flight; it drains and says so. */
const PROGRAM = `
  import { connect } from "node:net";
  import { createClient } from "${DIST}client/index.js";
  import { createServer } from "${DIST}server/index.js";
  const codec = { encode: (text) => ({ finish: () => new TextEncoder().encode(text) }), decode: (bytes) => new TextDecoder().decode(bytes) };
  const server = createServer();
  server.handle(0x0201, codec, async (text) => { await new Promise((resolve) => setTimeout(resolve, 300)); return text; });
  const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
  const clients = [createClient(ws.url), createClient(tcp.url), createClient(ws.url)];
  for (const client of clients) await client.connect();
  connect(ws.port, "127.0.0.1").on("error", () => {});
  connect(tcp.port, "127.0.0.1").on("error", () => {}).resume();
  await clients[2].close();
  const call = clients[0].request(0x0201, codec, "done");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const closed = server.close({ drainMs: 20_000 });
  console.log(await call);
  await closed;
  console.log("closed");
  await Promise.all(clients.map((client) => client.close()));
`;

test("a process ends by itself once its server is closed and its clients are", async () => {
  const started = performance.now();
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "exit");
  expect(output).toBe("done\nclosed\n");
  expect(code).toBe(0);
  // Nothing waited for a deadline: the shortest of them is the 3 s of closeTimeoutMs.
  expect(performance.now() - started).toBeLessThan(3000);
});
