import { EventEmitter } from "node:events";
import type { Server, Socket } from "node:net";
import { expect, it } from "vitest";
import { Doorway } from "../../src/server/doorway.js";
import { WaitingRoom } from "../../src/server/waiting-room.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";

class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;

  constructor(remoteAddress?: string, remotePort?: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

it("sockets whose peers are gone before they are looked at take no place at the door", () => {
  const clock = new VirtualClock();
  const room = new WaitingRoom(10);
  const doorway = new Doorway({ room, clock, handshakeTimeoutMs: 1000, limited: () => {} });
  const server = new EventEmitter();
  doorway.watch(server as Server);
  const gone = [new FakeSocket(), new FakeSocket()];
  const there = new FakeSocket("127.0.0.1", 1);
  for (const socket of [...gone, there]) server.emit("connection", socket);
  expect(gone.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  expect(room.size).toBe(1);
  expect(doorway.through(there as unknown as Socket)).toBe(0);
  expect([room.size, clock.pendingTimers]).toEqual([0, 0]);
});
