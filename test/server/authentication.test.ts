/** A session belongs to a client: what `authenticate` returns, and who may resume. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { FramewireError, isRetryable } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { type ResumeRequest, ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import type { PeerCertificate, TransportInfo } from "../../src/link/transport.js";
import { type SessionOwner, sameSubject } from "../../src/server/authentication.js";
import { type AuthenticationRequest, createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { MemoryNetwork, VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { FakeClient } from "../helpers/fake-client.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { recordedLog } from "../helpers/recorded-log.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const { RESUME_VERDICT_REJECTED: REJECTED, RESUME_VERDICT_RESUMED: RESUMED } = ResumeVerdict;

const bench = new Bench();
let clock: VirtualClock;
let warnings: string[];
beforeEach(() => {
  clock = new VirtualClock();
  warnings = [];
});
afterEach(async () => {
  await bench.end();
});

/** Credentials are `user:role`; each user is a subject. */
function byCredentials({ credentials }: AuthenticationRequest) {
  const [user = "", role = ""] = new TextDecoder().decode(credentials).split(":");
  return { identity: { user, role }, subject: user };
}

function open(options: ServerOptions = { authenticate: byCredentials }): Server {
  const log = recordedLog();
  const warn = (facts: object, message: string) => {
    if ("hint" in facts) warnings.push(`${message}: ${facts.hint}`);
  };
  const server = createServer({ clock, logger: { ...log, warn }, ...options });
  server.implement(TestServiceDefinition, testService());
  return server;
}

interface Said extends Partial<ResumeRequest> {
  readonly as?: string;
  readonly info?: Partial<TransportInfo>;
}

/** Comes to the server, with a session to resume if `said` has a token. */
async function come(server: Server, { as = "ada", info = {}, ...said }: Said = {}): Promise<FakeClient> {
  const client = new FakeClient(server, info);
  const resume = { token: new Uint8Array(0), received: 0n, oldest: 1n, restarted: false, attempt: 0, ...said };
  client.sayHello({ credentials: new TextEncoder().encode(as), resume: said.token && resume });
  await clock.runUntilIdle();
  return client;
}

describe("the rule without sameIdentity", () => {
  const certificate = (subject: string): PeerCertificate => ({ subject, subjectAltName: "", spiffeId: undefined });
  const owner = (subject: string | undefined, info: Partial<TransportInfo> = {}): SessionOwner => ({
    identity: undefined,
    subject,
    transport: { kind: "ws", protocol: 2, messages: true, remoteAddress: "192.0.2.1", ...info },
  });
  const phone = { secure: true, certificate: certificate("CN=phone") };

  it.each<[string, SessionOwner, SessionOwner, boolean]>([
    ["the same subject", owner("ada"), owner("ada"), true],
    ["another subject", owner("ada"), owner("bob"), false],
    ["another case of the subject", owner("ada"), owner("Ada"), false],
    ["no subject on either side", owner(undefined), owner(undefined), false],
    ["no subject now", owner("ada"), owner(undefined), false],
    ["no subject before", owner(undefined), owner("ada"), false],
    ["another address and transport", owner("ada"), owner("ada", { kind: "tcp", messages: false, remoteAddress: "192.0.2.2" }), true],
    ["plain to TLS", owner("ada"), owner("ada", { secure: true }), true],
    ["TLS to plain", owner("ada", { secure: true }), owner("ada"), false],
    ["the same certificate subject", owner("ada", phone), owner("ada", phone), true],
    ["another certificate subject", owner("ada", phone), owner("ada", { secure: true, certificate: certificate("CN=tablet") }), false],
    ["no certificate any more", owner("ada", phone), owner("ada", { secure: true }), false],
    ["a certificate where there was none", owner("ada", { secure: true }), owner("ada", phone), true],
  ])("%s", (_name, previous, current, same) => {
    expect(sameSubject(previous, current)).toBe(same);
  });
});

