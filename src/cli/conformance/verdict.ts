/** What a case throws when it does not pass, and the words in which frames are told. */
import type { Frame } from "../../codec/index.js";

/** The peer did something else than the page says. */
export class Mismatch extends Error {
  readonly expected: string;
  readonly came: string;

  constructor(expected: string, came: string) {
    super(`expected ${expected}; came ${came}`);
    this.expected = expected;
    this.came = came;
  }
}

/** The peer broke a rule of the page, whatever the case is about. */
export class Violation extends Mismatch {}

/** There was no connection to run a case over. */
export class PeerGone extends Mismatch {}

/** The case cannot be run against this peer, which is no fault of it. */
export class NotApplicable extends Error {}

/** Fails the case unless `came` is `expected`, both told in JSON. */
export function expectSame(what: string, expected: unknown, came: unknown): void {
  const [wanted, got] = [expected, came].map(tell);
  if (wanted !== got) throw new Mismatch(`${what} to be ${wanted}`, got as string);
}

/** Fails the case unless `holds`. */
export function expectThat(holds: boolean, expected: string, came: string): void {
  if (!holds) throw new Mismatch(expected, came);
}

function tell(value: unknown): string {
  const text = JSON.stringify(value, (_key, each) => {
    if (typeof each === "bigint") return `${each}n`;
    return ArrayBuffer.isView(each) ? hex(each as Uint8Array) : each;
  });
  return text === undefined ? "nothing" : text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function hex(bytes: Uint8Array): string {
  const shown = [...bytes.subarray(0, 24)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 24 ? `${shown} … (${bytes.length} bytes)` : shown;
}

const KINDS = [
  "message",
  "request",
  "response",
  "item",
  "end",
  "credit",
  "cancel",
  "hello",
  "welcome",
  "ping",
  "pong",
  "ack",
  "goaway",
] as const;

/** `response (call 3, status 12, 4 bytes)` */
export function tellFrame({ version = 1, cmd, payload, kind = 0, callId, sequence, ack, status }: Frame): string {
  const facts: string[] = [];
  if (version === 1) return `a version 1 frame of command ${cmd} (${payload?.length ?? 0} bytes)`;
  if (callId !== undefined) facts.push(`call ${callId}`);
  if (sequence !== undefined) facts.push(`sequence ${sequence}`);
  if (ack !== undefined) facts.push(`ack ${ack}`);
  if (status !== undefined) facts.push(`status ${status}`);
  facts.push(`${payload?.length ?? 0} bytes`);
  return `${KINDS[kind] ?? `kind ${kind}`} (${facts.join(", ")})`;
}

/** The last few of `frames`. */
export function tellFrames(frames: readonly Frame[]): string {
  if (frames.length === 0) return "nothing";
  const shown = frames.slice(-4).map(tellFrame).join(", ");
  return frames.length > 4 ? `${frames.length} frames, the last of them ${shown}` : shown;
}
