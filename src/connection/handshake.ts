/** Hello and welcome: what both ends say about themselves, built and read in one place. docs/wire.md section 5. */

import type { FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import { CONNECTION_DEFAULTS, type ResolvedConnectionOptions } from "../options.js";
import type { Agreement } from "./connection.js";
import { Goaway, Hello, type Limits, Welcome } from "./control-messages.js";
import { KIND_GOAWAY, KIND_HELLO, KIND_WELCOME } from "./frame-kind.js";
import type { Link, LinkOwner } from "./link.js";

/** The newest wire version spoken here. */
export const WIRE_VERSION = 2;

/** Reason of a range that a client which has started anew will not get: it had acknowledged it before. */
export const ACKNOWLEDGED = "acknowledged";

/** How wire versions are called below us. */
const NAMES = { ws: { 1: "framewire.v1", 2: "framewire.v2" }, tls: { 1: "framewire/1", 2: "framewire/2" } } as const;

/** The names to offer, or to accept: WebSocket subprotocols or TLS ALPN protocols, best first. */
export function protocolNames(kind: keyof typeof NAMES, versions: readonly (1 | 2)[] = [2, 1]): string[] {
  return versions.map((version) => NAMES[kind][version]);
}

/** The wire version behind a name that was agreed on; `undefined` if the name is not one of ours. */
export function versionNamed(kind: keyof typeof NAMES, name: string | false | null | undefined): 1 | 2 | undefined {
  return ([2, 1] as const).find((version) => NAMES[kind][version] === name);
}

/** An unsigned 32-bit number that nobody can guess; where the platform has no `crypto`, as React Native, one that is hard to guess. */
export function randomSeed(): number {
  return globalThis.crypto?.getRandomValues(new Uint32Array(1))[0] ?? (Math.random() * 2 ** 32) >>> 0;
}

/** What this side lets the peer send. */
export function ownLimits(options: ResolvedConnectionOptions): Limits {
  return { maxPayload: options.maxPayload, maxCalls: options.maxCalls, initialCredit: options.initialCredit };
}

/** The part of an agreement that the peer's limits make. A limit of 0 is a peer that said nothing: the protocol's default holds, whatever our own limit is. */
export function agreedLimits(limits: Limits | undefined): Pick<Agreement, "maxPayload" | "initialCredit"> {
  return {
    maxPayload: limits?.maxPayload || CONNECTION_DEFAULTS.maxPayload,
    initialCredit: limits?.initialCredit || CONNECTION_DEFAULTS.initialCredit,
  };
}

/** A version 1 connection has no handshake and no limits but ours. */
export function versionOneAgreement(options: ResolvedConnectionOptions): Agreement {
  return { version: 1, maxPayload: options.maxPayload, initialCredit: options.initialCredit, resumable: false };
}

/** Writes a hello or welcome and seals everything after it. */
export function sendHello(link: Link, hello: Hello): void {
  link.write({ version: WIRE_VERSION, cmd: 0, kind: KIND_HELLO, payload: Hello.encode(hello) });
  link.secureOutgoing(hello.checksumSeed);
}

export function sendWelcome(link: Link, welcome: Welcome): void {
  link.write({ version: WIRE_VERSION, cmd: 0, kind: KIND_WELCOME, payload: Welcome.encode(welcome) });
  link.secureOutgoing(welcome.checksumSeed);
}

/** Reads the payload of a handshake frame. @throws FramewireError `protocol-violation`. */
export function readHandshake<T>(frame: FrameView, codec: { decode(bytes: Uint8Array): T }, name: string): T {
  try {
    return codec.decode(frame.payload);
  } catch (cause) {
    throw new FramewireError("protocol-violation", `the ${name} could not be read`, { fault: "remote", cause });
  }
}

/** Tells a peer that is still in its handshake why its link closes, where the transport has no close codes. */
export function sayClosing(link: Link, closeCode: number, reason: string): void {
  if (link.info.kind === "ws") return;
  const goaway = Goaway.encode({ reason, reconnectSpreadMs: 0, closeCode });
  link.write({ version: WIRE_VERSION, cmd: 0, kind: KIND_GOAWAY, payload: goaway });
}

/** What every owner of a link does the same while the handshake lasts. */
export const HANDSHAKE_DEFAULTS: Pick<LinkOwner, "onDamage" | "onWritable" | "onPing"> = {
  onDamage: (link, { reason }) => {
    // A frame of version 1 is what the peer meant to say. Damage has no budget yet: only a new connection brings the hello again.
    if (reason === "version") link.fail("protocol-violation", "the first frame is not of the version that was agreed on");
    else link.fail("resync-budget", "the handshake was damaged");
  },
  onWritable: () => {},
  onPing: () => {},
};
