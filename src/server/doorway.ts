/** Sockets between TCP's accept and the end of TLS and the WebSocket upgrade, where no frame of ours can be spoken yet. */
import type { Server as NetServer, Socket } from "node:net";
import type { Clock, Timer } from "../connection/clock.js";
import type { LimitCode } from "./counters.js";
import type { Newcomer, WaitingRoom } from "./waiting-room.js";

/** What a doorway needs of its server. */
export interface DoorwayHost {
  readonly room: WaitingRoom;
  readonly clock: Clock;
  readonly handshakeTimeoutMs: number;
  /** A socket was dropped by a limit. */
  limited(code: LimitCode, message: string, address: string): void;
}

/** A socket is known by its peer's address and port: TLS wraps it into another object. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

class Knock implements Newcomer {
  readonly idle = true;
  readonly since: number;
  #socket: Socket;
  readonly #host: DoorwayHost;
  readonly #timer: Timer;
  readonly #onClose: () => void;

  constructor(socket: Socket, host: DoorwayHost, left: () => void) {
    this.#socket = socket;
    this.#host = host;
    this.#onClose = left;
    this.since = host.clock.now();
    socket.once("close", left);
    this.#timer = host.clock.setTimer(host.handshakeTimeoutMs, () => this.#drop("handshake-timeout", "no handshake in time"));
  }

  sendAway(): void {
    this.#drop("too-many-connections", "too many clients are in their handshake");
  }

  /** Another object stands for the socket from now on. */
  follow(socket: Socket): void {
    this.#socket.off("close", this.#onClose);
    this.#socket = socket;
    socket.once("close", this.#onClose);
  }

  /** The socket is somebody else's, or gone. */
  end(): void {
    this.#timer.cancel();
    this.#socket.off("close", this.#onClose);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #drop(code: LimitCode, message: string): void {
    this.#host.limited(code, message, this.#socket.remoteAddress ?? "");
    this.#socket.destroy();
  }
}

export class Doorway {
  readonly #host: DoorwayHost;
  readonly #knocks = new Map<string, Knock>();

  constructor(host: DoorwayHost) {
    this.#host = host;
  }

  /** Watches the sockets that `server` accepts from now on. */
  watch(server: NetServer): void {
    server.on("connection", (socket: Socket) => {
      // Its peer has gone already, and nothing would tell it from others like it.
      if (socket.remoteAddress === undefined) return void socket.destroy();
      const name = nameOf(socket);
      const knock = new Knock(socket, this.#host, () => this.#forget(name));
      this.#knocks.set(name, knock);
      if (!this.#host.room.enter(knock)) knock.sendAway();
    });
  }

  /** `socket` has taken the place of one that stands here. */
  replaced(socket: Socket): void {
    this.#knocks.get(nameOf(socket))?.follow(socket);
  }

  /** The socket has come through; gives the time when it was accepted. */
  through(socket: Socket): number | undefined {
    return this.#forget(nameOf(socket));
  }

  /** Drops every socket that has not come through. */
  close(): void {
    for (const knock of this.#knocks.values()) knock.destroy();
  }

  #forget(name: string): number | undefined {
    const knock = this.#knocks.get(name);
    if (knock === undefined) return undefined;
    this.#knocks.delete(name);
    this.#host.room.leave(knock);
    knock.end();
    return knock.since;
  }
}
