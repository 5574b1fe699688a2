/** What the WebSocket and TCP listeners of a server share: where sockets go, their wire versions, and how an address is opened. */
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import { FramewireError } from "../errors.js";
import type { Transport } from "../link/transport.js";
import type { ResolvedConnectionOptions } from "../options.js";
import type { FailureEvent } from "../runtime/guard.js";
import type { HandshakeThrottle } from "../runtime/handshake-throttle.js";
import { protocolNames } from "../session/handshake.js";
import type { Arrival, UpgradeRequest } from "./accept.js";
import type { ListenAddress } from "./listen-options.js";
import type { PageOptions } from "./origin.js";
import { answerPlain, type MismatchTarget } from "./other-protocols.js";
import type { PendingSockets, PendingSocketsHost } from "./pending-sockets.js";
import type { TlsListeners } from "./tls.js";

/** What a WebSocket message may be longer than one payload: the frame around it, or several small frames. */
const MESSAGE_SLACK = 128 * 1024;

/** The largest WebSocket message that is read. */
export function maxMessage(options: ResolvedConnectionOptions): number {
  return options.maxPayload + MESSAGE_SLACK;
}

/** The server's options that matter here. */
export type ListenSettings = ResolvedConnectionOptions &
  PageOptions & {
    readonly minVersion?: 1 | 2;
    readonly clientAddress?: (upgrade: UpgradeRequest) => string | undefined;
  };

/** Where an open socket goes. */
export interface ListenTarget extends PendingSocketsHost, MismatchTarget {
  readonly throttle: HandshakeThrottle;
  /** Something failed before there was a connection. */
  failed(failure: FailureEvent): void;
  accept(transport: Transport, arrival: Arrival): void;
}

/** Closes one address. */
export type Closer = () => Promise<void>;

/** What every listener of one server uses. */
export interface ListenerContext {
  readonly target: ListenTarget;
  readonly options: ListenSettings;
  readonly pending: PendingSockets;
  readonly tls: TlsListeners;
}

/** Wire versions, best first. */
export type Versions = readonly (1 | 2)[];

/** The version of every link of a listener, where its option says so. */
export function fixedVersion(versions: Versions): 1 | undefined {
  return versions[0] === 1 ? 1 : undefined;
}

/** The best of the protocol names that a client offers; `undefined` if this server speaks none of them. */
export function choose(kind: "ws" | "tls", offered: Iterable<string>, versions: Versions): string | undefined {
  const all = new Set(offered);
  return protocolNames(kind, versions).find((name) => all.has(name));
}

/** The refusal of a client whose protocol names are all unknown: one of them was accepted, so that the close code reaches it. */
export function unknown(kind: "ws" | "tls", name: string | false | null, versions: Versions): FramewireError | undefined {
  if (!name || protocolNames(kind, versions).includes(name)) return undefined;
  return new FramewireError("version-unsupported", `this server does not speak ${name}`, { fault: "remote" });
}

/** Runs `take`, which takes over a socket. If it throws, the socket is destroyed. */
export function takeSocket(target: ListenTarget, socket: Socket, take: () => void): void {
  try {
    take();
  } catch (error) {
    socket.destroy();
    target.failed({ error });
  }
}

/** Watches the sockets of a server that speaks TLS until their TLS handshake is done. */
export function watchTls({ pending, target }: ListenerContext, server: TlsServer, scheme: "tls" | "wss"): void {
  pending.watchTls(server, (error, socket) => answerPlain(error, socket, scheme, target));
}

/** Opens an address; `keep` gets what closes it. Rejects with `connect-failed`. */
export function openServer(
  server: NetServer,
  scheme: string,
  { port = 0, host = "127.0.0.1" }: { readonly port?: number; readonly host?: string },
  target: ListenTarget,
  keep: (close: Closer) => void,
  closing: () => void = () => {},
): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    // Stays for good: an error of a listening server, such as too many open files, must not end the process.
    server.on("error", (cause: NodeJS.ErrnoException) => {
      if (server.listening) return target.failed({ error: cause });
      const why = cause.code === "EADDRINUSE" ? "the port is taken" : cause.message;
      reject(new FramewireError("connect-failed", `cannot listen on ${scheme}://${host}:${port}: ${why}`, { cause }));
    });
    server.listen(port, host, () => {
      keep(
        () =>
          new Promise((done) => {
            server.close(() => done());
            closing();
          }),
      );
      resolve(addressOf(scheme, server.address() as AddressInfo));
    });
  });
}

export function addressOf(scheme: string, { address, port, family }: AddressInfo): ListenAddress {
  return { host: address, port, url: `${scheme}://${family === "IPv6" ? `[${address}]` : address}:${port}` };
}