describe("a resume", () => {
  it("by another user who has the token gets a new session with that user's identity, and the owner's goes on", async () => {
    const server = open();
    const owner = await come(server, { as: "ada:user" });
    const [session] = server.connections;
    const thief = await come(server, { as: "eve:user", token: owner.welcome!.token });
    expect(thief.welcome!.verdict).toBe(REJECTED);
    expect(server.connections.map(({ identity }) => identity)).toEqual([
      { user: "ada", role: "user" },
      { user: "eve", role: "user" },
    ]);
    expect([owner.closed, session!.attached]).toEqual([undefined, true]);
    owner.break();
    await clock.runUntilIdle();
    expect((await come(server, { as: "ada:user", token: owner.welcome!.token })).welcome!.verdict).toBe(RESUMED);
    expect(warnings).toEqual([]);
  });

  it("takes the identity of the new authentication: a role that was revoked meanwhile is gone", async () => {
    const roles: string[] = [];
    const authorize: ServerOptions["authorize"] = ({ connection }) => void roles.push((connection.identity as { role: string }).role);
    const server = open({ authenticate: byCredentials, authorize });
    const call = (client: FakeClient, sequence: bigint) =>
      client.send({ cmd: 257, sequence, callId: Number(2n * sequence - 1n), kind: FrameKind.FRAME_KIND_REQUEST });
    const before = await come(server, { as: "ada:admin" });
    const [session] = server.connections;
    call(before, 1n);
    await clock.runUntilIdle();
    const after = await come(server, { as: "ada:user", token: before.welcome!.token });
    expect(after.welcome!.verdict).toBe(RESUMED);
    expect([server.connections, session!.identity]).toEqual([[session], { user: "ada", role: "user" }]);
    call(after, 2n);
    await clock.runUntilIdle();
    expect(roles).toEqual(["admin", "user"]);
  });

  it("that is resumed with a certificate needs it from then on", async () => {
    const server = open();
    const info = { secure: true, certificate: { subject: "CN=phone", subjectAltName: "", spiffeId: undefined } };
    const { token } = (await come(server)).welcome!;
    expect((await come(server, { token, info })).welcome!.verdict).toBe(RESUMED);
    expect((await come(server, { token, info: { secure: true } })).welcome!.verdict).toBe(REJECTED);
    expect((await come(server, { token, info })).welcome!.verdict).toBe(RESUMED);
  });

  it("without authenticate is decided by the token", async () => {
    const server = open({});
    const { token } = (await come(server, { info: { secure: true } })).welcome!;
    expect((await come(server, { as: "eve", token })).welcome!.verdict).toBe(RESUMED);
    expect([server.connections.length, warnings]).toEqual([1, []]);
  });

  it("without a subject is rejected, and one warning says so", async () => {
    const server = open({ authenticate: () => ({ identity: "guest" }) });
    const { token } = (await come(server)).welcome!;
    for (let i = 0; i < 3; i++) expect((await come(server, { token })).welcome!.verdict).toBe(REJECTED);
    expect(warnings).toEqual([
      "a client could not resume its session, as `authenticate` returned no `subject`: return { identity, subject }, or set `sameIdentity`",
    ]);
  });

  it("is decided by sameIdentity where that is given, on both owners", async () => {
    const asked: unknown[] = [];
    const server = open({
      authenticate: ({ credentials }) => ({ identity: new TextDecoder().decode(credentials) }),
      sameIdentity: (previous, current) => {
        asked.push([previous.identity, previous.transport.remoteAddress, current.identity, current.transport.remoteAddress]);
        return previous.identity === current.identity;
      },
    });
    const { token } = (await come(server, { info: { remoteAddress: "192.0.2.1" } })).welcome!;
    expect((await come(server, { as: "eve", token })).welcome!.verdict).toBe(REJECTED);
    expect((await come(server, { token, info: { remoteAddress: "192.0.2.2" } })).welcome!.verdict).toBe(RESUMED);
    expect(asked).toEqual([
      ["ada", "192.0.2.1", "eve", "memory"],
      ["ada", "192.0.2.1", "ada", "192.0.2.2"],
    ]);
    expect(warnings).toEqual([]);
  });

  it.each([
    ["a promise", async () => true],
    ["another value that is true", () => 1],
  ])("is rejected where sameIdentity returns %s", async (_name, sameIdentity) => {
    const server = open({ sameIdentity: sameIdentity as unknown as () => boolean });
    const { token } = (await come(server)).welcome!;
    expect((await come(server, { token })).welcome!.verdict).toBe(REJECTED);
  });

  it("where sameIdentity throws closes that link with unavailable, and the session goes on", async () => {
    const server = open({
      sameIdentity: () => {
        throw new Error("a secret of the house");
      },
    });
    const owner = await come(server);
    const { goaway } = await come(server, { token: owner.welcome!.token });
    expect(goaway).toMatchObject({ closeCode: 4514, reason: "the server could not decide about this client; try again" });
    expect(server.connections.map(({ attached }) => attached)).toEqual([true]);
  });

  it("over a plain WebSocket, by user B with A's token, does not act as A with A's certificate", async () => {
    const server = bench.server({ authenticate: byCredentials });
    const mutual = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem"), ca: tlsFixture("ca.pem"), requestCert: true };
    const { tcp } = await server.listen({ tcp: { tls: { ...mutual, rejectUnauthorized: true } } });
    const { ws } = await server.listen({ ws: {} });
    const own = { key: tlsFixture("client.key"), cert: tlsFixture("client.pem") };
    const hello = (user: string, token?: Uint8Array) => ({
      credentials: Buffer.from(user),
      resume: token && { token, received: 0n, oldest: 1n, restarted: false, attempt: 2 ** 32 - 1 },
    });
    const { token } = await (await RawPeer.connect(tcp!.url, { tls: own })).greet(hello("ada"));
    expect((await (await RawPeer.connect(ws!.url)).greet(hello("eve", token))).verdict).toBe(REJECTED);
    expect((await (await RawPeer.connect(ws!.url)).greet(hello("ada", token))).verdict).toBe(REJECTED);
    expect((await (await RawPeer.connect(tcp!.url, { tls: own })).greet(hello("ada", token))).verdict).toBe(RESUMED);
    expect(server.connections.map(({ transport }) => [transport.kind, transport.secure, transport.certificate?.subject])).toEqual([
      ["tls", true, "CN=client"],
      ["ws", false, undefined],
      ["ws", false, undefined],
    ]);
  });
});

