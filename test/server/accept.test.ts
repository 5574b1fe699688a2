import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { type CloseErrorCode, closeCodeOf } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { DEFAULTS } from "../../src/options.js";
import type { Authentication, Server, ServerOptions } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { helloFrame, type RawKind, RawPeer } from "../helpers/raw-peer.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };
const KINDS: readonly RawKind[] = ["WebSocket", "TCP", "TLS"];

/** How versions are called below our frames. */
const NAMES: Readonly<Record<RawKind, (version: number) => readonly string[]>> = {
  WebSocket: (version) => [`framewire.v${version}`],
  TLS: (version) => [`framewire/${version}`],
  TCP: () => [],
};

async function open(kind: RawKind, options: ServerOptions = {}): Promise<{ server: Server; url: string }> {
  const server = bench.server(options);
  if (kind === "WebSocket") return { server, url: (await server.listen({ ws: {} })).ws!.url };
  return { server, url: (await server.listen({ tcp: kind === "TLS" ? { tls: TLS } : {} })).tcp!.url };
}

interface Case {
  readonly name: string;
  readonly code: CloseErrorCode;
  readonly options?: ServerOptions;
  /** Names offered; by default those of version 2. */
  readonly protocols?: (kind: RawKind) => readonly string[];
  readonly sent?: Uint8Array;
  readonly kinds?: readonly RawKind[];
}

const damagedHello = helloFrame();
damagedHello[damagedHello.length - 1]! ^= 1;
const frame = { version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO };

const CASES: readonly Case[] = [
  { name: "a hello that is damaged", code: "resync-budget", sent: damagedHello },
  { name: "a hello that is damaged, and one behind it", code: "resync-budget", sent: Buffer.concat([damagedHello, helloFrame()]) },
  { name: "something else than frames", code: "resync-budget", sent: Buffer.from("EHLO client.example\r\n") },
  { name: "a hello that cannot be read", code: "protocol-violation", sent: encodeFrame({ ...frame, payload: Uint8Array.of(0xff, 0xff) }) },
  { name: "a first frame that is no hello", code: "protocol-violation", sent: encodeFrame({ version: 2, cmd: 257 }) },
  { name: "a hello from the future", code: "version-unsupported", sent: helloFrame({ minVersion: 3, maxVersion: 9 }) },
  { name: "a hello from the past", code: "version-unsupported", sent: helloFrame({ minVersion: 1, maxVersion: 1 }) },
  {
    name: "a first frame that claims more than a hello may have",
    code: "frame-too-large",
    options: { maxPayload: 1024 },
    sent: helloFrame({ credentials: new Uint8Array(70_000) }).subarray(0, 18),
  },
  {
    name: "a hello above 64 KiB, credentials included",
    code: "frame-too-large",
    sent: helloFrame({ credentials: new Uint8Array(65_536) }),
  },
  {
    name: "names of the future only",
    code: "version-unsupported",
    kinds: ["WebSocket", "TLS"],
    protocols: (kind) => [...NAMES[kind](4), ...NAMES[kind](3)],
  },
  {
    name: "names of somebody else only",
    code: "version-unsupported",
    kinds: ["WebSocket", "TLS"],
    protocols: () => ["h2", "graphql-transport-ws"],
  },
  {
    name: "version 1 by name, where it is no longer served",
    code: "version-unsupported",
    kinds: ["WebSocket", "TLS"],
    options: { minVersion: 2 },
    protocols: (kind) => NAMES[kind](1),
  },
  {
    name: "version 1 by its first frame, where it is no longer served",
    code: "version-unsupported",
    options: { minVersion: 2 },
    protocols: () => [],
    sent: encodeFrame({ cmd: 257 }),
  },
  {
    name: "a version 1 frame where version 2 was agreed on",
    code: "protocol-violation",
    kinds: ["WebSocket", "TLS"],
    sent: Buffer.concat([encodeFrame({ cmd: 257, payload: new Uint8Array(3) }), helloFrame()]),
  },
  {
    name: "a hook that fails",
    code: "unavailable",
    options: {
      logger: false,
      authenticate: () => {
        throw new Error("a secret of the house");
      },
    },
    sent: helloFrame(),
  },
];

