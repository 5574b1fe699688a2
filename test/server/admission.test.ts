import { describe, expect, it } from "vitest";
import { Admission, addressKey } from "../../src/server/admission.js";
import { type Newcomer, WaitingRoom } from "../../src/server/waiting-room.js";

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
    const admission = new Admission({ maxConnections: 5, maxConnectionsPerAddress: 2 });
    expect(admission.enter("a")).toBeUndefined();
    expect(admission.enter("a")).toBeUndefined();
    expect(admission.enter("a")?.message).toBe("this server takes 2 connections from one address");
    admission.leave("a");
    admission.leave("a");
    expect(admission.enter("a")).toBeUndefined();
    expect(admission.open).toBe(2);
    for (const address of ["b", "c", "d"]) expect(admission.enter(address)).toBeUndefined();
    expect(admission.enter("e")?.message).toBe("this server takes 5 connections");
    for (const address of ["a", "a", "b", "c", "d", "e"]) admission.leave(address);
    expect(admission.open).toBe(0);
  });

  it("knows no limit for each address where there is no address to know", () => {
    const admission = new Admission({ maxConnections: 5, maxConnectionsPerAddress: 1 });
    for (let i = 0; i < 5; i++) expect(admission.enter("")).toBeUndefined();
  });
});

describe("the waiting room", () => {
  class Guest implements Newcomer {
    idle = true;
    sentAway = 0;

    sendAway(): void {
      this.sentAway++;
    }
  }

  it("sends the oldest away who keeps it waiting", () => {
    const room = new WaitingRoom(3);
    const guests = Array.from({ length: 6 }, () => new Guest());
    guests[0]!.idle = false;
    for (const guest of guests) expect(room.enter(guest)).toBe(true);
    expect(guests.map(({ sentAway }) => sentAway)).toEqual([0, 1, 1, 1, 0, 0]);
    expect(room.size).toBe(3);
  });

  it("lets nobody in when all who are there wait for the server itself", () => {
    const room = new WaitingRoom(2);
    const guests = [new Guest(), new Guest()];
    for (const guest of guests) {
      guest.idle = false;
      room.enter(guest);
    }
    expect(room.enter(new Guest())).toBe(false);
    room.leave(guests[0]!);
    expect(room.enter(new Guest())).toBe(true);
  });
});
