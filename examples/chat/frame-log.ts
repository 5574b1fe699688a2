/** One line for each frame: when, direction, transport, version, peer, command, bytes and the payload as JSON. */
import { styleText } from "node:util";
import { printable } from "framewire";
import { ChatEventsServiceDefinition, ChatServiceDefinition } from "./gen/chat/v1/chat.js";

/** A frame as the server shows it. */
export interface SeenFrame {
  readonly direction: "in" | "out";
  readonly transport: string;
  readonly peer: string;
  readonly version: number;
  readonly cmd: number;
  /** A FrameKind of framewire/v1/data_frame.proto; version 1 has none, which reads as 0. */
  readonly kind: number;
  readonly bytes: number;
  readonly payload: Uint8Array;
}

interface Message {
  decode(bytes: Uint8Array): unknown;
}

const RESPONSE = 2;
/** Frames of the protocol itself, which travel with cmd 0. */
const CONTROL: Readonly<Record<number, string>> = { 5: "credit", 6: "cancel", 9: "ping", 10: "pong", 11: "ack", 12: "goaway" };

const { send, history } = ChatServiceDefinition.methods;
const { posted, presence } = ChatEventsServiceDefinition.methods;
const COMMANDS = new Map<number, { name: string; requestType: Message; responseType: Message }>([
  [257, send],
  [258, history],
  [513, posted],
  [514, presence],
]);

/** Prints `frame` to standard output. */
export function logFrame(frame: SeenFrame): void {
  const { name, message } = describe(frame);
  const direction = frame.direction === "in" ? paint("green", "in ") : paint("magenta", "out");
  const transport = paint("cyan", `${frame.transport.padEnd(9)} v${frame.version}`);
  const size = `${frame.bytes} B`.padStart(7);
  const payload = printable(json(frame.payload, message));
  console.log(`${now()} ${direction} ${transport} ${frame.peer.padEnd(4)} ${name.padEnd(19)}${size}  ${payload}`);
}

/** Prints what is not a frame, such as who came and left. It may hold text of a peer. */
export function logNews(news: string): void {
  console.log(`${now()} ${paint("gray", `--- ${printable(news)}`)}`);
}

function now(): string {
  return paint("gray", new Date().toISOString().slice(11, 23));
}

function describe({ cmd, kind, version, direction }: SeenFrame): { name: string; message: Message | undefined } {
  const control = cmd === 0 ? CONTROL[kind] : undefined;
  if (control !== undefined) return { name: control, message: undefined };
  const command = COMMANDS.get(cmd);
  if (command === undefined) return { name: `cmd ${cmd}`, message: undefined };
  // A version 1 reply has no kind; it is told by its direction, as peers answer none of the server's commands.
  const reply = version === 1 ? direction === "out" && (cmd === 257 || cmd === 258) : kind === RESPONSE;
  return reply ? { name: `${command.name} reply`, message: command.responseType } : { name: command.name, message: command.requestType };
}

function json(payload: Uint8Array, message: Message | undefined): string {
  if (message === undefined) return payload.length === 0 ? "{}" : `<${payload.length} bytes>`;
  let decoded: unknown;
  try {
    decoded = message.decode(payload);
  } catch {
    // A peer may send what is no message: this line shows it, and its sender gets an error.
    return `<${payload.length} bytes that are no message>`;
  }
  return JSON.stringify(decoded, (_key, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    return ArrayBuffer.isView(value) ? `<${value.byteLength} bytes>` : value;
  });
}

function paint(colour: "green" | "magenta" | "cyan" | "gray", words: string): string {
  return process.stdout.isTTY ? styleText(colour, words) : words;
}
