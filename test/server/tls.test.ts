import { X509Certificate } from "node:crypto";
import { connect as tlsConnect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type ClientOptions, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { PeerCertificate } from "../../src/link/transport.js";
import type { AuthenticationRequest, Server, ServerOptions } from "../../src/server/index.js";
import { describeCertificate } from "../../src/transport/certificate.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const ca = tlsFixture("ca.pem");
const pair = (name: string) => ({ key: tlsFixture(`${name}.key`), cert: tlsFixture(`${name}.pem`) });
const MUTUAL = { ...pair("server"), ca, requestCert: true, rejectUnauthorized: true };

const KINDS = ["ws", "tcp"] as const;

async function open(kind: (typeof KINDS)[number], tls: object, options: ServerOptions = {}): Promise<{ server: Server; url: string }> {
  const server = bench.server(options);
  server.implement(TestServiceDefinition, testService());
  const addresses = await server.listen({ [kind]: { tls } });
  return { server, url: addresses[kind]!.url };
}

function join(url: string, tls: object, options: ClientOptions = {}) {
  return bench.client((given) => createClient(url, given), { tls: { ca, ...tls }, ...options });
}

/** The name in the certificate that a server shows. */
function shownBy(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url);
    const socket = tlsConnect({ host, port: Number(port), ca, servername: "localhost" }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).subject);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

for (const kind of KINDS) {
  describe(`mutual TLS over ${kind}`, () => {
    it("tells authenticate, authorize and the handler who the client is", async () => {
      const seen: (PeerCertificate | undefined)[] = [];
      const { server, url } = await open(kind, MUTUAL, {
        authenticate: ({ transport }: AuthenticationRequest) => {
          seen.push(transport.certificate);
          return { identity: { device: transport.certificate?.spiffeId } };
        },
        authorize: ({ connection }) => {
          seen.push(connection.transport.certificate);
        },
      });
      for (const version of [1, 2] as const) {
        const client = await join(url, pair("client"), { version });
        expect((await client.service(TestServiceDefinition).echo({ text: "x" })).text).toBe("x");
      }
      expect(seen).toEqual(
        Array(4).fill({
          subject: "CN=client",
          subjectAltName: "URI:spiffe://framewire.test/phone-17, DNS:phone-17",
          spiffeId: "spiffe://framewire.test/phone-17",
        }),
      );
      expect(server.connections.map(({ identity }) => identity)).toEqual(Array(2).fill({ device: "spiffe://framewire.test/phone-17" }));
    });

    it("lets nobody in without a certificate, or with a stranger's", async () => {
      const { server, url } = await open(kind, MUTUAL);
      for (const tls of [{}, pair("stranger")]) await expect(join(url, tls)).rejects.toBeInstanceOf(FramewireError);
      expect(server.stats.sessions).toBe(0);
    });

    it("that asks without insisting shows no certificate that was not verified", async () => {
      const shown: unknown[] = [];
      const { url } = await open(
        kind,
        { ...MUTUAL, rejectUnauthorized: false },
        { authenticate: ({ transport }) => ({ identity: shown.push(transport.certificate) }) },
      );
      await join(url, {});
      await join(url, pair("stranger"));
      expect(shown).toEqual([undefined, undefined]);
    });
  });

  describe(`certificates of ${kind} are reloaded`, () => {
    it("for new connections, while open ones and their calls go on", async () => {
      const { server, url } = await open(kind, pair("server"));
      const client = await join(url, {});
      expect(await shownBy(url)).toBe("CN=server");
      const running = client.service(TestServiceDefinition).echo({ text: "across", delayMs: 100 });
      server.reloadTls({ [kind]: pair("server-renewed") });
      expect(await shownBy(url)).toBe("CN=server-renewed");
      expect((await running).text).toBe("across");
      expect(client.state).toBe("connected");
      expect((await (await join(url, {})).service(TestServiceDefinition).echo({ text: "new" })).text).toBe("new");
    });

    it("and clients are still asked for theirs", async () => {
      const { server, url } = await open(kind, MUTUAL);
      server.reloadTls({ [kind]: pair("server-renewed") });
      await expect(join(url, {})).rejects.toBeInstanceOf(FramewireError);
      await join(url, pair("client"));
      expect(server.connections.map(({ transport }) => transport.certificate?.subject)).toEqual(["CN=client"]);
    });

    it("or, if Node refuses them, stay as they are", async () => {
      const { server, url } = await open(kind, pair("server"));
      expect(() => server.reloadTls({ [kind]: { key: tlsFixture("client.key"), cert: tlsFixture("server-renewed.pem") } })).toThrow(
        expect.objectContaining({ code: "invalid-option" }),
      );
      expect(await shownBy(url)).toBe("CN=server");
    });
  });
}

it("reloading both is all or nothing, and needs a listener that speaks TLS", async () => {
  const server = bench.server();
  const { ws, tcp } = await server.listen({ ws: { tls: pair("server") }, tcp: { tls: pair("server") } });
  expect(() => server.reloadTls({ ws: pair("server-renewed"), tcp: { cert: "none" } })).toThrow(FramewireError);
  expect(await shownBy(ws!.url)).toBe("CN=server");
  server.reloadTls({ ws: pair("server-renewed"), tcp: pair("server-renewed") });
  expect([await shownBy(ws!.url), await shownBy(tcp!.url)]).toEqual(["CN=server-renewed", "CN=server-renewed"]);
  const plain = bench.server();
  await plain.listen({ ws: {}, tcp: {} });
  expect(() => plain.reloadTls({ ws: pair("server") })).toThrow("no ws listener speaks TLS");
});

it("where the application chooses the ALPN names, the first frame decides", async () => {
  const { server, url } = await open("tcp", { ...pair("server"), ALPNProtocols: ["mine"] });
  const peer = await RawPeer.connect(url, { protocols: ["mine"] });
  await peer.greet();
  expect(server.connections.map(({ version }) => version)).toEqual([2]);
});

describe("the facts of a certificate", () => {
  const facts = (subjectaltname: string, subject: object = { CN: "x" }) => describeCertificate({ subject, subjectaltname } as never);

  it.each([
    ["one URI among other names", "DNS:a, URI:spiffe://trust/web, IP Address:10.0.0.1", "spiffe://trust/web"],
    ["a URI of another kind", "URI:https://example.org/", undefined],
    ["two URIs", "URI:spiffe://trust/web, URI:spiffe://trust/admin", undefined],
    ["a name that contains one (CVE-2021-44532)", 'DNS:"x, URI:spiffe://trust/admin"', undefined],
    ["a name that contains one, beside the real one", 'DNS:"x, URI:spiffe://trust/admin", URI:spiffe://trust/web', "spiffe://trust/web"],
    ["a name with an escaped quote", 'DNS:"x\\", URI:spiffe://trust/admin"', undefined],
    ["a quoted URI", 'URI:"spiffe://trust/a,b"', "spiffe://trust/a,b"],
    ["a name that Node prints in no way we know", 'DNS:a"b, URI:spiffe://trust/admin', undefined],
    ["no names", "", undefined],
  ])("with %s: %s", (_name, names, spiffeId) => {
    expect(facts(names)?.spiffeId).toBe(spiffeId);
  });

  it("escape what could pass for a further attribute", () => {
    expect(facts("", { CN: "phone,O=admin", OU: ["a", "b"] })?.subject).toBe("CN=phone\\,O\\=admin,OU=a,OU=b");
  });

  it("are none without a certificate", () => {
    expect(describeCertificate({} as never)).toBeUndefined();
  });
});
