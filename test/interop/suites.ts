/** What every peer in another language is asked to do; each test file hands in its language. */
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { DEFAULTS } from "../../src/options.js";
import { createServer, type Server } from "../../src/server/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { loadVectors } from "../vectors/load.js";
import { Mishaps } from "./mishaps.js";
import { buildPeer, type Language, type Peer, type PeerProcess } from "./peers.js";

type Transport = "tcp" | "ws";

const FRAME_KIND_PONG = 10;
const NOTES = Array.from({ length: 20 }, (_, i) => `note ${i + 1}!`);

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A server of the test service behind a proxy, and what it saw. */
async function serveBehindProxy(transport: Transport) {
  const notes: string[] = [];
  const seen = { pongs: 0, disconnections: [] as string[] };
  const server: Server = createServer({ heartbeatIntervalMs: 150, heartbeatTimeoutMs: 5000 });
  const service = testService(notes);
  let port = 0;
  const proxy = new Mishaps(() => port);
  server.implement(TestServiceDefinition, {
    ...service,
    echo: async (request, context) => {
      if (request.text === "damage the reply" && transport === "tcp") proxy.damage("down", request.text);
      if (request.text === "cut") proxy.cut();
      return service.echo!(request, context);
    },
  });
  server.on("frame", ({ direction, kind }) => {
    if (direction === "in" && kind === FRAME_KIND_PONG) seen.pongs++;
  });
  server.on("disconnection", (_connection, { message }) => seen.disconnections.push(message));
  const address = await server.listen(transport === "tcp" ? { tcp: {} } : { ws: {} });
  port = Number(new URL((address.tcp ?? address.ws)!.url).port);
  ends.push(
    () => server.close(),
    () => proxy.close(),
  );
  return { url: `${transport}://127.0.0.1:${await proxy.listen()}`, server, proxy, notes, seen };
}

/** Tests of one language's peer. `transports`: what it speaks; `server`: whether it serves too. */
export function peerSuite(language: Language, { transports, server }: { transports: readonly Transport[]; server: boolean }): void {
  let peer: Peer;
  beforeAll(async () => {
    peer = await buildPeer(language);
  });

  describe(`the decoder in ${language.name}`, () => {
    it("finds the frames of every vector, whole and byte by byte", async () => {
      const lines: string[] = [];
      const expected: string[] = [];
      for (const [file, { cases }] of loadVectors()) {
        if (file === "close") continue;
        for (const { name, options = {}, stream, frames } of cases) {
          const { magic, maxPayload, maxTrailer, minVersion, checksumSeed = "-" } = { ...DEFAULTS, ...options };
          const hex = stream.join("").replaceAll(" ", "").toLowerCase();
          const found = frames.map(({ version, cmd, payload, start, end }) =>
            [version, cmd, payload.replaceAll(" ", "").toLowerCase(), hex.slice(2 * start, 2 * end)].join(":"),
          );
          for (const size of [0, 1]) {
            lines.push([size, magic, minVersion, checksumSeed, maxPayload, maxTrailer, hex].join(" "));
            expected.push(`${file}: ${name}, ${size}: ${found.join(" ")}`);
          }
        }
      }
      const decoding = peer.start("decode");
      expect(await decoding.end(`${lines.join("\n")}\n`), decoding.lines.join("\n").slice(-2000)).toBe(0);
      const labels = expected.map((text) => text.slice(0, text.indexOf(": ", text.lastIndexOf(", ")) + 2));
      expect(decoding.lines.map((line, i) => labels[i] + line)).toEqual(expected);
      expect(expected.length).toBeGreaterThan(200);
    });
  });

  describe.each(transports)(`a client in ${language.name} over %s`, (transport) => {
    it("speaks version 2: calls, errors, a stream with credit, pings, damage, a cut and a resume", async () => {
      const { url, server, proxy, notes, seen } = await serveBehindProxy(transport);
      if (transport === "tcp") proxy.damage("up", "note 7!");
      const client = peer.start("client", url, "2");
      const code = await client.end();
      expect(client.lines).toEqual([
        "welcome verdict 0",
        "echo Grüß dich, 世界 -9007199254740993 same",
        "refused 5 there is no such echo",
        "large same",
        "count 300 sum 45150 same",
        "sample never sent again",
        "pong are you there",
        "answered pings yes",
        "echo behind the notes",
        "echo damage the reply",
        `asked again ${transport === "tcp" ? "yes" : "no"}`,
        "echo cut verdicts 0 1",
        "closed",
      ]);
      expect(code).toBe(0);
      expect(notes).toEqual(NOTES);
      expect(proxy.damaged).toBe(transport === "tcp" ? 2 : 0);
      expect(proxy.links).toBe(2);
      expect(seen.pongs).toBeGreaterThan(0);
      // It said goodbye: the session is not kept for a resume.
      await expect.poll(() => server.sessions.sessions).toBe(0);
      expect(seen.disconnections).toHaveLength(1);
    });

    it("speaks version 1: replies in order, one-way messages, and a damaged frame that costs no other", async () => {
      const { url, proxy, notes } = await serveBehindProxy(transport);
      // The tag of the payload in front of this note: 2A 09 0A 07 and the text.
      if (transport === "tcp") proxy.damage("up", "note 7!", -4);
      const client = peer.start("client", url, "1");
      const code = await client.end();
      expect(client.lines).toEqual([
        "echo Grüß dich, 世界 -9007199254740993",
        "echo two -9007199254740993",
        "echo three -9007199254740993",
        "large same",
        "echo behind the notes",
        "closed",
      ]);
      expect(code).toBe(0);
      expect(proxy.damaged).toBe(transport === "tcp" ? 1 : 0);
      expect(notes).toEqual(NOTES.filter((note) => transport !== "tcp" || note !== "note 7!"));
    });
  });

  if (server) describe.each(transports)(`a server in ${language.name} over %s`, (transport) => serverSuite(() => peer, transport));
}

