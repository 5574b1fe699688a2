/** Frames and gaps as JSON lines. docs/cli.md lists the keys. */
import type { Discard } from "../codec/frame.js";
import type { FrameView } from "../codec/index.js";
import { printable } from "../printable.js";
import type { DecodedMessage } from "./schema.js";

/** One frame as one line. 64-bit integers are strings, bytes are base64, and what the frame does not carry has no key. */
export function frameToJson(frame: FrameView, message: DecodedMessage | undefined): string {
  const { start, end, version, cmd, payload, timestamp, sequence, ack, callId, kind, status, timeoutMs, trace, ext } = frame;
  const line = JSON.stringify({
    type: "frame",
    start,
    end,
    version,
    cmd,
    payload: base64(payload),
    timestamp: timestamp?.toString(),
    sequence: sequence?.toString(),
    ack: ack?.toString(),
    callId,
    kind,
    status,
    timeoutMs,
    trace,
    ext: ext === undefined ? undefined : base64(ext),
    messageType: message?.type,
    message: message?.value,
    messageError: message?.error,
  });
  return printable(line);
}

/** One gap as one line. */
export function gapToJson({ start, end, reason }: Discard): string {
  return JSON.stringify({ type: "gap", start, end, reason });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
