/** Metadata of calls, and the texts of their errors: the frame's ext field. docs/wire.md */
import { FramewireError, inFull } from "../errors.js";
import { FrameExt } from "../protocol/control-messages.js";
import { cutText } from "../protocol/cut-text.js";

/** A serialised FrameExt; `undefined` if there is nothing to say. */
export function encodeExt(metadata: Readonly<Record<string, string>> | undefined, message?: string): Uint8Array | undefined {
  const checked = checkMetadata(metadata);
  if (message === undefined && (checked === undefined || Object.keys(checked).length === 0)) return undefined;
  return FrameExt.encode({ metadata: checked ?? {}, message: message ?? "" });
}

/** The same for the response of a call that failed: its text is cut to what leaves at most `most` bytes. Metadata that leaves no room is refused. */
export function encodeFailure(metadata: Readonly<Record<string, string>> | undefined, text: string, most: number): Uint8Array {
  const ext = encodeExt(metadata, cutText(text, most)) as Uint8Array;
  if (ext.length <= most) return ext;
  const room = most - (encodeExt(metadata, "") as Uint8Array).length - TEXT_OVERHEAD;
  if (room < 0) throw new FramewireError("frame-too-large", `the metadata of a failed call takes more than ${most} bytes`);
  return encodeExt(metadata, cutText(text, room)) as Uint8Array;
}

/** Of the text in a FrameExt: its tag and length. */
const TEXT_OVERHEAD = 6;

/** A copy of metadata, each value read once. @throws FramewireError `invalid-option` if it is not an object of strings */
export function checkMetadata(metadata: unknown): Readonly<Record<string, string>> | undefined {
  if (metadata === undefined || metadata === null) return undefined;
  if (typeof metadata !== "object" || Array.isArray(metadata)) throw notMetadata("metadata", metadata);
  const checked: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") throw notMetadata(`metadata ${JSON.stringify(key)}`, value);
    checked[key] = value;
  }
  return checked;
}

function notMetadata(what: string, value: unknown): FramewireError {
  const kind = !inFull ? "wrong" : Array.isArray(value) ? "an array" : value === null ? "null" : `a ${typeof value}`;
  return new FramewireError("invalid-option", `${what} is ${kind}${inFull ? "; metadata is an object whose values are strings" : ""}`);
}

/** What {@link decodeExt} gives for an absent ext. */
export const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});
const NO_EXT = { metadata: NO_METADATA, message: "" };

/** Reads a FrameExt that may be absent. @throws Error if the bytes are not one. */
export function decodeExt(ext: Uint8Array | undefined): { metadata: Readonly<Record<string, string>>; message: string } {
  if (ext === undefined) return NO_EXT;
  const { metadata, message } = FrameExt.decode(ext);
  return { metadata, message: message ?? "" };
}
