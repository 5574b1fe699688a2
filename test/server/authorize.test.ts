import { afterEach, describe, expect, it } from "vitest";
import { FramewireError } from "../../src/errors.js";
import type { ServerOptions } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

async function join(options: ServerOptions, version: 1 | 2 = 2) {
  const server = bench.server(options);
  const served: string[] = [];
  server.use((context, next) => {
    served.push(context.command.name);
    return next();
  });
  const notes: string[] = [];
  server.implement(TestServiceDefinition, testService(notes));
  const failures: unknown[] = [];
  server.on("failure", ({ error }) => failures.push(error));
  const client = await bench.client(await JOINTS[0]!.open(server), { version, timeoutMs: 100 });
  return { service: client.service(TestServiceDefinition), served, notes, failures };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "resolved",
    ({ code }: FramewireError) => code,
  );

/** A promise that is no Promise, as some libraries make them. */
function otherMake(value: boolean): Promise<boolean> {
  // biome-ignore lint/suspicious/noThenProperty: this is what it is about
  return { then: (resolve: (value: boolean) => void) => resolve(value) } as Promise<boolean>;
}

async function first(stream: AsyncIterable<unknown>): Promise<unknown> {
  for await (const item of stream) return item;
  return undefined;
}

describe("an authorize hook", () => {
  it.each<[string, ServerOptions["authorize"], string]>([
    ["that returns nothing lets the call pass", () => {}, "resolved"],
    ["that resolves lets it pass", async () => {}, "resolved"],
    ["that returns true lets it pass", () => true, "resolved"],
    ["that returns false refuses it", () => false, "permission-denied"],
    ["that resolves with false refuses it", async () => false, "permission-denied"],
    [
      "that throws refuses it with its own code",
      () => {
        throw new FramewireError("unauthenticated", "log in first");
      },
      "unauthenticated",
    ],
    ["that rejects refuses it", () => Promise.reject(new FramewireError("permission-denied", "no")), "permission-denied"],
    ["whose promise is of another make is waited for", () => otherMake(false), "permission-denied"],
    [
      "that breaks refuses it, and what broke stays here",
      () => {
        throw new TypeError("secret");
      },
      "internal",
    ],
  ])("%s", async (_name, authorize, outcome) => {
    const { service, served, failures } = await join(authorize === undefined ? {} : { authorize });
    expect(await codeOf(service.echo({ text: "x" }))).toBe(outcome);
    expect(served).toEqual(outcome === "resolved" ? ["test.v1.TestService/Echo"] : []);
    expect(failures).toHaveLength(outcome === "internal" ? 1 : 0);
  });

  it("is asked before calls of every kind, messages and version 1 calls included, and knows the command and the caller", async () => {
    const asked: string[] = [];
    const options: ServerOptions = {
      authenticate: ({ version }) => ({ identity: `peer ${version}` }),
      authorize: ({ command, connection }) => {
        asked.push(`${command.name.split("/")[1]} for ${connection.identity}`);
        return false;
      },
    };
    const two = await join(options);
    expect(await codeOf(two.service.echo({}))).toBe("permission-denied");
    expect(await codeOf(two.service.sum([{ number: 1n }]))).toBe("permission-denied");
    for (const stream of [two.service.count({ count: 1 }), two.service.chat([{ text: "a" }])]) {
      expect(await codeOf(first(stream))).toBe("permission-denied");
    }
    await two.service.note({ text: "unheard" });
    // It is on its way by another socket than the call below.
    await expect.poll(() => asked.length).toBe(5);
    const one = await join(options, 1);
    expect(await codeOf(one.service.echo({}))).toBe("deadline-exceeded");
    expect(asked).toEqual([...["Echo", "Sum", "Count", "Chat", "Note"].map((method) => `${method} for peer 2`), "Echo for peer 1"]);
    expect([two.served, two.notes, one.served]).toEqual([[], [], []]);
  });
});
