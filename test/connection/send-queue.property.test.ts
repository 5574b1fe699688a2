import { expect, it } from "vitest";
import { resolveConnectionOptions } from "../../src/options.js";
import type { SlowConsumerPolicy } from "../../src/protocol/commands.js";
import { Outgoing } from "../../src/session/outgoing.js";
import { SendQueue } from "../../src/session/send-queue.js";
import { fc } from "../helpers/fast-check.js";

const options = resolveConnectionOptions({ maxQueuedFrames: 6, maxQueuedBytes: 100_000, maxQueuedMs: 10 });

interface Entry {
  readonly frame: Outgoing;
  readonly since: number;
}

/** The same queue as one plain list that is walked for everything. */
class Model {
  waiting: Entry[] = [];
  readonly dropped: Outgoing[] = [];

  push(frame: Outgoing, now: number): boolean {
    const same = ({ frame: { cmd, callId } }: Entry) => cmd === frame.cmd && callId === undefined;
    if (frame.slowConsumer === "keep-latest") this.dropped.push(...this.take(same));
    if (frame.slowConsumer === "drop-oldest") {
      while (this.waiting.length >= 6 && this.waiting.some(same))
        this.dropped.push(...this.take(({ frame }) => frame === this.waiting.find(same)!.frame));
    }
    if (this.waiting.length < 6) this.waiting.push({ frame, since: now });
    else if (frame.slowConsumer === "close") return false;
    else this.dropped.push(frame);
    return true;
  }

  take(match: (entry: Entry) => boolean): Outgoing[] {
    const taken = this.waiting.filter(match);
    this.waiting = this.waiting.filter((entry) => !taken.includes(entry));
    return taken.map(({ frame }) => frame);
  }
}

const policies = fc.constantFrom<SlowConsumerPolicy>("close", "drop-newest", "drop-oldest", "keep-latest");
const push = fc.record({
  kind: fc.constant("push" as const),
  cmd: fc.integer({ min: 1, max: 3 }),
  callId: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  policy: policies,
  owned: fc.boolean(),
});
const step = fc.oneof(
  { weight: 6, arbitrary: push },
  fc.constant({ kind: "shift" as const }),
  fc.record({ kind: fc.constant("putBack" as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("removeCall" as const), callId: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("removeFrame" as const), at: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant("expire" as const), ms: fc.integer({ min: 1, max: 12 }) }),
);

it("order, drops and expiry are those of one list, whatever is pushed, put back, taken out and given up", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (run) => {
      const dropped: Outgoing[] = [];
      const queue = new SendQueue(options, (frame) => dropped.push(frame));
      const model = new Model();
      const shifted: Outgoing[] = [];
      let now = 0;
      for (const each of run) {
        if (each.kind === "push") {
          const frame = new Outgoing({ cmd: each.cmd, name: "each" }, undefined, each.callId, true);
          frame.payload = new Uint8Array(each.cmd);
          frame.slowConsumer = each.policy;
          if (each.owned) frame.owner = { frameSettled: () => {} };
          const room = model.push(frame, now);
          if (room) queue.push(frame, now);
          else expect(() => queue.push(frame, now)).toThrow();
        } else if (each.kind === "shift") {
          const frame = queue.shift();
          expect(frame).toBe(model.waiting.shift()?.frame);
          if (frame !== undefined) shifted.push(frame);
        } else if (each.kind === "putBack") {
          const back = shifted.splice(0, each.count);
          queue.putBack(back, now);
          model.waiting.unshift(...back.map((frame) => ({ frame, since: now })));
        } else if (each.kind === "removeCall") {
          expect(queue.removeCall(each.callId)).toEqual(model.take(({ frame }) => frame.callId === each.callId));
        } else if (each.kind === "removeFrame") {
          const frame = model.waiting[each.at]?.frame;
          if (frame !== undefined) expect(queue.removeFrame(frame)).toBe(true);
          model.take((entry) => entry.frame === frame);
        } else {
          now += each.ms;
          const due = model.take(({ frame, since }) => frame.owner !== undefined && since + 10 <= now);
          expect(new Set(queue.expire(now))).toEqual(new Set(due));
        }
        expect(dropped).toEqual(model.dropped);
        expect(queue.remove(() => false)).toEqual([]);
        expect(queue.length).toBe(model.waiting.length);
        expect(queue.bytes).toBe(model.waiting.reduce((sum, { frame }) => sum + 128 + frame.payload!.length, 0));
        const oldest = Math.min(...model.waiting.filter(({ frame }) => frame.owner !== undefined).map(({ since }) => since));
        expect(queue.expiresAt).toBe(oldest + 10);
      }
      const all: Outgoing[] = [];
      for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) all.push(frame);
      expect(all).toEqual(model.waiting.map(({ frame }) => frame));
    }),
    { numRuns: 300 },
  );
});
