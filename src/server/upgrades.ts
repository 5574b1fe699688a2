/** The upgrades of an HTTP server: several servers of ours, and other libraries, may share them. */
import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { FramewireError } from "../errors.js";
import type { Clock } from "../runtime/clock.js";
import { refuseUpgrade } from "../transport/refuse-upgrade.js";

/** The upgrades that one listener takes. */
export interface UpgradeRoute {
  /** Absent: every path that no other route has. */
  readonly path: string | undefined;
  readonly clock: Clock;
  readonly handshakeTimeoutMs: number;
  readonly closeTimeoutMs: number;
  take(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

/**
 * The one `upgrade` listener of ours on an HTTP server. It alone answers for paths that none of our servers has: at once
 * where it is the only listener; where other libraries listen too, when none of them has taken the socket in time.
 */
class UpgradeRouter {
  readonly #http: HttpServer;
  readonly #routes: UpgradeRoute[] = [];
  readonly #listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(request, socket as Socket, head);

  constructor(http: HttpServer) {
    this.#http = http;
  }

  add(route: UpgradeRoute): void {
    const { path } = route;
    const others = this.#http.listenerCount("upgrade") - (this.#routes.length > 0 ? 1 : 0);
    if (path === undefined && others > 0) {
      throw new FramewireError("invalid-option", "this HTTP server has other `upgrade` listeners: set ws.path, so that each takes its own");
    }
    if (this.#routes.some((other) => other.path === path)) {
      const what = path === undefined ? "listens without a ws.path" : `has the path ${path}`;
      throw new FramewireError("invalid-option", `another framewire server on this HTTP server ${what}`);
    }
    this.#routes.push(route);
    if (this.#routes.length === 1) this.#http.on("upgrade", this.#listener);
  }

  remove(route: UpgradeRoute): void {
    const index = this.#routes.indexOf(route);
    if (index === -1) return;
    this.#routes.splice(index, 1);
    if (this.#routes.length === 0) this.#http.off("upgrade", this.#listener);
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Node has taken its own error listener off, and a socket without one ends the process when its peer resets it.
    socket.on("error", ignore);
    const path = request.url?.split("?", 1)[0];
    const route =
      this.#routes.find((candidate) => candidate.path === path) ?? this.#routes.find((candidate) => candidate.path === undefined);
    if (route !== undefined) return route.take(request, socket, head);
    const { clock, handshakeTimeoutMs, closeTimeoutMs } = this.#routes[0] as UpgradeRoute;
    const refuse = () => refuseUpgrade(socket, 404, clock, closeTimeoutMs);
    if (this.#http.listenerCount("upgrade") === 1) return refuse();
    const written = socket.bytesWritten;
    const timer = clock.setTimer(handshakeTimeoutMs, () => {
      if (socket.bytesWritten === written && !isRead(socket)) refuse();
    });
    socket.once("close", () => timer.cancel());
  }
}

const ignore = () => {};

/** Whether somebody has begun to read the socket, as a proxy does that waits for its upstream to answer. */
function isRead(socket: Socket): boolean {
  return socket.listenerCount("data") > 0 || socket.listenerCount("readable") > 0;
}

const routers = new WeakMap<HttpServer, UpgradeRouter>();

/**
 * Takes the upgrades of a path; the function returned ends that.
 * @throws FramewireError `invalid-option` if the path is taken, or if there is none and others take upgrades of this HTTP server
 */
export function routeUpgrades(http: HttpServer, route: UpgradeRoute): () => void {
  let router = routers.get(http);
  if (router === undefined) {
    router = new UpgradeRouter(http);
    routers.set(http, router);
  }
  router.add(route);
  return () => router.remove(route);
}
