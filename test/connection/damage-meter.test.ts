import { expect, it } from "vitest";
import { DamageMeter } from "../../src/link/damage-meter.js";
import { resolveConnectionOptions } from "../../src/options.js";
import { SlidingMinute } from "../../src/runtime/sliding-minute.js";

it("a part of damaged frames that equals errorRate is allowed, and one more is not", () => {
  const good = new SlidingMinute();
  const meter = new DamageMeter(resolveConnectionOptions({ errorRate: 0.5, errorRateFrames: 10, resyncBudget: 1000 }), good);
  for (let i = 0; i < 5; i++) {
    good.add(0);
    meter.bad({ start: 0, reason: "checksum" }, 0);
  }
  expect(meter.verdict(0)).toBeUndefined();
  meter.bad({ start: 0, reason: "checksum" }, 0);
  expect(meter.verdict(0)).toMatchObject({ code: "error-rate" });
});

it("as many resynchronisations as resyncBudget are allowed, and one more is not", () => {
  const meter = new DamageMeter(resolveConnectionOptions({ resyncBudget: 3 }), new SlidingMinute());
  for (let i = 0; i < 3; i++) {
    meter.bad({ start: 0, reason: "garbage" }, 0);
    meter.boundary();
  }
  expect(meter.verdict(0)).toBeUndefined();
  meter.bad({ start: 0, reason: "garbage" }, 0);
  expect(meter.verdict(0)).toMatchObject({ code: "resync-budget" });
});
