import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ChaosProxy, type ChaosProxyOptions, createChaosProxy } from "../../src/testing/index.js";

let server: Server;
let proxy: ChaosProxy;
let accepted: Socket[];

/** Bytes and the end that a socket saw. */
interface Seen {
  text: string;
  end: "open" | "end" | "reset";
}

function watch(socket: Socket): Seen {
  const seen: Seen = { text: "", end: "open" };
  socket.on("data", (chunk) => {
    seen.text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  socket.on("end", () => {
    seen.end = "end";
  });
  socket.on("close", (failed) => {
    if (failed) seen.end = "reset";
  });
  return seen;
}

const sockets: Socket[] = [];

async function join(options: Omit<ChaosProxyOptions, "target">) {
  proxy = await createChaosProxy({ target: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, ...options });
  const client = connect(proxy.port, "127.0.0.1");
  sockets.push(client);
  const atClient = watch(client);
  await expect.poll(() => accepted.length).toBe(1);
  const atServer = watch(accepted[0]!);
  return { client, atClient, far: accepted[0]!, atServer };
}

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  await proxy.close();
  for (const socket of [...accepted, ...sockets.splice(0)]) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

describe("a chaos proxy", () => {
  it("hands bytes on both ways, and the end of one side to the other", async () => {
    const { client, atClient, far, atServer } = await join({});
    client.write("up");
    far.write("down");
    await expect.poll(() => [atServer.text, atClient.text]).toEqual(["up", "down"]);
    client.end(" and away");
    await expect.poll(() => [atServer.text, atServer.end]).toEqual(["up and away", "end"]);
    await expect.poll(() => proxy.stats).toEqual({ links: 1, open: 0, cuts: 0, bytesUp: 11, bytesDown: 4, corrupted: 0, lost: 0 });
  });

  it("holds a megabyte back from a slow reader without keeping it in memory, and loses none of it", async () => {
    const { client, far, atServer } = await join({});
    far.pause();
    const chunk = "x".repeat(64 * 1024);
    for (let i = 0; i < 256; i++) client.write(chunk);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.writableLength).toBeGreaterThan(0);
    far.resume();
    await expect.poll(() => atServer.text.length, { timeout: 5_000 }).toBe(256 * 64 * 1024);
  });

  it("cut at a byte lets exactly that many through and ends both sockets", async () => {
    const { client, atClient, atServer } = await join({ faults: { up: { cutAtByte: 7 } } });
    client.write("hello world");
    // A kernel may report a reset behind unread bytes as a plain end.
    await expect.poll(() => [atServer.text, atServer.end !== "open", atClient.end]).toEqual(["hello w", true, "reset"]);
    expect(proxy.stats).toMatchObject({ open: 0, cuts: 1, bytesUp: 7, lost: 4 });
  });

  it("cut by hand resets both sockets", async () => {
    const { atClient, atServer } = await join({});
    proxy.cut();
    await expect.poll(() => [atServer.end, atClient.end]).toEqual(["reset", "reset"]);
  });

  it("half open: neither side hears of the other again, not even of its end", async () => {
    const { client, atClient, far, atServer } = await join({});
    proxy.halfOpen("up");
    client.write("lost");
    far.write("down");
    await expect.poll(() => atClient.text).toBe("down");
    client.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([atServer.text, atServer.end]).toEqual(["", "open"]);
  });

  it("stalls for a while, then everything arrives", async () => {
    const { client, atServer } = await join({});
    const start = performance.now();
    proxy.stall(150);
    client.write("late");
    await expect.poll(() => atServer.text, { interval: 5 }).toBe("late");
    expect(performance.now() - start).toBeGreaterThanOrEqual(145);
  });

  it("delays by latency and changes bytes as told", async () => {
    const { client, atServer } = await join({ faults: { up: { latencyMs: 60, corruptAtBytes: [1] } } });
    const start = performance.now();
    client.write("abc");
    await expect.poll(() => atServer.text.length, { interval: 5 }).toBe(3);
    expect(performance.now() - start).toBeGreaterThanOrEqual(55);
    expect([atServer.text[0], atServer.text[1] === "b", atServer.text[2]]).toEqual(["a", false, "c"]);
  });

  it("refuses connections while it is not reachable, and the target's end is told to the client", async () => {
    const { atClient, far } = await join({});
    far.end();
    await expect.poll(() => atClient.end).toBe("end");
    proxy.reachable = false;
    const refused = connect(proxy.port, "127.0.0.1");
    sockets.push(refused);
    const seen = watch(refused);
    await expect.poll(() => seen.end).toBe("reset");
  });
});
