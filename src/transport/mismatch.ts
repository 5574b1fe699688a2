/** Ends that speak another protocol than frames: what is answered, and what the error says. docs/wire.md section 5.11. */
import { type FramewireError, peersError } from "../errors.js";
import { magicOf, type OtherProtocol, protocolOf } from "./first-bytes.js";

/** How a URL names what a port of ours speaks. */
export type Scheme = "tcp" | "tls" | "ws" | "wss";

/** Header of an HTTP answer of a port that speaks something else: the scheme of its URL. */
export const SCHEME_HEADER = "framewire-scheme";

const SPOKEN: Readonly<Record<Scheme, string>> = {
  tcp: "framewire over TCP",
  tls: "framewire over TLS",
  ws: "WebSocket",
  wss: "WebSocket over TLS",
};

/** Fatal, protocol_version, in a record of TLS 1.0: RFC 8446, sections 5.1 and 6. */
const TLS_ALERT = Uint8Array.of(0x15, 3, 1, 0, 2, 2, 70);

/** What a port of ours, of `scheme`, answers to a peer that has opened another protocol. */
export function answerTo(met: OtherProtocol, scheme: Scheme): Uint8Array {
  if (met === "TLS") return TLS_ALERT;
  const body = `This port speaks ${SPOKEN[scheme]}: use ${scheme}://\n`;
  const head = `Connection: close\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nFramewire-Scheme: ${scheme}`;
  return Buffer.from(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${body}`);
}

/** A port of ours, of `scheme`, was opened by a peer that speaks another protocol. */
export function portMismatch(met: string, scheme: Scheme): FramewireError {
  return peersError("protocol-mismatch", `the peer speaks ${met}; this port speaks ${SPOKEN[scheme]} (${scheme}://)`);
}

/** A peer answered our frames over `kind` in another protocol. */
export function answerMismatch(met: OtherProtocol, kind: "tcp" | "tls"): FramewireError {
  const use = met === "TLS" ? "tls:// or wss://" : kind === "tls" ? "wss://" : "ws://";
  return peersError("protocol-mismatch", `the peer speaks ${met}, not ${SPOKEN[kind]}; use ${use} for this port`);
}

/** Why a connection ended that a server has closed without a word, as servers of TLS do when they get anything else. */
export const SILENT_SERVER = "the server closed the connection and had sent nothing: its port may speak another protocol, such as TLS";

/** What ended an attempt to connect to `url`, where another protocol is the reason: for the text of the error. */
export function mismatchOf(cause: unknown, { protocol }: URL): string | undefined {
  const { code, message, rawPacket } = cause as { readonly code?: string; readonly message?: string; readonly rawPacket?: Uint8Array };
  const web = protocol.startsWith("ws");
  const reason = `${code} ${message}`;
  if (/wrong.version.number/i.test(reason)) return `the peer does not speak TLS on this port; without TLS, use ${web ? "ws" : "tcp"}://`;
  if (/alert.protocol.version/i.test(reason))
    return "the peer refused TLS (alert protocol_version): a port of tcp:// speaks none, others perhaps no version that this end speaks";
  if (/alert.no.application.protocol/i.test(reason))
    return "the peer speaks TLS on this port, but not framewire over it (alert no_application_protocol); use wss:// if it is HTTPS";
  if (rawPacket === undefined) return undefined;
  if (protocolOf(rawPacket) === "TLS") return "the peer speaks TLS on this port; use wss:// or tls://";
  if (magicOf(rawPacket) !== -1)
    return `the peer speaks frames without WebSocket on this port; use ${protocol === "wss:" ? "tls" : "tcp"}://`;
  return undefined;
}

/** What a server's answer to a WebSocket upgrade says of its port, if that is one of ours for something else. */
export function schemeOf(header: string | readonly string[] | undefined): Scheme | undefined {
  return typeof header === "string" && Object.hasOwn(SPOKEN, header) ? (header as Scheme) : undefined;
}

/** The port speaks `scheme`, as its answer to an upgrade has said. */
export function schemeMismatch(scheme: Scheme): string {
  return `this port speaks ${SPOKEN[scheme]}; use ${scheme}://`;
}