for (const kind of KINDS) {
  describe(`over ${kind}`, () => {
    for (const { name, code, options = {}, protocols, sent, kinds = KINDS } of CASES) {
      if (!kinds.includes(kind)) continue;
      it(`${name}: closes with ${code}`, async () => {
        const { server, url } = await open(kind, options);
        const refused: number[] = [];
        server.on("refused", ({ closeCode }) => refused.push(closeCode));
        const peer = await RawPeer.connect(url, { protocols: (protocols ?? ((k) => NAMES[k](2)))(kind) });
        if (sent !== undefined) peer.send(sent);
        const end = await peer.ended;
        expect(end.code).toBe(closeCodeOf(code));
        expect(end.reason).not.toContain("secret");
        expect(refused).toEqual([closeCodeOf(code)]);
        await expect.poll(() => server.stats.sockets).toBe(0);
        expect(server.stats).toMatchObject({ handshakes: 0, sessions: 0, accepted: 1 });
        expect({ ...server.stats.limits, ...server.stats.disconnects }).toMatchObject({ [code]: 1 });
      });
    }

    it("no first frame: closes with handshake-timeout, at its time", async () => {
      const clock = new VirtualClock();
      const { server, url } = await open(kind, { clock });
      const limits: unknown[] = [];
      server.on("limit", (event) => limits.push(event));
      const peer = await RawPeer.connect(url, { protocols: NAMES[kind](2) });
      await expect.poll(() => server.stats.accepted).toBe(1);
      await clock.advance(DEFAULTS.handshakeTimeoutMs - 1);
      expect(server.stats.handshakes).toBe(1);
      await clock.advance(1);
      expect((await peer.ended).code).toBe(4500);
      expect(limits).toEqual([
        {
          code: "handshake-timeout",
          message: "no handshake within 8000 ms (handshakeTimeoutMs)",
          address: "127.0.0.1",
          connection: undefined,
        },
      ]);
    });

    it("a hello is welcomed with the server's limits and a fresh seed each time", async () => {
      const { url } = await open(kind, { maxPayload: 5000, maxCalls: 7 });
      const welcomes = await Promise.all(
        [1, 2].map(async () => (await RawPeer.connect(url, { protocols: NAMES[kind](2) })).greet({ maxVersion: 3 })),
      );
      for (const welcome of welcomes) {
        expect(welcome).toMatchObject({ version: 2, limits: { maxPayload: 5000, maxCalls: 7, initialCredit: DEFAULTS.initialCredit } });
      }
      expect(welcomes[0]!.checksumSeed).not.toBe(welcomes[1]!.checksumSeed);
    });

    it("the best of the names offered is chosen, and version 2 needs no name", async () => {
      const { server, url } = await open(kind);
      const names = kind === "TCP" ? [] : [...NAMES[kind](3), ...NAMES[kind](1), ...NAMES[kind](2)];
      for (const protocols of [names, []]) await (await RawPeer.connect(url, { protocols })).greet();
      expect(server.connections.map(({ version }) => version)).toEqual([2, 2]);
    });
  });
}

describe("an authenticate hook", () => {
  it("that outlasts the client leaves no session behind", async () => {
    let decide: ((authentication: Authentication) => void) | undefined;
    const { server, url } = await open("TCP", { authenticate: () => new Promise((resolve) => (decide = resolve)) });
    const peer = await RawPeer.connect(url);
    peer.send(helloFrame());
    await expect.poll(() => decide).toBeDefined();
    peer.destroy();
    await expect.poll(() => server.stats.sockets).toBe(0);
    decide?.({ identity: "late" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.stats.sessions).toBe(0);
    expect(server.connections).toEqual([]);
  });

  it("that never decides is ended by the handshake's deadline", async () => {
    const clock = new VirtualClock();
    const { server, url } = await open("TCP", { clock, authenticate: () => new Promise(() => {}) });
    const peer = await RawPeer.connect(url);
    peer.send(helloFrame());
    await expect.poll(() => server.stats.accepted).toBe(1);
    await clock.advance(DEFAULTS.handshakeTimeoutMs);
    expect((await peer.ended).code).toBe(4500);
  });

  it("whose promise is of another make is waited for all the same", async () => {
    // biome-ignore lint/suspicious/noThenProperty: a promise of another make is what this is about
    const refusing = { then: (_resolve: unknown, reject: (error: Error) => void) => reject(new Error("no")) };
    const { server, url } = await open("TCP", { authenticate: () => refusing as unknown as Promise<Authentication> });
    const peer = await RawPeer.connect(url);
    peer.send(helloFrame());
    expect((await peer.ended).code).toBe(4514);
    expect(server.connections).toEqual([]);
  });

  it("sees the headers and the path of the upgrade, for version 1 and 2, and its verdict is the identity", async () => {
    const seen: unknown[] = [];
    const { server, url } = await open("WebSocket", {
      authenticate: ({ upgrade, version, transport, credentials }) => {
        seen.push([version, upgrade?.url, upgrade?.headers.cookie, transport.kind, Buffer.from(credentials).toString()]);
        return { identity: { user: upgrade?.headers.cookie } };
      },
    });
    const headers = { Cookie: "session=17" };
    await RawPeer.connect(`${url}/chat?room=1`, { protocols: ["framewire.v1"], headers });
    await (await RawPeer.connect(`${url}/chat?room=2`, { protocols: ["framewire.v2"], headers })).greet({
      credentials: Buffer.from("token"),
    });
    expect(seen).toEqual([
      [1, "/chat?room=1", "session=17", "ws", ""],
      [2, "/chat?room=2", "session=17", "ws", "token"],
    ]);
    expect(server.connections.map(({ identity }) => identity)).toEqual([{ user: "session=17" }, { user: "session=17" }]);
  });

  it("has no upgrade to look at on TCP", async () => {
    let upgrade: unknown = "not asked";
    const { url } = await open("TCP", { authenticate: (request) => ({ identity: (upgrade = request.upgrade) }) });
    await (await RawPeer.connect(url)).greet();
    expect(upgrade).toBeUndefined();
  });
});
