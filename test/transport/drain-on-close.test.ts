import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { DrainOnClose, MAX_DRAINED_BYTES } from "../../src/transport/drain-on-close.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A socket of which it is known whether it is read. */
class FakeSocket {
  reading = false;
  destroyed = false;
  readonly pause = () => (this.reading = false);
  readonly resume = () => (this.reading = true);
  readonly destroy = () => (this.destroyed = true);
}

const reading = (sockets: readonly FakeSocket[]) => sockets.filter(({ reading }) => reading).length;

it("a closing socket is read on, and dropped when its peer goes on for too long", () => {
  const socket = new FakeSocket();
  const drain = new DrainOnClose(socket);
  let bytes = 0;
  while (!socket.destroyed) {
    expect(socket.reading).toBe(true);
    drain.dropped(65_536);
    bytes += 65_536;
    vi.advanceTimersByTime(1);
  }
  expect(bytes).toBe(MAX_DRAINED_BYTES + 65_536);
  expect(vi.getTimerCount()).toBe(0);
});

it("of many closing sockets whose peers go on sending, one is read on each millisecond", () => {
  const sockets = Array.from({ length: 50 }, () => new FakeSocket());
  const drains = sockets.map((socket) => new DrainOnClose(socket));
  // Each is read at first: most peers have sent no more than a little.
  expect(reading(sockets)).toBe(50);
  for (const drain of drains) drain.dropped(1000);
  expect(reading(sockets)).toBe(0);
  for (let ms = 1; ms <= 50; ms++) {
    vi.advanceTimersByTime(1);
    expect(reading(sockets)).toBe(ms);
  }
  expect(vi.getTimerCount()).toBe(0);
});

it("a socket that is gone takes no other one's turn", () => {
  const sockets = Array.from({ length: 20 }, () => new FakeSocket());
  for (const socket of sockets) new DrainOnClose(socket).dropped(1000);
  for (const socket of sockets.slice(0, 19)) socket.destroy();
  vi.advanceTimersByTime(1);
  expect(sockets.map(({ reading }) => reading).lastIndexOf(true)).toBe(19);
  expect(vi.getTimerCount()).toBe(0);
});
