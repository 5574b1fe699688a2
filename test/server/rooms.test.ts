import { afterEach, expect, expectTypeOf, it } from "vitest";
import { createServer, type ListenAddress, type Server, type ServerConnection } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const { note } = TestServiceDefinition.methods;

/** A server with clients of these names; `got` is what they have received. */
async function rig(
  ...names: string[]
): Promise<{ server: Server; connections: ServerConnection[]; got: string[]; settle: () => Promise<void> }> {
  const server = bench.server();
  const got: string[] = [];
  const clients = [];
  for (const name of names) {
    const client = await bench.client(await JOINTS[0]!.open(server));
    client.implement(TestServiceDefinition, {
      note: ({ text }: { text: string }) => void got.push(`${name} ${text}`),
      echo: () => ({}),
    });
    clients.push(client);
  }
  const { connections } = server;
  // Messages arrive in order: before the answers of these calls.
  const settle = async () => void (await Promise.all(connections.map((each) => each.service(TestServiceDefinition).echo({}))));
  return { server, connections, got, settle };
}

it("a send to several rooms reaches each member once, and none of those in `except`", async () => {
  const { server, connections, got, settle } = await rig("a", "b", "c", "d");
  const [a, b, c] = connections as [ServerConnection, ServerConnection, ServerConnection];
  await Promise.all([a.join("red"), b.join("red"), b.join("blue"), c.join("blue")]);
  server.to(["red", "blue"]).send(note, { text: "both" });
  server.to(["red", "blue"], { except: b }).send(note, { text: "not b" });
  server.to("red", { except: [a, b] }).send(note, { text: "none" });
  await settle();
  expect(got.sort()).toEqual(["a both", "a not b", "b both", "c both", "c not b"]);
  expect(() => server.to("red", { exept: a } as never)).toThrow("except");
});

it("the members of a room are its connections until they leave or end", async () => {
  const { server, connections } = await rig("a", "b");
  const [a, b] = connections as [ServerConnection, ServerConnection];
  expect(await server.members("red")).toEqual([]);
  await Promise.all([a.join("red"), b.join("red")]);
  expect(await server.members("red")).toEqual([a, b]);
  await a.leave("red");
  b.close();
  expect(await server.members("red")).toEqual([]);
});

it("a server is closed at the end of an `await using` block", async () => {
  let port: number;
  {
    await using server = createServer();
    const { tcp } = await server.listen({ tcp: {} });
    ({ port } = tcp);
    await expect(createServer().listen({ tcp: { port } })).rejects.toMatchObject({ code: "connect-failed" });
  }
  const next = createServer();
  expect((await next.listen({ tcp: { port } })).tcp.port).toBe(port);
  await next.close();
});

it("the addresses of `listen` are typed by what was asked for", () => {
  const server = bench.server();
  const listens = {
    ws: () => server.listen({ ws: {} }),
    both: () => server.listen({ ws: {}, tcp: {} }),
    perhaps: (port?: number) => server.listen(port === undefined ? {} : { tcp: { port } }),
    // @ts-expect-error an option that is misspelt
    misspelt: () => server.listen({ ws: { prot: 1 } }),
  };
  expectTypeOf<Awaited<ReturnType<typeof listens.ws>>>().toEqualTypeOf<{ readonly ws: ListenAddress }>();
  expectTypeOf<Awaited<ReturnType<typeof listens.both>>>().toEqualTypeOf<{ readonly ws: ListenAddress; readonly tcp: ListenAddress }>();
  expectTypeOf<Awaited<ReturnType<typeof listens.perhaps>>["tcp"]>().toEqualTypeOf<ListenAddress | undefined>();
});
