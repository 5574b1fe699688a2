/** A TCP proxy that misbehaves as told, for tests over real sockets: TCP, TLS and WebSocket alike. Node only. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Chaos, type ChaosOptions } from "./chaos.js";
import type { Direction, FaultyLink } from "./faulty-link.js";

/** Options of a proxy. */
export interface ChaosProxyOptions extends ChaosOptions {
  /** Where it connects to: an address such as `tcp://127.0.0.1:9000` or `ws://127.0.0.1:8080/path`. */
  readonly target: string | URL;
  /** Port to listen on. Default 0: any free one. */
  readonly port?: number;
}

/** Bytes under way in a direction above which the sender is not read from. */
const HIGH_WATER = 64 * 1024;

/** Listens on 127.0.0.1; every connection to it is joined to one to the target, through faults. */
export class ChaosProxy extends Chaos {
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** While false, connections are refused as soon as they are made. */
  reachable = true;

  constructor(options: ChaosProxyOptions) {
    super(options);
    this.#target = new URL(options.target);
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#join(socket));
  }

  /** The target's address with the proxy's host and port: hand it to `createClient`. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = "127.0.0.1";
    url.port = String(this.port);
    return url.href;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** @internal */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
  }

  /** Cuts every link and stops listening. */
  close(): Promise<void> {
    this.cut();
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #join(client: Socket): void {
    client.on("error", () => {});
    if (!this.reachable) {
      client.resetAndDestroy();
      return;
    }
    this.#track(client);
    // Nothing is read before there is somewhere to write it: a cut at a byte then finds the bytes before it gone out.
    client.pause();
    const { hostname, port, protocol } = this.#target;
    const defaultPort = protocol === "wss:" || protocol === "https:" ? 443 : 80;
    const upstream = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || defaultPort), allowHalfOpen: true });
    this.#track(upstream);
    upstream.on("error", () => client.resetAndDestroy());
    upstream.once("connect", () => {
      if (client.destroyed) upstream.resetAndDestroy();
      else this.#joined(client, upstream);
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #joined(client: Socket, upstream: Socket): void {
    const receiver: Record<Direction, Socket> = { up: upstream, down: client };
    const sender: Record<Direction, Socket> = { up: client, down: upstream };
    const link: FaultyLink = this.link(
      {
        arrived: (direction, bytes) => {
          receiver[direction].write(bytes);
          steer(direction);
        },
        ended: (direction) => receiver[direction].end(),
        cut: () => {
          client.resetAndDestroy();
          upstream.resetAndDestroy();
        },
      },
      false,
    );
    // A sender is read from as long as neither the line nor the receiver's socket is full.
    const steer = (direction: Direction) => {
      const waiting = link[direction].queuedBytes + receiver[direction].writableLength;
      if (waiting > HIGH_WATER) sender[direction].pause();
      else if (sender[direction].isPaused()) sender[direction].resume();
    };
    for (const direction of ["up", "down"] as const) {
      const from = sender[direction];
      from.setNoDelay(true);
      from.on("data", (chunk) => {
        link[direction].send(chunk);
        steer(direction);
      });
      receiver[direction].on("drain", () => steer(direction));
      from.on("end", () => link[direction].finish());
      from.on("close", (failed) => this.#lost(link, direction, failed, receiver[direction]));
    }
    link.start();
    client.resume();
  }

  /** One side's socket is gone. In silence the other side does not learn of it. */
  #lost(link: FaultyLink, direction: Direction, failed: boolean, other: Socket): void {
    if (link[direction].silent && !other.destroyed) return;
    if (failed && !other.destroyed) other.resetAndDestroy();
    else if (other.destroyed) this.over(link);
  }
}

/** Opens a proxy in front of `target`. Resolves when it listens. */
export async function createChaosProxy(options: ChaosProxyOptions): Promise<ChaosProxy> {
  const proxy = new ChaosProxy(options);
  await proxy.listen(options.port ?? 0);
  return proxy;
}
