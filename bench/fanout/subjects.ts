/** Who takes part in the fan-out benchmark. Each is loaded only in its own processes. */
import type { FanoutPeer } from "./peers/peer.js";

/** One contestant: a peer, with its settings. */
export interface FanoutSubject {
  readonly name: string;
  /** The npm packages that do its work. */
  readonly from: readonly string[];
  readonly load: () => Promise<FanoutPeer>;
}

/** Size of each message. */
export const BYTES = 64;

/** The contestant that all ratios refer to. */
export const BASE = "ws";

const framewire = (over: "ws" | "tcp", reliable: boolean) => async () =>
  (await import("./peers/framewire.js")).framewire({ over, reliable });

export const SUBJECTS: readonly FanoutSubject[] = [
  { name: BASE, from: ["ws"], load: async () => (await import("./peers/ws.js")).webSocket("send", BYTES) },
  { name: "ws, framed once, corked", from: [], load: async () => (await import("./peers/ws.js")).webSocket("framed", BYTES) },
  { name: "socket.io", from: ["socket.io", "socket.io-client"], load: async () => (await import("./peers/socket-io.js")).socketIo(BYTES) },
  { name: "framewire ws, at most once", from: [], load: framewire("ws", false) },
  { name: "framewire ws, reliable", from: [], load: framewire("ws", true) },
  { name: "framewire tcp, at most once", from: [], load: framewire("tcp", false) },
  { name: "framewire tcp, reliable", from: [], load: framewire("tcp", true) },
];

/** @throws Error if there is none of that name */
export function subjectNamed(name: string): FanoutSubject {
  const found = SUBJECTS.find((subject) => subject.name === name);
  if (found === undefined) throw new Error(`no contestant is called ${name}`);
  return found;
}
