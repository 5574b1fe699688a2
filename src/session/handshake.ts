/** Hello and welcome: what both ends say about themselves, built and read in one place. docs/wire.md section 5. */

import type { FrameView } from "../codec/index.js";
import { closeCodeOf, FramewireError, inFull, reasonOf } from "../errors.js";
import type { Link, LinkOwner } from "../link/link.js";
import { CONNECTION_DEFAULTS, LEAST_MAX_PAYLOAD, LEAST_MAX_TRAILER, type ResolvedConnectionOptions } from "../options.js";
import { Goaway, Hello, type Limits, type PeerInfo, Welcome } from "../protocol/control-messages.js";
import { cutText } from "../protocol/cut-text.js";
import { KIND_GOAWAY, KIND_HELLO, KIND_WELCOME } from "../protocol/frame-kind.js";
import type { NegotiatedSettings } from "./negotiated-settings.js";

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

/** Longest payload of a hello, in bytes, whatever the receiver's `maxPayload`: the client does not know that yet. */
export const MAX_HELLO = 64 * 1024;

/** Longest payload of welcome, ping, pong, ack and goaway, in bytes. No peer may take less. */
export const MAX_CONTROL_PAYLOAD = LEAST_MAX_PAYLOAD;

/** What the protocol's own fields and a traceparent of 55 characters take of a trailer at most. The rest is for metadata and the text of an error. */
export const OWN_TRAILER = 128;

/** Longest name, version and platform of a peer that is kept, in bytes each. */
const MAX_PEER_TEXT = 256;
/** The same in a welcome, which has to fit into {@link MAX_CONTROL_PAYLOAD} with all of its fields. */
const MAX_WELCOME_TEXT = 128;
/** Longest reason of a goaway, in bytes: the same. */
const MAX_GOAWAY_REASON = 896;

/** What this side lets the peer send. */
export function ownLimits({ maxPayload, maxCalls, initialCredit, maxTrailer }: ResolvedConnectionOptions): Limits {
  return { maxPayload, maxCalls, initialCredit, maxTrailer };
}

/**
 * The part of an agreement that the peer's limits make. A limit of 0 is a peer that said nothing: the protocol's default holds, whatever our
 * own limit is. A limit below the protocol's least counts as that.
 */
export function agreedLimits(
  limits: Limits | undefined,
): Pick<NegotiatedSettings, "maxPayload" | "maxTrailer" | "maxCalls" | "initialCredit"> {
  return {
    maxPayload: Math.max(limits?.maxPayload || CONNECTION_DEFAULTS.maxPayload, LEAST_MAX_PAYLOAD),
    maxTrailer: Math.max(limits?.maxTrailer || CONNECTION_DEFAULTS.maxTrailer, LEAST_MAX_TRAILER),
    maxCalls: limits?.maxCalls || Number.POSITIVE_INFINITY,
    initialCredit: limits?.initialCredit || CONNECTION_DEFAULTS.initialCredit,
  };
}

/** A version 1 connection has no handshake and no limits but ours. */
export function versionOneAgreement({ maxPayload, maxTrailer, initialCredit }: ResolvedConnectionOptions): NegotiatedSettings {
  return { version: 1, maxPayload, maxTrailer, maxCalls: Number.POSITIVE_INFINITY, initialCredit, resumable: false };
}

function cutPeer(peer: PeerInfo | undefined, maxBytes: number): PeerInfo | undefined {
  if (peer === undefined) return undefined;
  const { name, version, platform } = peer;
  return { name: cutText(name, maxBytes), version: cutText(version, maxBytes), platform: cutText(platform, maxBytes) };
}

/**
 * Reads a hello. What is kept of it for the life of a session is bounded: the texts of `peer` are cut, and a fingerprint that is none is left out.
 * @throws FramewireError `frame-too-large`, `protocol-violation`
 */
