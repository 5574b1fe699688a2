import { describe, expect, it } from "vitest";
import type { Transport, TransportReceiver } from "../../src/link/transport.js";
import { GroupCommit } from "../../src/outbox/group-commit.js";
import { GuardedTransport } from "../../src/outbox/guarded-transport.js";

/** A transport that writes down what is done to it, and commits that a test ends by hand. */
function open() {
  const done: string[] = [];
  const commits: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let owed = false;
  const inner: Transport = {
    info: { kind: "memory", protocol: 2, messages: true, remoteAddress: "" },
    bufferedBytes: 0,
    open: () => {},
    write: (bytes) => done.push(`write ${bytes}`),
    cork: () => done.push("cork"),
    uncork: () => done.push("uncork"),
    pause: () => {},
    resume: () => {},
    close: (code) => done.push(`close ${code}`),
    destroy: () => done.push("destroy"),
    probe: () => done.push("probe"),
  };
  const guarded = new GuardedTransport(inner, () => {
    if (!owed) return undefined;
    owed = false;
    return new Promise((resolve, reject) => commits.push({ resolve, reject }));
  });
  guarded.open({ onDrain: () => done.push("drain") } as unknown as TransportReceiver);
  const write = (byte: number, owes: boolean) => {
    owed = owes;
    guarded.write(Uint8Array.of(byte));
  };
  const settle = () => new Promise(setImmediate);
  return { guarded, done, commits, write, settle };
}

describe("a guarded transport", () => {
  it("lets out at once what stands for nothing that is not safe", () => {
    const { done, write, guarded } = open();
    guarded.cork();
    write(1, false);
    guarded.uncork();
    expect(done).toEqual(["cork", "write 1", "uncork"]);
  });

  it("holds bytes until what they stand for is safe, and all that follow behind them, in order", async () => {
    const { done, write, commits, settle, guarded } = open();
    write(1, true);
    write(2, false);
    write(3, true);
    await settle();
    expect([done, guarded.bufferedBytes]).toEqual([[], 3]);
    commits[1]!.resolve();
    await settle();
    expect(done).toEqual([]);
    commits[0]!.resolve();
    await settle();
    expect(done).toEqual(["write 1", "drain", "write 2", "drain", "write 3", "drain"]);
    write(4, false);
    expect([done.at(-1), guarded.bufferedBytes]).toEqual(["write 4", 0]);
  });

  it("closes behind what it holds, and destroys at once", async () => {
    const { done, write, commits, settle, guarded } = open();
    write(1, true);
    guarded.close(1001, "");
    expect(done).toEqual([]);
    commits[0]!.resolve();
    await settle();
    expect(done).toEqual(["write 1", "drain", "close 1001"]);
    write(2, true);
    guarded.destroy();
    commits[1]!.resolve();
    await settle();
    expect(done.slice(3)).toEqual(["destroy"]);
  });

  it("drops the socket and all it holds when it cannot be made safe", async () => {
    const { done, write, commits, settle } = open();
    write(1, true);
    write(2, false);
    commits[0]!.reject(new Error("disk full"));
    await settle();
    expect(done).toEqual(["destroy"]);
  });
});

describe("a group commit", () => {
  it("takes what comes while one is under way into one more", async () => {
    const ends: (() => void)[] = [];
    const commits = new GroupCommit(() => new Promise((resolve) => ends.push(resolve)));
    const log: string[] = [];
    const request = (name: string) => void commits.request().then(() => log.push(name));
    request("a");
    for (const name of ["b", "c", "d"]) request(name);
    await new Promise(setImmediate);
    expect(ends.length).toBe(1);
    ends[0]!();
    await new Promise(setImmediate);
    expect([log, ends.length]).toEqual([["a"], 2]);
    request("e");
    ends[1]!();
    await new Promise(setImmediate);
    expect([log, ends.length]).toEqual([["a", "b", "c", "d"], 3]);
    ends[2]!();
    await new Promise(setImmediate);
    expect([log.at(-1), commits.running]).toEqual(["e", undefined]);
  });

  it("goes on after one that failed", async () => {
    let fail = true;
    const commits = new GroupCommit(async () => {
      await new Promise(setImmediate);
      if (fail) throw new Error("once");
    });
    const first = commits.request();
    const second = commits.request();
    await expect(first).rejects.toThrow("once");
    fail = false;
    await second;
  });
});
