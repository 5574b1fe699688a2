/** A caller keeps to the number of calls that its peer takes at once: further calls wait, or fail without a frame. */
import { afterEach, describe, expect, it } from "vitest";
import type { Client, ClientOptions } from "../../src/client/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import type { Server } from "../../src/server/index.js";
import { connectionOf } from "../../src/server/server-connection.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { type EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

interface World {
  readonly server: Server;
  readonly client: Client;
  /** Texts of the calls that have reached the server, in order. */
  readonly served: string[];
  /** The most that were served at once. */
  readonly most: () => number;
  /** Lets the call with this text, or all, end. */
  end(text?: string): Promise<void>;
}

/** A server that takes two calls at once and answers when it is told to. */
async function world(options: ClientOptions = {}, connect = true): Promise<World> {
  const served: string[] = [];
  const open = new Map<string, () => void>();
  let most = 0;
  const server = bench.server({ maxCalls: 2 });
  server.implement(TestServiceDefinition, {
    ...testService(),
    echo: ({ text }: EchoRequest) =>
      new Promise((resolve) => {
        served.push(text);
        open.set(text, () => resolve({ text }));
        most = Math.max(most, open.size);
      }),
  });
  const make = await JOINTS[0]!.open(server);
  const client = connect ? await bench.client(make, options) : make({ reconnect: false, ...options });
  const end = async (text?: string) => {
    for (const [name, answer] of [...open]) {
      if (text !== undefined && name !== text) continue;
      open.delete(name);
      answer();
    }
    await turns();
  };
  return { server, client, served, most: () => most, end };
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("calls above the peer's max_calls", () => {
  it("wait for others to end, in the order that they were made; messages do not wait", async () => {
    const { client, served, end, most } = await world();
    const service = client.service(TestServiceDefinition);
    const replies = ["a", "b", "c", "d", "e"].map((text) => service.echo({ text }));
    await service.note({ text: "passes" });
    await expect.poll(() => served).toEqual(["a", "b"]);
    await end("b");
    await expect.poll(() => served).toEqual(["a", "b", "c"]);
    while (served.length < 5) await end();
    await end();
    expect((await Promise.all(replies)).map(({ text }) => text)).toEqual(["a", "b", "c", "d", "e"]);
    expect(served).toEqual(["a", "b", "c", "d", "e"]);
    expect(most()).toBe(2);
  });

  it("that waited for the connection keep to them as well", async () => {
    const { client, served, end, most } = await world({}, false);
    const replies = Array.from({ length: 50 }, (_, index) => client.service(TestServiceDefinition).echo({ text: String(index) }));
    await client.connect();
    await turns();
    while (served.length < 50) await end();
    await end();
    expect((await Promise.all(replies)).length).toBe(50);
    expect(served).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
    expect(most()).toBe(2);
    await client.close();
  });

  it("fail at once where they say so, and nothing of them is sent", async () => {
    const { client, served, end } = await world();
    const service = client.service(TestServiceDefinition);
    const first = [service.echo({ text: "a" }), service.echo({ text: "b" })];
    await expect.poll(() => served).toEqual(["a", "b"]);
    let requests = 0;
    client.on("frame", ({ direction, kind }) => {
      if (direction === "out" && kind === FrameKind.FRAME_KIND_REQUEST) requests++;
    });
    await expect(service.echo({ text: "c" }, { whenBusy: "fail" })).rejects.toMatchObject({
      code: "resource-exhausted",
      message: "test.v1.TestService/Echo: 2 calls are in flight, which is the receiver's maxCalls",
    });
    expect([requests, served]).toEqual([0, ["a", "b"]]);
    await end();
    await Promise.all(first);
    const again = service.echo({ text: "d" }, { whenBusy: "fail" });
    await expect.poll(() => served).toEqual(["a", "b", "d"]);
    await end();
    expect(await again).toMatchObject({ text: "d" });
  });

  it("fail as the client's option says, also those that waited for the connection", async () => {
    const { client, served, end } = await world({ whenBusy: "fail" }, false);
    const codes = ["a", "b", "c"].map((text) =>
      client
        .service(TestServiceDefinition)
        .echo({ text })
        .then(
          () => "",
          ({ code }) => code,
        ),
    );
    await client.connect();
    await expect.poll(() => served).toEqual(["a", "b"]);
    await end();
    expect(await Promise.all(codes)).toEqual(["", "", "resource-exhausted"]);
    await client.close();
  });

  it("keep their deadline and their signal while they wait, and give their place up", async () => {
    const { client, served, end } = await world();
    const service = client.service(TestServiceDefinition);
    const running = [service.echo({ text: "a" }), service.echo({ text: "b" })];
    const abort = new AbortController();
    const late = service.echo({ text: "late" }, { timeoutMs: 20 });
    const gone = service.echo({ text: "gone" }, { signal: abort.signal });
    const last = service.echo({ text: "last" });
    abort.abort();
    await expect(gone).rejects.toMatchObject({ code: "cancelled" });
    await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
    await expect.poll(() => served).toEqual(["a", "b"]);
    await end();
    await expect.poll(() => served).toEqual(["a", "b", "last"]);
    await end();
    await Promise.all([...running, last]);
  });

  it("keep to the limits of the queue: its frames, and its time", async () => {
    const clock = new VirtualClock();
    const { client, served, end } = await world({ maxQueuedFrames: 2, maxQueuedMs: 5_000, timeoutMs: 0, clock });
    const service = client.service(TestServiceDefinition);
    const running = [service.echo({ text: "a" }), service.echo({ text: "b" })];
    const waiting = [service.echo({ text: "c" }), service.echo({ text: "d" })].map((call) => call.catch(({ code }) => code));
    await expect(service.echo({ text: "e" })).rejects.toMatchObject({ code: "queue-full" });
    await clock.advance(5_001);
    expect(await Promise.all(waiting)).toEqual(["queue-expired", "queue-expired"]);
    await expect.poll(() => served).toEqual(["a", "b"]);
    await end();
    await Promise.all(running);
  });

  it("that stream send their items behind their request; a source that waits is not read ahead, and is closed when its call ends", async () => {
    const { client, served, end } = await world();
    const service = client.service(TestServiceDefinition);
    const running = [service.echo({ text: "a" }), service.echo({ text: "b" })];
    let given = 0;
    let ended = 0;
    async function* numbers() {
      try {
        for (const number of [1n, 2n, 3n]) {
          given++;
          yield { number };
        }
      } finally {
        ended++;
      }
    }
    const sum = service.sum(numbers());
    const abort = new AbortController();
    const left = service.sum(numbers(), { signal: abort.signal });
    await expect.poll(() => [given, served]).toEqual([2, ["a", "b"]]);
    abort.abort();
    await expect(left).rejects.toMatchObject({ code: "cancelled" });
    await expect.poll(() => ended).toBe(1);
    await end("a");
    expect(await sum).toEqual({ sum: 6n });
    await end();
    await Promise.all(running);
  });

  it("go on in order over another connection of the session", async () => {
    const { server, client, served, end } = await world({ reconnect: { baseMs: 1, jitter: "full" } });
    const service = client.service(TestServiceDefinition);
    const replies = ["a", "b", "c", "d"].map((text) => service.echo({ text }));
    await turns();
    const again = new Promise<void>((resolve) => {
      client.on("state", (state) => {
        if (state === "connected") resolve();
      });
    });
    breakLink(server);
    await again;
    await expect.poll(() => served).toEqual(["a", "b"]);
    while (served.length < 4) await end();
    await end();
    expect((await Promise.all(replies)).map(({ text }) => text)).toEqual(["a", "b", "c", "d"]);
    expect(served).toEqual(["a", "b", "c", "d"]);
  });
});

/** Ends the socket of the one client as a network would. */
function breakLink(server: Server): void {
  const connection = server.connections[0]!;
  connectionOf(connection).link?.fail("write-timeout", "the network is gone");
}
