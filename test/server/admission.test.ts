import { describe, expect, it } from "vitest";
import { Admission, addressKey, MAX_OWING_ADDRESSES } from "../../src/server/admission.js";
import { HandshakeQueue, type PendingHandshake } from "../../src/server/handshake-queue.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";

describe("an address", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["", ""],
  ])("%s counts as %s", (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});

describe("admission", () => {
  it("counts in all and for each address, and forgets who has left", () => {
    const admission = new Admission({ maxConnections: 5, maxConnectionsPerAddress: 2 }, new VirtualClock());
    expect(admission.enter("a")).toBeUndefined();
    expect(admission.enter("a")).toBeUndefined();
    expect(admission.enter("a")?.message).toBe("this server takes 2 connections from one address (maxConnectionsPerAddress)");
    admission.leave("a");
    admission.leave("a");
    expect(admission.enter("a")).toBeUndefined();
    expect(admission.open).toBe(2);
    for (const address of ["b", "c", "d"]) expect(admission.enter(address)).toBeUndefined();
    expect(admission.enter("e")?.message).toBe("this server takes 5 connections (maxConnections)");
    for (const address of ["a", "a", "b", "c", "d", "e"]) admission.leave(address);
    expect(admission.open).toBe(0);
  });

  it("knows no limit for each address where there is no address to know", () => {
    const admission = new Admission({ maxConnections: 5, maxConnectionsPerAddress: 1 }, new VirtualClock());
    for (let i = 0; i < 5; i++) expect(admission.enter("")).toBeUndefined();
  });
});

describe("what an address has sent", () => {
  const limits = { maxConnections: 100_000, maxConnectionsPerAddress: 2 };

  it("counts until it is paid off, also when its last socket is gone", async () => {
    const clock = new VirtualClock();
    const admission = new Admission(limits, clock);
    admission.enter("a");
    const share = admission.share("a")!;
    share.framesSpentUntil = 1000;
    admission.leave("a");
    await clock.advance(999);
    admission.enter("a");
    expect(admission.share("a")).toBe(share);
    admission.leave("a");
    await clock.advance(1);
    admission.enter("b");
    admission.leave("b");
    admission.enter("a");
    expect(admission.share("a")).not.toBe(share);
  });

  it("is forgotten first where it is paid off soonest, of more addresses than there is room for", () => {
    const admission = new Admission(limits, new VirtualClock());
    const spentUntil = (i: number) => 1000 + ((i * 7919) % MAX_OWING_ADDRESSES);
    const shares = Array.from({ length: MAX_OWING_ADDRESSES + 2 }, (_, i) => {
      admission.enter(`a${i}`);
      const share = admission.share(`a${i}`)!;
      share.framesSpentUntil = i < MAX_OWING_ADDRESSES ? spentUntil(i) : 10_000_000;
      return share;
    });
    for (const i of shares.keys()) admission.leave(`a${i}`);
    const forgotten = [...shares.keys()].filter((i) => {
      admission.enter(`a${i}`);
      return admission.share(`a${i}`) !== shares[i];
    });
    const soonest = [1000, 1001].map((at) => shares.findIndex(({ framesSpentUntil }) => framesSpentUntil === at));
    expect(forgotten).toEqual(soonest.sort((a, b) => a - b));
  });
});

describe("the queue of handshakes", () => {
  class FakeHandshake implements PendingHandshake {
    idle = true;
    rejected = 0;

    reject(): void {
      this.rejected++;
    }
  }

  it("rejects the oldest that waits for its peer", () => {
    const queue = new HandshakeQueue(3);
    const handshakes = Array.from({ length: 6 }, () => new FakeHandshake());
    handshakes[0]!.idle = false;
    for (const handshake of handshakes) expect(queue.add(handshake)).toBe(true);
    expect(handshakes.map(({ rejected }) => rejected)).toEqual([0, 1, 1, 1, 0, 0]);
    expect(queue.size).toBe(3);
  });

  it("rejects as well one that was busy and waits for its peer again", () => {
    const queue = new HandshakeQueue(3);
    const handshakes = Array.from({ length: 4 }, () => new FakeHandshake());
    for (const handshake of handshakes.slice(0, 3)) {
      handshake.idle = false;
      queue.add(handshake);
    }
    expect(queue.add(handshakes[3]!)).toBe(false);
    handshakes[1]!.idle = true;
    expect(queue.add(handshakes[3]!)).toBe(true);
    expect(handshakes.map(({ rejected }) => rejected)).toEqual([0, 1, 0, 0]);
  });

  it("adds none when all of them wait for the server itself", () => {
    const queue = new HandshakeQueue(2);
    const handshakes = [new FakeHandshake(), new FakeHandshake()];
    for (const handshake of handshakes) {
      handshake.idle = false;
      queue.add(handshake);
    }
    expect(queue.add(new FakeHandshake())).toBe(false);
    queue.remove(handshakes[0]!);
    expect(queue.add(new FakeHandshake())).toBe(true);
  });
});
