import { afterEach, describe, expect, it } from "vitest";
import { addressKey } from "../../src/server/admission.js";
import { clientAddressOf } from "../../src/server/client-address.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

describe("the address of a client behind a proxy", () => {
  it.each([
    ["1.2.3.4", "1.2.3.4"],
    [" 1.2.3.4 ", "1.2.3.4"],
    ["1.2.3.4:5678", "1.2.3.4"],
    ["[::1]:5678", "::1"],
    ["[2001:DB8:0:0::1]", "2001:db8::1"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["[::FFFF:0102:0304]:80", "1.2.3.4"],
    ["6.6.6.6, 10.0.0.1,1.2.3.4:80", "1.2.3.4"],
    ["6.6.6.6, [2001:db8::7]:80", "2001:db8::7"],
    ["1.2.3.4, unknown", "unknown"],
    ["tenant 7", "tenant 7"],
    ["1.2.3.4:port", "1.2.3.4:port"],
    ["", undefined],
    ["1.2.3.4, ", undefined],
  ])("%j is %j", (header, address) => {
    expect(clientAddressOf(header)).toBe(address);
  });

  it.each([
    ["1.2.3.4", "1.2.3.4:5678", "::ffff:1.2.3.4", "[::ffff:102:304]:9"],
    ["2001:db8::1", "[2001:0DB8:0:0:ffff::2]:5678", "2001:db8:0:0:1:2:3:4"],
  ])("%s and its other forms count as one", (...forms) => {
    expect(new Set(forms.map((form) => addressKey(clientAddressOf(form) ?? ""))).size).toBe(1);
  });
});

it("counts connections by the address in X-Forwarded-For, whatever its ports and hops; where it is absent, by the socket's", async () => {
  const server = bench.server({ maxConnectionsPerAddress: 1, clientAddress: ({ headers }) => headers["x-forwarded-for"]?.toString() });
  const { ws } = await server.listen({ ws: {} });
  const from = async (header?: string) => {
    const peer = await RawPeer.connect(ws!.url, header === undefined ? {} : { headers: { "X-Forwarded-For": header } });
    return Promise.race([peer.greet().then(() => "in"), peer.ended.then(({ code }) => code)]);
  };
  expect(await from("192.0.2.1:1000")).toBe("in");
  expect(await from("192.0.2.1:2000")).toBe(4507);
  expect(await from("192.0.2.9, 192.0.2.1")).toBe(4507);
  expect(await from("192.0.2.1, [2001:db8::1]:3000")).toBe("in");
  expect(await from("2001:DB8::2")).toBe(4507);
  expect(await from()).toBe("in");
  expect(await from("")).toBe(4507);
  expect(server.connections.map(({ transport }) => transport.remoteAddress)).toEqual(["192.0.2.1", "2001:db8::1", "127.0.0.1"]);
});
