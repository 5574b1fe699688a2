/** Calls one at a time over real sockets, through a proxy that flips one bit in a share of the chunks, both ways. */
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from "node:net";
import { createClient } from "../../src/client/index.js";
import { FrameDecoder } from "../../src/codec/index.js";
import { createServer } from "../../src/server/index.js";
import { SeededRandom } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";

export interface FlipRun {
  readonly totalMs: number;
  readonly slowestMs: number;
  readonly flips: number;
  /** Why connections ended, and calls failed, before all were made. */
  readonly wrong: readonly string[];
}

/** Says which bytes of the chunks that it is shown belong to frames behind the first one, which is the handshake's. */
type Marker = (chunk: Uint8Array) => number[];

function tcpMarker(): Marker {
  const decoder = new FrameDecoder();
  let seen = 0;
  let handshakeEnd = -1;
  return (chunk) => {
    const start = seen;
    seen += chunk.length;
    if (handshakeEnd === -1) {
      decoder.push(chunk, ({ end }) => {
        if (handshakeEnd === -1) handshakeEnd = end;
      });
    }
    if (handshakeEnd === -1) return [];
    return [...chunk.keys()].filter((i) => start + i >= handshakeEnd);
  };
}

/** Of WebSocket, the payloads of binary messages: what TCP would have carried. */
function wsMarker(): Marker {
  let state: "http" | "head" | "payload" = "http";
  let head: number[] = [];
  let left = 0;
  let binary = false;
  let messages = 0;
  const lengthOfHead = () => 2 + [0, 2, 8][Math.max(0, (head[1]! & 0x7f) - 125)]! + (head[1]! & 0x80 ? 4 : 0);
  return (chunk) => {
    const marked: number[] = [];
    for (const [i, byte] of chunk.entries()) {
      if (state === "http") {
        head = [...head.slice(-3), byte];
        if (String.fromCharCode(...head) !== "\r\n\r\n") continue;
        state = "head";
        head = [];
      } else if (state === "head") {
        head.push(byte);
        if (head.length < 2 || head.length < lengthOfHead()) continue;
        const short = head[1]! & 0x7f;
        const long = head.slice(2, short === 126 ? 4 : 10);
        left = short < 126 ? short : long.reduce((sum, each) => sum * 256 + each, 0);
        binary = (head[0]! & 0x0f) === 2;
        if (binary) messages++;
        head = [];
        state = left === 0 ? "head" : "payload";
      } else {
        if (binary && messages > 1) marked.push(i);
        if (--left === 0) state = "head";
      }
    }
    return marked;
  };
}

async function flippingProxy(kind: "tcp" | "ws", port: number, share: number, seed: number) {
  const random = new SeededRandom(seed);
  const counts = { flips: 0 };
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket) => {
    const mark = kind === "tcp" ? tcpMarker() : wsMarker();
    from.setNoDelay(true);
    from.on("error", () => {});
    from.on("data", (chunk) => {
      const marked = mark(chunk);
      if (marked.length > 0 && random.next() < share) {
        chunk[marked[random.between(0, marked.length - 1)]!]! ^= 1 << random.between(0, 7);
        counts.flips++;
      }
      to.write(chunk);
    });
    from.on("close", () => to.destroy());
    sockets.add(from);
  };
  const server = createNetServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    pass(client, upstream);
    pass(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, counts, close };
}

/** `calls` calls, one after the other, with this `share` of chunks damaged. Budgets for damage are off. */
export async function runFlips(kind: "tcp" | "ws", seed: number, calls = 200, share = 0.02): Promise<FlipRun> {
  const budgets = { resyncBudget: 1e9, errorRate: 1 };
  const server = createServer(budgets);
  server.implement(TestServiceDefinition, { echo: async ({ text }) => ({ text }) });
  const addresses = await server.listen(kind === "tcp" ? { tcp: {} } : { ws: {} });
  const { port } = new URL((addresses.tcp ?? addresses.ws)!.url);
  const proxy = await flippingProxy(kind, Number(port), share, seed);
  const client = createClient(`${kind}://127.0.0.1:${proxy.port}`, budgets);
  const wrong: string[] = [];
  client.on("state", (state, { error, reason }) => {
    if (state === "retry-pending" || state === "disconnected") wrong.push(`${state}: ${error?.code ?? reason}`);
  });
  await client.connect();
  const service = client.service(TestServiceDefinition);
  let slowestMs = 0;
  const started = performance.now();
  for (let i = 0; i < calls; i++) {
    const began = performance.now();
    const text = `call ${i}`;
    const reply = await service.echo({ text }).catch((error) => ({ text: String(error) }));
    if (reply.text !== text) wrong.push(`${text}: ${reply.text}`);
    slowestMs = Math.max(slowestMs, performance.now() - began);
  }
  const totalMs = performance.now() - started;
  const result = { totalMs, slowestMs, flips: proxy.counts.flips, wrong: [...wrong] };
  await client.close();
  await server.close();
  await proxy.close();
  return result;
}

/** Runs 20 seeds. */
export async function runFlipSeeds(kind: "tcp" | "ws", first = 1, seeds = 20) {
  const runs: FlipRun[] = [];
  for (let seed = first; seed < first + seeds; seed++) runs.push(await runFlips(kind, seed));
  const totals = runs.map(({ totalMs }) => totalMs).sort((a, b) => a - b);
  return {
    medianMs: totals[totals.length >> 1]!,
    longestMs: totals.at(-1)!,
    slowestMs: Math.max(...runs.map(({ slowestMs }) => slowestMs)),
    flips: runs.reduce((sum, { flips }) => sum + flips, 0),
    wrong: runs.flatMap(({ wrong }, i) => wrong.map((each) => `seed ${first + i}: ${each}`)),
  };
}
