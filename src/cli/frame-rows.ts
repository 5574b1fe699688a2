/** Frames and gaps as rows for people: aligned, cut to the terminal's width, coloured if wanted. */
import { styleText } from "node:util";
import type { Discard } from "../codec/frame.js";
import type { FrameView } from "../codec/index.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { printable } from "../printable.js";
import type { DecodedMessage } from "./schema.js";

/** How rows look. */
export interface RowStyle {
  /** Characters in a row; `undefined`: as many as it needs. */
  readonly width?: number | undefined;
  readonly colour: boolean;
}

type Style = "dim" | "cyan" | "green" | "yellow" | "red";
type Segment = readonly [text: string, style?: Style];

const KIND_NAMES = new Map<number, string>(
  Object.entries(FrameKind).map(([name, kind]) => [kind, name.replace("FRAME_KIND_", "").toLowerCase()]),
);
const HEX_BYTES = { min: 4, max: 16 };
/** Characters before the payload's column, and what is kept free behind the excerpt for the trailer's fields. */
const BEFORE_PAYLOAD = 57;
const TRAILER_ROOM = 30;

/** Makes the rows of one run. */
export class FrameRows {
  readonly #width: number | undefined;
  readonly #colour: boolean;
  readonly #hexBytes: number;

  constructor({ width, colour }: RowStyle) {
    this.#width = width;
    this.#colour = colour;
    const room = width === undefined ? HEX_BYTES.max : Math.floor((width - BEFORE_PAYLOAD - TRAILER_ROOM) / 3);
    this.#hexBytes = Math.min(HEX_BYTES.max, Math.max(HEX_BYTES.min, room));
  }

  /** The titles of the columns. */
  header(): string {
    return this.#row([
      [columns("start", "end", "ver", "cmd", "kind", "bytes"), "dim"],
      ["payload", "dim"],
    ]);
  }

  /** One frame. */
  frame(frame: FrameView, message: DecodedMessage | undefined): string {
    const kind = frame.version < 2 ? "" : (KIND_NAMES.get(frame.kind ?? 0) ?? `kind ${frame.kind}`);
    const size = frame.payloadEnd - frame.payloadStart;
    return this.#row([
      [columns(`${frame.start}`, `${frame.end}`, `v${frame.version}`, `${frame.cmd}`, kind, `${size}`), "cyan"],
      ...this.#payload(frame.payload, message),
      [trailerOf(frame), "dim"],
    ]);
  }

  /** One gap. */
  gap({ start, end, reason }: Discard): string {
    return this.#row([[`${columns(`${start}`, `${end}`, "gap", "", "", `${end - start}`)}${reason}`, "red"]]);
  }

  #payload(payload: Uint8Array, message: DecodedMessage | undefined): Segment[] {
    if (message?.value !== undefined) return [[`${printable(message.type)} `, "green"], [printable(JSON.stringify(message.value))]];
    const shown = payload.subarray(0, this.#hexBytes);
    const hex = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const excerpt = hex.padEnd(this.#hexBytes * 3 - 1) + (payload.length > shown.length ? "…" : " ");
    return message?.error === undefined ? [[excerpt]] : [[excerpt], [` ${printable(`${message.type}: ${message.error}`)}`, "yellow"]];
  }

  #row(segments: readonly Segment[]): string {
    let room = this.#width ?? Number.POSITIVE_INFINITY;
    let row = "";
    const last = segments.findLastIndex(([text]) => text !== "");
    for (const [index, [whole, style]] of segments.slice(0, last + 1).entries()) {
      // Trailing blanks would only widen what a pipe carries.
      const text = index === last ? whole.trimEnd() : whole;
      const shown = text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
      row += this.#colour && style !== undefined ? styleText(style, shown, { validateStream: false }) : shown;
      room -= shown.length;
      if (room <= 0) break;
    }
    return row;
  }
}

function columns(start: string, end: string, version: string, cmd: string, kind: string, bytes: string): string {
  return `${start.padStart(10)} ${end.padStart(10)}  ${version.padEnd(3)} ${cmd.padStart(8)}  ${kind.padEnd(8)} ${bytes.padStart(8)}  `;
}

/** ` call=1 seq=5 ack=4`: what the trailer carries beside kind and checksum. */
function trailerOf(frame: FrameView): string {
  if (frame.version < 2) return "";
  const { callId, sequence, ack, status, timeoutMs, timestamp, trace, ext } = frame;
  const fields: readonly (readonly [string, unknown])[] = [
    ["call", callId],
    ["seq", sequence],
    ["ack", ack],
    ["status", status],
    ["timeout", timeoutMs === undefined ? undefined : `${timeoutMs}ms`],
    ["time", timestamp],
    ["trace", trace === undefined ? undefined : printable(trace)],
    ["ext", ext === undefined ? undefined : `${ext.length}B`],
  ];
  return fields.flatMap(([name, value]) => (value === undefined ? [] : [` ${name}=${value}`])).join("");
}