describe("the attempt of a resume", () => {
  it("of somebody else is not recorded: 2^32 - 1 does not lock the owner out", async () => {
    const server = open();
    const { token } = (await come(server)).welcome!;
    await come(server, { as: "eve", token, attempt: 2 ** 32 - 1 });
    const owner = await come(server, { token, attempt: 1 });
    expect([owner.welcome?.verdict, owner.goaway]).toEqual([RESUMED, undefined]);
  });

  it("that is not above the highest of the last 60 s is replaced; after that it counts no more", async () => {
    const server = open({ authenticate: byCredentials, heartbeatIntervalMs: 0 });
    const { token } = (await come(server)).welcome!;
    const newest = await come(server, { token, attempt: 2 ** 32 - 1 });
    await clock.advance(60_000);
    expect((await come(server, { token, attempt: 1 })).goaway?.closeCode).toBe(4405);
    expect(newest.closed).toBeUndefined();
    await clock.advance(1);
    expect((await come(server, { token, attempt: 1 })).welcome?.verdict).toBe(RESUMED);
    expect((await come(server, { token, attempt: 1 })).goaway?.closeCode).toBe(4405);
    expect((await come(server, { token, attempt: 2 })).welcome?.verdict).toBe(RESUMED);
  });
});

describe("what authenticate returns", () => {
  it.each<[string, unknown, string]>([
    ["a string", "ada", "returned a value of the type string"],
    ["nothing", undefined, "returned undefined"],
    ["null", null, "returned null"],
    ["an array", ["ada"], "returned an array"],
    ["true", true, "returned a value of the type boolean"],
    ["the user itself", { name: "Ada" }, "returned an object with the field name"],
    ["a further field", { identity: "ada", subjct: "ada" }, "returned an object with the field subjct"],
    ["a number as subject", { subject: 17 }, "returned a value of the type number as the subject, which must be a string and not empty"],
    ["an empty subject", { subject: "" }, "returned an empty string as the subject, which must be a string and not empty"],
  ])("as %s lets nobody in, and the error says why", async (_name, result, why) => {
    for (const authenticate of [() => result, async () => result]) {
      const server = open({ authenticate: authenticate as NonNullable<ServerOptions["authenticate"]> });
      const causes: unknown[] = [];
      server.on("refused", ({ error }) => causes.push((error?.cause as Error | undefined)?.message));
      const { goaway } = await come(server);
      expect(goaway).toMatchObject({ closeCode: 4514, reason: "the server could not decide about this client; try again" });
      expect(causes).toEqual([`authenticate ${why}; it must return { identity, subject } or throw`]);
      expect(server.connections).toEqual([]);
    }
  });

  it("may be an empty object: a client without identity", async () => {
    const server = open({ authenticate: () => ({}) });
    expect((await come(server)).welcome).toBeDefined();
    expect(server.connections[0]!.identity).toBeUndefined();
  });
});

