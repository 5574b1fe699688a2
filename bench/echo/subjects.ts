/** Who takes part in the echo benchmark. Each is loaded only in its own processes. */
import type { EchoPeer } from "./peers/peer.js";

/** One contestant: a peer, with its settings. */
export interface EchoSubject {
  readonly name: string;
  /** The npm packages that do its work. */
  readonly from: readonly string[];
  /** Added to the environment of its two processes. */
  readonly env?: Readonly<Record<string, string>>;
  readonly load: () => Promise<EchoPeer>;
}

/** The contestant that all ratios refer to: ws as it comes when installed alone. */
export const BASE = "ws";

const ws = (corked: boolean) => async () => (await import("./peers/ws.js")).webSocket({ corked });
const net = (corked: boolean) => async () => (await import("./peers/net.js")).tcp({ corked });
const rsocket = (over: "ws" | "tcp") => async () => (await import("./peers/rsocket.js")).rsocket({ over });
const framewire = (over: "ws" | "tcp") => async () => (await import("./peers/framewire.js")).framewire({ over });

/** Takes bufferutil away from ws. */
const PLAIN = { WS_NO_BUFFER_UTIL: "1" };

export const SUBJECTS: readonly EchoSubject[] = [
  { name: BASE, from: ["ws"], env: PLAIN, load: ws(false) },
  { name: "ws, bufferutil", from: ["bufferutil"], load: ws(false) },
  { name: "ws, bufferutil, corked", from: [], load: ws(true) },
  { name: "net", from: [], load: net(false) },
  { name: "net, corked", from: [], load: net(true) },
  { name: "socket.io", from: ["socket.io", "socket.io-client"], load: async () => (await import("./peers/socket-io.js")).socketIo },
  { name: "grpc-js bidi", from: ["@grpc/grpc-js"], load: async () => (await import("./peers/grpc.js")).grpcJs },
  { name: "nice-grpc", from: ["nice-grpc"], load: async () => (await import("./peers/nice-grpc.js")).niceGrpc },
  { name: "connect-node bidi", from: ["@connectrpc/connect-node"], load: async () => (await import("./peers/connect.js")).connectNode },
  { name: "rsocket ws", from: ["rsocket-core", "rsocket-websocket-client"], load: rsocket("ws") },
  { name: "rsocket tcp", from: ["rsocket-tcp-client"], load: rsocket("tcp") },
  { name: "framewire ws", from: [], load: framewire("ws") },
  { name: "framewire ws, no bufferutil", from: [], env: PLAIN, load: framewire("ws") },
  { name: "framewire tcp", from: [], load: framewire("tcp") },
];

/** Those that carry messages or calls, not bare bytes. */
export const LIBRARIES: readonly string[] = ["socket.io", "grpc-js bidi", "nice-grpc", "connect-node bidi", "rsocket ws", "rsocket tcp"];

/** @throws Error if there is none of that name */
export function subjectNamed(name: string): EchoSubject {
  const found = SUBJECTS.find((subject) => subject.name === name);
  if (found === undefined)
    throw new Error(`no contestant is called ${name}; there are ${SUBJECTS.map((subject) => subject.name).join("; ")}`);
  return found;
}
