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

export const SUBJECTS: readonly EchoSubject[] = [
  {
    name: BASE,
    from: ["ws"],
    env: { WS_NO_BUFFER_UTIL: "1" },
    load: async () => (await import("./peers/ws.js")).webSocket({ corked: false }),
  },
  { name: "ws, bufferutil", from: ["ws", "bufferutil"], load: async () => (await import("./peers/ws.js")).webSocket({ corked: false }) },
  {
    name: "ws, bufferutil, corked",
    from: ["ws", "bufferutil"],
    load: async () => (await import("./peers/ws.js")).webSocket({ corked: true }),
  },
  { name: "net", from: [], load: async () => (await import("./peers/net.js")).tcp({ corked: false }) },
  { name: "net, corked", from: [], load: async () => (await import("./peers/net.js")).tcp({ corked: true }) },
  { name: "socket.io", from: ["socket.io", "socket.io-client"], load: async () => (await import("./peers/socket-io.js")).socketIo },
  { name: "grpc-js bidi", from: ["@grpc/grpc-js"], load: async () => (await import("./peers/grpc.js")).grpcJs },
  { name: "framewire ws", from: [], load: async () => (await import("./peers/framewire.js")).framewire({ over: "ws" }) },
  { name: "framewire tcp", from: [], load: async () => (await import("./peers/framewire.js")).framewire({ over: "tcp" }) },
];

/** @throws Error if there is none of that name */
export function subjectNamed(name: string): EchoSubject {
  const found = SUBJECTS.find((subject) => subject.name === name);
  if (found === undefined)
    throw new Error(`no contestant is called ${name}; there are ${SUBJECTS.map((subject) => subject.name).join("; ")}`);
  return found;
}
