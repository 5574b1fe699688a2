import { expect, it } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { Outbox } from "../../src/outbox/outbox.js";
import { createServer, type Server } from "../../src/server/index.js";
import { MemoryNetwork, SeededRandom, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { MemoryDisk } from "../helpers/memory-storage.js";
import { runs } from "../helpers/runs.js";
import { sleep } from "../helpers/session-run.js";

const RUNS = runs(60);
const LATENCY = { latencyMs: 5, jitterMs: 5 };

async function* endless() {
  yield { number: 1n };
  await new Promise(() => {});
}

/** One client after the other that crashes at a random moment, all with the same outbox. */
interface Run {
  /** What `send` or `written` had confirmed before a crash. */
  readonly accepted: Set<string>;
  /** In the order it was handled. */
  readonly handled: string[];
  /** Replies that were another call's. */
  readonly wrong: string[];
  readonly crashes: number;
  readonly left: number;
}

async function run(seed: number, restarts: boolean): Promise<Run> {
  const random = new SeededRandom(seed);
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock, seed, faults: { up: LATENCY, down: LATENCY } });
  const handled: string[] = [];
  const accepted = new Set<string>();
  const wrong: string[] = [];
  const servers: Server[] = [];
  const serve = () => {
    const server = createServer({ clock, ackDelayMs: random.pick([0, 25]) });
    server.implement(TestServiceDefinition, {
      note: ({ text }) => void handled.push(text),
      echo: async ({ text, delayMs }) => {
        handled.push(text);
        await sleep(clock, delayMs);
        return { text };
      },
      sum: async (requests) => {
        for await (const _ of requests);
        return { sum: 0n };
      },
    });
    servers.push(server);
  };
  serve();
  const disk = new MemoryDisk();
  let text = 0;

  /** A client that works for a while. */
  const live = async (life: number): Promise<{ client: Client; outbox: Outbox; kill: () => void }> => {
    const outbox = await Outbox.over(disk.open(clock, random.pick([0, 0, 3, 20])));
    let alive = true;
    const connector: ClientOptions["connector"] = (...given) =>
      alive ? network.connector(servers.at(-1)!)(...given) : new Promise(() => {});
    const client = createClient("ws://memory", {
      clock,
      connector: connector as NonNullable<typeof connector>,
      outbox,
      random: random.next,
      reconnect: { baseMs: 10, maxMs: 50, retries: Number.POSITIVE_INFINITY },
    });
    client.connect().catch(() => {});
    const service = client.service(TestServiceDefinition);
    const act = () => {
      if (!alive) return;
      const own = `${life}.${text++}`;
      switch (random.between(0, 5)) {
        case 0:
          service
            .echo({ text: own, delayMs: random.pick([0, 10, 100]) }, { timeoutMs: 0 })
            .then((reply) => reply.text !== own && wrong.push(`${own} got ${reply.text}`))
            .catch(() => {});
          outbox.written().then(
            () => alive && accepted.add(own),
            () => {},
          );
          break;
        case 1:
          // Keeps numbers of calls and sequences busy that no outbox knows of.
          service.sum(endless(), { timeoutMs: 0 }).catch(() => {});
          break;
        default:
          service.note({ text: own }).then(
            () => alive && accepted.add(own),
            () => {},
          );
      }
      clock.setTimer(random.between(0, 8), act);
    };
    act();
    return {
      client,
      outbox,
      kill: () => {
        alive = false;
        disk.crash(random.next());
        network.cut();
      },
    };
  };

  const lives = random.between(2, 5);
  for (let life = 0; life < lives; life++) {
    const { kill } = await live(life);
    await clock.advance(random.between(0, 150));
    if (random.next() < 0.3) network.cut();
    await clock.advance(random.between(0, 60));
    if (restarts && random.next() < 0.5) {
      serve();
      network.cut();
      await clock.advance(random.between(0, 60));
    }
    kill();
    await clock.advance(random.pick([0, 0, 30]));
  }
  const outbox = await Outbox.over(disk.open(clock, 0));
  const client = createClient("ws://memory", { clock, connector: network.connector(servers.at(-1)!), outbox, random: random.next });
  await Promise.all([client.connect(), clock.advance(100)]);
  await clock.advance(2000);
  const left = outbox.size;
  const stuck = servers.at(-1)!.connections.reduce((sum, { inFlight }) => sum + inFlight, 0);
  // Streams of clients that have crashed were ended when the next one came.
  if (stuck > 0) wrong.push(`${stuck} calls of clients that are no more are still served`);
  await client.close();
  for (const server of servers) await server.close();
  return { accepted, handled, wrong, crashes: lives, left };
}

it(`in ${RUNS} runs of clients that crash at any moment nothing accepted is lost, and nothing is handled twice`, {
  timeout: 60_000,
}, async () => {
  const total = { accepted: 0, handled: 0, crashes: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const { accepted, handled, wrong, crashes, left } = await run(seed, false);
    const once = new Set(handled);
    const lost = [...accepted].filter((text) => !once.has(text));
    const twice = handled.filter((text, i) => handled.indexOf(text) !== i);
    expect({ seed, lost, twice, wrong, left }).toEqual({ seed, lost: [], twice: [], wrong: [], left: 0 });
    total.accepted += accepted.size;
    total.handled += handled.length;
    total.crashes += crashes;
  }
  console.log(`${total.crashes} crashes: ${total.accepted} sends and calls accepted, ${total.handled} handled, 0 lost, 0 handled twice`);
  expect(total.accepted).toBeGreaterThan(20 * RUNS);
});

it("with servers that restart as well nothing accepted is lost, and no reply is another call's", { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= RUNS / 3; seed++) {
    const { accepted, handled, wrong, left } = await run(seed, true);
    const lost = [...accepted].filter((text) => !handled.includes(text));
    expect({ seed, lost, wrong, left }).toEqual({ seed, lost: [], wrong: [], left: 0 });
  }
});
