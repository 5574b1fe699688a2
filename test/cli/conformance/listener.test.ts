import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, it, onTestFinished, vi } from "vitest";
import { ConformanceListener } from "../../../src/cli/conformance/listener.js";

async function open(over: "tcp" | "ws", text = ""): Promise<{ listener: ConformanceListener; socket: Socket; answer: () => string }> {
  const listener = new ConformanceListener(over, 1024);
  const { port } = await listener.listen("127.0.0.1", 0);
  onTestFinished(() => listener.close());
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let answer = "";
  socket.on("error", () => {});
  socket.on("data", (data) => (answer += String(data)));
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.write(text);
  return { listener, socket, answer: () => answer };
}

const upgrade = (protocol: string) =>
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  `Sec-WebSocket-Protocol: ${protocol}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

it.each(["tcp", "ws"] as const)("a socket over %s that nobody asks for is dropped after a minute", async (over) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { socket } = await open(over, over === "ws" ? upgrade("framewire.v2") : "");
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve));
  const ended = once(socket, "end");
  vi.advanceTimersByTime(60_000);
  await ended;
  expect(vi.getTimerCount()).toBe(0);
});

it("an upgrade that offers another version only is answered with 503, and its half-open socket destroyed", async () => {
  const { listener, socket, answer } = await open("ws", upgrade("framewire.v1"));
  const ended = once(socket, "end");
  expect(await listener.next(2, 5000)).toBe("other");
  await ended;
  expect(answer()).toMatch(/^HTTP\/1.1 503 /);
  // A write to a socket that is gone at the other end fails, but not the first one.
  await expect
    .poll(() => {
      socket.write("more");
      return socket.destroyed;
    })
    .toBe(true);
});

it("a request without an upgrade is answered with 426 and the socket closed", async () => {
  const { socket, answer } = await open("ws", "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "end");
  expect(answer()).toMatch(/^HTTP\/1.1 426 /);
});
