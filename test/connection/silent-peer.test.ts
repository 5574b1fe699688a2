import { afterEach, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { HandClock } from "../helpers/clocks.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const HEARTBEAT = { heartbeatIntervalMs: 10, heartbeatTimeoutMs: 10 };

it("a version 1 peer on a transport without a ping may be silent for longer than the heartbeat allows", async () => {
  const clock = new HandClock();
  const server = bench.server({ ...HEARTBEAT, clock });
  const [near, far] = memoryPair();
  let closed = false;
  server.accept(far);
  near.open({
    onData: () => {},
    onAlive: () => {},
    onDrain: () => {},
    onClose: () => {
      closed = true;
    },
  });
  near.write(encodeFrame({ cmd: 261 }));
  await clock.advance(150);
  expect(closed).toBe(false);
  expect(server.connections).toHaveLength(1);
});