describe("what authenticate throws", () => {
  it.each([
    ["unauthenticated", 4416, false],
    ["permission-denied", 4407, false],
    ["unavailable", 4514, true],
  ] as const)("as a FramewireError %s closes with %i and its text", async (code, closeCode, again) => {
    const server = open({
      authenticate: () => {
        throw new FramewireError(code, "not today");
      },
    });
    expect((await come(server)).goaway).toMatchObject({ closeCode, reason: "not today" });
    expect(isRetryable(closeCode)).toBe(again);
  });

  it.each([
    ["a plain Error", new Error("password=hunter2")],
    ["a FramewireError of another code", new FramewireError("not-found", "no user 17")],
    ["no error at all", undefined],
  ])("as %s lets the client try again, keeps its text here, and the log says what refuses for good", async (_name, error) => {
    const lines: [object, string][] = [];
    const log = (facts: object, message: string) => void lines.push([facts, message]);
    const server = open({
      logger: { debug() {}, info() {}, warn() {}, error: log },
      authenticate: () => Promise.reject(error),
    });
    const { goaway } = await come(server);
    expect(goaway).toMatchObject({ closeCode: 4514, reason: "the server could not decide about this client; try again" });
    expect(lines).toEqual([
      [
        expect.objectContaining({ hook: "authenticate", err: error }),
        expect.stringMatching(/throw a FramewireError "unauthenticated" or "permission-denied"$/),
      ],
    ]);
  });

  it("a database that is away for a while keeps no client away", async () => {
    let away = true;
    const clock = new VirtualClock();
    const network = new MemoryNetwork({ clock });
    const server = createServer({
      clock,
      logger: false,
      authenticate: async () => {
        if (away) throw new Error("ECONNREFUSED");
        return { identity: "ada", subject: "ada" };
      },
    });
    const client = createClient("ws://memory", { clock, logger: false, connector: (...args) => network.connector(server)(...args) });
    const connected = client.connect();
    await clock.advance(2500);
    away = false;
    await clock.advance(10_000);
    await connected;
    expect(server.connections.map(({ identity }) => identity)).toEqual(["ada"]);
    await Promise.all([client.close(), server.close(), clock.runUntilIdle()]);
  });
});
