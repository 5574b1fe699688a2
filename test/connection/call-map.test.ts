import { expect, test } from "vitest";
import { CallMap } from "../../src/runtime/call-map.js";
import { fc } from "../helpers/fast-check.js";

const ids = fc.oneof(
  fc.integer({ min: 1, max: 80 }),
  fc.integer({ min: 0xffff_ff00, max: 0xffff_ffff }),
  fc.integer({ min: 1, max: 40 }).map((n) => n * 64),
);
const steps = fc.array(fc.record({ id: ids, verb: fc.constantFrom("set", "delete", "get") }), { maxLength: 300 });

test("behaves as a Map of the same calls, whatever their ids", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const model = new Map<number, object>();
      const calls = new CallMap<object>();
      for (const { id, verb } of taken) {
        if (verb === "set") {
          const call = { id };
          model.set(id, call);
          calls.set(id, call);
        } else if (verb === "delete") {
          expect(calls.delete(id)).toBe(model.delete(id));
        }
        expect(calls.get(id)).toBe(model.get(id));
        expect(calls.has(id)).toBe(model.has(id));
        expect(calls.size).toBe(model.size);
      }
      expect(calls.values()).toEqual([...model].sort(([a], [b]) => a - b).map(([, call]) => call));
    }),
    { numRuns: 500 },
  );
});

test("a call that stays does not make the table grow under millions that come and go", () => {
  const calls = new CallMap<number>();
  calls.set(1, 1);
  for (let id = 3; id < 2_000_003; id += 2) {
    calls.set(id, id);
    calls.delete(id);
  }
  expect(calls.values()).toEqual([1]);
});
