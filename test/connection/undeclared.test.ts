/** A service of which one method has no command. */
import { afterEach, describe, expect, it } from "vitest";
import type { MethodDefinition, ServiceDefinition } from "../../src/client/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const bare = <M extends MethodDefinition>(method: M) => ({ ...method, options: {} });
const { echo, count, sum, note } = TestServiceDefinition.methods;

/** The test service as it would be if each kind of method were missing its command once. */
const Definition = {
  ...TestServiceDefinition,
  methods: {
    echo,
    count,
    bareEcho: bare({ ...echo, name: "BareEcho" }),
    bareCount: bare({ ...count, name: "BareCount" }),
    bareSum: bare({ ...sum, name: "BareSum" }),
    bareNote: bare({ ...note, name: "BareNote" }),
  },
} satisfies ServiceDefinition;

const naming = (name: string) =>
  expect.objectContaining({
    code: "invalid-option",
    message: expect.stringContaining(`test.v1.TestService/${name} has no (framewire.v1.command) option`),
  });

describe("service(Def) with methods without a command", () => {
  it("works for the others, and names the method when it is called, with the caller's line, on both ends", async () => {
    const server = bench.server();
    server.implement(TestServiceDefinition, testService());
    const client = await bench.client(await JOINTS[0]!.open(server));
    client.implement(TestServiceDefinition, testService());
    for (const service of [client.service(Definition), server.connections[0]!.service(Definition)]) {
      expect((await service.echo({ text: "works" })).text).toBe("works");
      const numbers: number[] = [];
      for await (const { number } of service.count({ count: 2 })) numbers.push(number);
      expect(numbers).toEqual([1, 2]);
      await expect(service.bareEcho({})).rejects.toEqual(naming("BareEcho"));
      await expect(service.bareSum([])).rejects.toEqual(naming("BareSum"));
      await expect(service.bareNote({})).rejects.toEqual(naming("BareNote"));
      const read = async () => {
        for await (const _ of service.bareCount({}));
      };
      await expect(read()).rejects.toEqual(naming("BareCount"));
      const error = await service.bareEcho({}).catch((thrown: Error) => thrown);
      expect((error as Error).stack).toContain("undeclared.test.ts");
    }
  });

  it("is refused where it cannot work: an implementation of such a method, a broadcast, a send", async () => {
    const server = bench.server();
    expect(() => server.implement(Definition, { bareEcho: () => ({}) })).toThrow(naming("BareEcho"));
    expect(() => server.broadcast(Definition.methods.bareNote, {})).toThrow(/BareNote has no/);
    server.implement(Definition, { echo: ({ text }) => ({ text }) });
    const client = await bench.client(await JOINTS[0]!.open(server));
    expect((await client.service(Definition).echo({ text: "served" })).text).toBe("served");
    await expect(client.send(Definition.methods.bareNote, {})).rejects.toMatchObject({
      message: expect.stringContaining("BareNote has no"),
    });
  });
});
