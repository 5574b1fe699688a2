import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The public names at run time: a promise to users. To change this list is a decision; it belongs in the changelog. */
const CLIENT_VALUES = ["CallContext", "Client", "createClient"];

const VALUES: Readonly<Record<string, readonly string[]>> = {
  framewire: ["DEFAULTS", "FramewireError", "closeCodeOf", "codeOfCloseCode", "codeOfStatus", "isCallErrorCode", "isRetryable", "statusOf"],
  "framewire/codec": ["DEFAULT_MAGIC", "FrameDecoder", "FrameDecoderStream", "FrameEncoder", "FrameEncoderStream", "crc32", "encodeFrame"],
  "framewire/client": CLIENT_VALUES,
  "framewire/client (browser)": CLIENT_VALUES,
  "framewire/server": ["CallContext", "Server", "ServerConnection", "createServer"],
  "framewire/testing": [
    "ChaosProxy",
    "MemoryNetwork",
    "PROFILE_NAMES",
    "SeededRandom",
    "VirtualClock",
    "createChaosProxy",
    "faultyTransport",
    "memoryPair",
  ],
  "framewire/testing (browser)": ["MemoryNetwork", "PROFILE_NAMES", "SeededRandom", "VirtualClock", "faultyTransport", "memoryPair"],
};

/** The public types, the same promise. Both entries of the client have the same names. */
const CLIENT_TYPES = [
  "CallOptions",
  "ClientContext",
  "ClientEvents",
  "ClientOptions",
  "ClientState",
  "Clock",
  "ConnectionOptions",
  "Connector",
  "ConnectorSettings",
  "FrameEvent",
  "GapEvent",
  "HandlerFailure",
  "MessageCodec",
  "MethodDefinition",
  "Middleware",
  "PeerDescription",
  "ReconnectOptions",
  "ServiceClient",
  "ServiceDefinition",
  "ServiceImplementation",
  "StateDetail",
  "Timer",
  "Transport",
  "TransportInfo",
  "TransportReceiver",
];

const TESTING_TYPES = [
  "ChaosOptions",
  "ChaosStats",
  "Clock",
  "Direction",
  "DirectionFaults",
  "FaultSource",
  "LinkFaults",
  "MemoryNetworkOptions",
  "MemoryPairOptions",
  "ProfileName",
  "Span",
  "Timer",
  "Transport",
  "TransportInfo",
  "TransportReceiver",
];

const TYPES: Readonly<Record<string, readonly string[]>> = {
  framewire: [
    "CallErrorCode",
    "CloseErrorCode",
    "ConnectionOptions",
    "DecoderOptions",
    "ErrorCode",
    "FrameOptions",
    "FramewireErrorOptions",
    "PeerDescription",
    "ReconnectOptions",
    "Recovery",
  ],
  "framewire/codec": [
    "DecoderOptions",
    "DecoderStats",
    "DecoderUpdate",
    "Discard",
    "DiscardReason",
    "EncoderOptions",
    "Frame",
    "FrameDecoderOptions",
    "FrameHandler",
    "FrameInit",
    "FrameOptions",
    "FrameView",
    "MessageEncoder",
    "Recovery",
    "Trailer",
  ],
  "framewire/client": CLIENT_TYPES,
  "framewire/client (browser)": CLIENT_TYPES,
  "framewire/server": [
    "AuthenticationRequest",
    "Broadcaster",
    "CallOptions",
    "Clock",
    "Command",
    "ConnectionEvents",
    "ConnectionOptions",
    "FrameEvent",
    "GapEvent",
    "HandlerFailure",
    "LinkEnd",
    "ListenAddress",
    "ListenAddresses",
    "ListenOptions",
    "MessageCodec",
    "MethodDefinition",
    "Middleware",
    "PeerCertificate",
    "PeerDescription",
    "ServerContext",
    "ServerEvents",
    "ServerFrameEvent",
    "ServerOptions",
    "ServiceClient",
    "ServiceDefinition",
    "ServiceImplementation",
    "SlowConsumerPolicy",
    "Timer",
    "Transport",
    "TransportInfo",
    "TransportReceiver",
  ],
  "framewire/testing": [...TESTING_TYPES, "ChaosProxyOptions"].sort(),
  "framewire/testing (browser)": TESTING_TYPES,
};

/** The source of each subpath; `(browser)` is what bundlers take. */
const ENTRIES: Readonly<Record<string, string>> = {
  framewire: "index",
  "framewire/codec": "codec/index",
  "framewire/client": "client/index",
  "framewire/client (browser)": "client/browser",
  "framewire/server": "server/index",
  "framewire/testing": "testing/index",
  "framewire/testing (browser)": "testing/browser",
};

/** The names that an entry's source exports, told apart by what they leave at run time. */
async function namesOf(entry: string): Promise<{ values: string[]; types: string[] }> {
  const values = Object.keys(await import(`${ROOT}dist/${entry}.js`)).sort();
  const file = `${ROOT}src/${entry}.ts`;
  const { staticExports } = parseSync(file, readFileSync(file, "utf8")).module;
  const all = staticExports.flatMap(({ entries }) => entries.map(({ exportName }) => exportName.name ?? "*"));
  return { values, types: all.filter((name) => !values.includes(name)).sort() };
}

describe("the public names of", () => {
  test.each(Object.entries(ENTRIES))("%s", async (subpath, entry) => {
    expect(await namesOf(entry)).toEqual({ values: VALUES[subpath], types: TYPES[subpath] });
  });
});

test("every subpath of package.json has its names pinned", () => {
  const { exports } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { exports: Record<string, unknown> };
  const subpaths = Object.keys(exports).filter((path) => !path.includes("*") && !path.endsWith(".json"));
  const pinned = Object.keys(ENTRIES).filter((name) => !name.includes(" "));
  expect(subpaths.map((path) => path.replace(".", "framewire"))).toEqual(pinned);
});

test("a subpath of the package resolves to what was built, by the package's own name", async () => {
  const resolved = fileURLToPath(import.meta.resolve("framewire/package.json"));
  expect(resolved).toBe(`${ROOT}package.json`);
});