export function readHello(frame: FrameView): Hello {
  const length = frame.payloadEnd - frame.payloadStart;
  if (length > MAX_HELLO) throw helloTooLong(length, "remote");
  const hello = readHandshake(frame, Hello, "hello");
  const schemaFingerprint = /^[\da-f]{64}$/i.test(hello.schemaFingerprint) ? hello.schemaFingerprint : "";
  return { ...hello, peer: cutPeer(hello.peer, MAX_PEER_TEXT), schemaFingerprint };
}

function helloTooLong(length: number, fault: "local" | "remote"): FramewireError {
  return new FramewireError(
    "frame-too-large",
    `the hello has ${length} bytes${inFull ? `, credentials included; at most ${MAX_HELLO} are allowed` : ""}`,
    {
      fault,
    },
  );
}

/** Writes a hello and seals everything after it. One that no server takes ends the link. */
export function sendHello(link: Link, hello: Hello): void {
  const payload = Hello.encode({ ...hello, peer: cutPeer(hello.peer, MAX_PEER_TEXT) });
  if (payload.length > MAX_HELLO) {
    const error = helloTooLong(payload.length, "local");
    return link.close(closeCodeOf("frame-too-large"), error.message, error);
  }
  link.limitTo(MAX_HELLO, CONNECTION_DEFAULTS.maxTrailer);
  link.write({ version: WIRE_VERSION, cmd: 0, kind: KIND_HELLO, payload });
  link.secureOutgoing(hello.checksumSeed);
}

/** Writes a welcome and seals everything after it. */
export function sendWelcome(link: Link, welcome: Welcome): void {
  const peer = cutPeer(welcome.peer, MAX_WELCOME_TEXT);
  link.write({ version: WIRE_VERSION, cmd: 0, kind: KIND_WELCOME, payload: Welcome.encode({ ...welcome, peer }) });
  link.secureOutgoing(welcome.checksumSeed);
}

/** Reads the payload of a handshake frame. @throws FramewireError `protocol-violation`. */
export function readHandshake<T>(frame: FrameView, codec: { decode(bytes: Uint8Array): T }, name: string): T {
  try {
    return codec.decode(frame.payload);
  } catch (cause) {
    throw new FramewireError("protocol-violation", `the ${name} could not be read: ${reasonOf(cause)}`, { fault: "remote", cause });
  }
}

/** Tells a peer that is still in its handshake why its link closes, where the transport has no close codes. */
export function sayClosing(link: Link, closeCode: number, reason: string): void {
  if (link.info.kind === "ws") return;
  link.write({ version: WIRE_VERSION, cmd: 0, kind: KIND_GOAWAY, payload: goawayPayload(reason, 0, closeCode) });
}

/** The payload of a goaway, its reason cut to what fits. */
export function goawayPayload(reason: string, reconnectSpreadMs: number, closeCode: number): Uint8Array {
  return Goaway.encode({ reason: cutText(reason, MAX_GOAWAY_REASON), reconnectSpreadMs, closeCode });
}

/** What a link closes with then. */
export const OVERLONG = `a control frame with more than ${MAX_CONTROL_PAYLOAD} bytes of payload`;

/** Whether the payload of a frame of the kinds 8 to 12 is longer than the protocol allows. */
export function isOverlong(frame: FrameView): boolean {
  return frame.payloadEnd - frame.payloadStart > MAX_CONTROL_PAYLOAD;
}

/** What every owner of a link does the same while the handshake lasts. */
export const HANDSHAKE_DEFAULTS: Pick<LinkOwner, "onDamage" | "onWritable" | "onPing"> = {
  onDamage: (link, { reason }) => {
    // A frame of version 1 is what the peer meant to say. Damage has no budget yet: only a new connection brings the hello again.
    if (reason === "version") link.fail("protocol-violation", "the first frame has another version");
    else link.fail("resync-budget", "the handshake was damaged");
  },
  onWritable: () => {},
  onPing: () => {},
};
