import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { createClient, type StateDetail } from "../../src/client/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const REFUSED = [
  401,
  0,
  -1,
  999,
  1001,
  1005,
  1006,
  2999,
  4400,
  4416,
  4500,
  4999,
  5000,
  65536,
  1000.5,
  3000.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];

for (const joint of JOINTS) {
  describe(`closing a connection over ${joint.name}`, () => {
    async function join(version: 1 | 2 = 2) {
      const server = bench.server();
      server.implement(TestServiceDefinition, testService());
      const client = await bench.client(await joint.open(server), { version });
      await client.service(TestServiceDefinition).echo({ text: "there" });
      return { server, client };
    }

    it.each([1, 2] as const)(
      "with a code that is not the application's throws, and the connection goes on (version %d)",
      async (version) => {
        const { server, client } = await join(version);
        const [connection] = server.connections;
        for (const code of [...REFUSED, "4001" as never]) {
          expect(() => connection!.close(code)).toThrow(expect.objectContaining({ code: "invalid-option" }));
        }
        expect(() => connection!.close(401)).toThrow("the close code is 401; it must be 1000, or an integer from 3000 to 4399");
        expect((await client.service(TestServiceDefinition).echo({ text: "on" })).text).toBe("on");
      },
    );

    it.each([1000, 4399])("with %d ends it on both sides", async (code) => {
      const { server, client } = await join();
      const gone = new Promise((resolve) => server.on("disconnection", resolve));
      const ended = new Promise<StateDetail>((resolve) => client.on("state", (_state, detail) => resolve(detail)));
      server.connections[0]!.close(code, "enough");
      await gone;
      expect(server.connections).toEqual([]);
      expect(await ended).toMatchObject({ closeCode: code });
    });
  });
}

it("a reason that is longer than a close frame is cut between two characters", async () => {
  const server = bench.server();
  const { ws } = await server.listen({ ws: {} });
  const peer = await RawPeer.connect(ws!.url);
  await peer.greet();
  const closed = once(peer.raw, "close");
  server.connections[0]!.close(4000, "ä".repeat(100));
  await closed;
  expect(await peer.ended).toEqual({ code: 4000, reason: "ä".repeat(61) });
});

it("the connection is over, and its socket dropped, also when its transport cannot close", async () => {
  const server = bench.server();
  const [near, far] = memoryPair({});
  let destroyed = false;
  far.close = () => {
    throw new RangeError("no such code");
  };
  far.destroy = () => {
    destroyed = true;
  };
  server.accept(far);
  const client = await bench.client((options) => createClient("tcp://memory", { connector: async () => near, ...options }));
  const gone = new Promise((resolve) => server.on("disconnection", resolve));
  server.connections[0]!.close(4000, "enough");
  await gone;
  expect(server.connections).toEqual([]);
  expect(destroyed).toBe(true);
  await client.close();
});
