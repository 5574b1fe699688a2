/** An error on this side ends the link that it met, is told, and reaches no callback of a socket or timer. */
import { expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { LinkBench } from "./link-bench.js";

const fault = new Error("a fault");
const fail = (): never => {
  throw fault;
};

function bench() {
  const link = new LinkBench();
  const faults: unknown[] = [];
  return Object.assign(link, { faults, onFault: (error: unknown) => faults.push(error) });
}

const CALLED: Readonly<Record<string, (link: LinkBench) => void | Promise<void>>> = {
  onData: (link) => {
    link.onFrame = fail;
    link.receiveFrame();
  },
  onDrain: (link) => {
    link.onWritable = fail;
    link.transport.receiver.onDrain();
  },
  "a chunk that was held until its turn": (link) => {
    link.onFrame = fail;
    link.link.receiver.take(encodeFrame({ version: 2, cmd: 1 }));
  },
  "the timer of a deadline": (link) => {
    link.onPing = fail;
    return link.clock.advance(30_000);
  },
};

it.each(Object.entries(CALLED))("%s: the link closes with 1011", async (_name, call) => {
  const link = bench();
  await call(link);
  expect([link.code, link.end?.closeCode]).toEqual(["internal", 1011]);
  expect(link.end?.error?.cause).toBe(fault);
  expect(link.faults).toEqual([fault]);
  expect(link.transport.calls.some((each) => each.startsWith("close"))).toBe(true);
});

it("a close goes on to the transport where its last word cannot be written", () => {
  const link = bench();
  link.onClosing = fail;
  link.link.fail("protocol-violation", "what the peer did");
  expect([link.code, link.end?.closeCode, link.faults]).toEqual(["protocol-violation", 4402, [fault]]);
  expect(link.transport.calls.some((each) => each.startsWith("close"))).toBe(true);
});

it("a close goes on to the transport where the owner throws, and destroys one that cannot be closed", () => {
  const link = bench();
  link.onEnd = fail;
  expect(() => link.link.close(1000, "")).toThrow(fault);
  expect(link.transport.calls.some((each) => each.startsWith("close"))).toBe(true);
  const other = bench();
  other.transport.close = fail;
  other.link.close(1000, "");
  expect(other.transport.calls).toContain("destroy");
  expect(other.faults).toEqual([fault]);
});
