/** What the first bytes of a stream show of the protocol that its sender speaks. docs/wire.md section 5.11. */

/** A protocol that a peer may speak in place of frames. */
export type OtherProtocol = "TLS" | "HTTP";

/** So many bytes are enough to decide. */
const FIRST_BYTES = 8;

const TLS_ALERT = 0x15;
const TLS_HANDSHAKE = 0x16;
/** The first byte of the version in every TLS record; the second is at most 4. */
const TLS_MAJOR = 3;
const TLS_MAX_MINOR = 4;

/** `PRI ` is how HTTP/2 begins. */
const REQUESTS = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI "];
const RESPONSE = "HTTP/";
const HTTP_STARTS = [...REQUESTS, RESPONSE];

const TAG_MAGIC = 0x08;
const TAG_LENGTH = 0x10;
const MAX_VARINT32 = 5;

/** The protocol of a stream that begins with `bytes`; `"undecided"` if more of them may show one of these, `undefined` if it is none of them. */
export function protocolOf(bytes: Uint8Array): OtherProtocol | "undecided" | undefined {
  const [type, major, minor] = bytes;
  if (type === TLS_HANDSHAKE || type === TLS_ALERT) {
    if (major !== undefined && major !== TLS_MAJOR) return undefined;
    if (minor === undefined) return "undecided";
    return minor <= TLS_MAX_MINOR ? "TLS" : undefined;
  }
  const text = textOf(bytes);
  if (HTTP_STARTS.some((start) => text.startsWith(start))) return "HTTP";
  return HTTP_STARTS.some((start) => start.startsWith(text)) ? "undecided" : undefined;
}

/** Whether bytes of another protocol open a connection, and so want an answer; the others are an answer to what we have sent. */
export function isOpening(bytes: Uint8Array): boolean {
  return bytes[0] !== TLS_ALERT && !textOf(bytes).startsWith(RESPONSE);
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, FIRST_BYTES));
}

/** The magic of the frame whose head `bytes` begin with, whichever it is; -1 if they do not look like one. */
export function magicOf(bytes: Uint8Array): number {
  if (bytes[0] !== TAG_MAGIC) return -1;
  let magic = 0;
  for (let i = 1; i <= MAX_VARINT32; i++) {
    const byte = bytes[i];
    if (byte === undefined) return -1;
    magic |= (byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) return bytes[i + 1] === TAG_LENGTH ? magic >>> 0 : -1;
  }
  return -1;
}