function serverSuite(peer: () => Peer, transport: Transport): void {
  async function open(options: ClientOptions): Promise<{ client: Client; proxy: Mishaps; serving: PeerProcess }> {
    const serving = peer().start("server", transport);
    ends.push(() => serving.end());
    const port = Number((await serving.printed(/^listening (\d+)$/))[1]);
    const proxy = new Mishaps(() => port);
    ends.unshift(() => proxy.close());
    const client = createClient(`${transport}://127.0.0.1:${await proxy.listen()}`, { reconnect: { baseMs: 50 }, ...options });
    ends.unshift(() => client.close());
    await client.connect();
    return { client, proxy, serving };
  }

  it("serves version 2: calls, errors, streams with credit both ways, pings, damage, a cut and a resume", async () => {
    const { client, proxy, serving } = await open({ initialCredit: 4096 });
    const service = client.service(TestServiceDefinition);
    const echo = { text: "Grüß dich, 世界", id: -(2n ** 53n) - 1n, data: Uint8Array.from({ length: 256 }, (_, i) => i) };
    expect(client.version).toBe(2);
    expect(await service.echo(echo)).toEqual(echo);
    await expect(service.echo({ text: "refuse" })).rejects.toMatchObject({ code: "not-found", message: "there is no such echo" });
    await expect(service.sample({ text: "nobody serves this" })).rejects.toMatchObject({ code: "unimplemented" });
    const large = new Uint8Array(700_000).fill(7);
    expect(Buffer.compare((await service.echo({ data: large })).data, large)).toBe(0);

    const numbers: number[] = [];
    for await (const { number, padding } of service.count({ count: 100, padding: 1000 })) {
      expect(padding.length).toBe(1000);
      numbers.push(number);
    }
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    const summands = async function* () {
      for (let i = 1n; i <= 200n; i++) yield { number: i };
    };
    expect(await service.sum(summands())).toEqual({ sum: 20_100n });
    await service.echo({ text: "wait", delayMs: 600 });
    await serving.printed(/^pong$/);

    if (transport === "tcp") proxy.damage("up", "note 7!");
    for (const text of NOTES) await service.note({ text });
    expect((await service.echo({ text: "behind the notes" })).text).toBe("behind the notes");
    if (transport === "tcp") proxy.damage("down", "damage the reply");
    expect((await service.echo({ text: "damage the reply" })).text).toBe("damage the reply");
    expect(proxy.damaged).toBe(transport === "tcp" ? 2 : 0);

    const resumed: unknown[] = [];
    client.on("state", (state, detail) => state === "connected" && resumed.push(detail.resumed));
    const cut = service.echo({ text: "over the cut", delayMs: 300 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    proxy.cut();
    expect((await cut).text).toBe("over the cut");
    expect(resumed).toEqual([true]);
    expect(serving.lines.filter((line) => /^(note|session)/.test(line))).toEqual([
      "session unspecified",
      ...NOTES.map((note) => `note ${note}`),
      "session resumed",
    ]);
  });

  it("serves version 1: replies in order, one-way messages, and a damaged frame that costs no other", async () => {
    const { client, proxy, serving } = await open({ version: 1 });
    const service = client.service(TestServiceDefinition);
    expect(client.version).toBe(1);
    const texts = ["Grüß dich, 世界", "two", "three"];
    const replies = await Promise.all(texts.map((text) => service.echo({ text })));
    expect(replies.map(({ text }) => text)).toEqual(texts);
    if (transport === "tcp") proxy.damage("up", "note 7!", -4);
    for (const text of NOTES) await service.note({ text });
    expect((await service.echo({ text: "behind the notes" })).text).toBe("behind the notes");
    const arrived = NOTES.filter((note) => transport !== "tcp" || note !== "note 7!");
    expect(serving.lines.filter((line) => line.startsWith("note"))).toEqual(arrived.map((note) => `note ${note}`));
  });
}
