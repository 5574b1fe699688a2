/** A TCP proxy that does one thing wrong when told to: it damages one byte behind a text, or cuts all links. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** `up` is towards the server. */
export type Direction = "up" | "down";

export class Mishaps {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #damage: { direction: Direction; text: Buffer; at: number } | undefined;
  /** Links that were opened. */
  links = 0;
  /** Bytes that arrived with another value. */
  damaged = 0;

  constructor(targetPort: () => number) {
    this.#server = createServer((client) => {
      this.links++;
      const upstream = connect(targetPort(), "127.0.0.1");
      this.#join(client, upstream, "up");
      this.#join(upstream, client, "down");
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Flips a bit of the byte `at` bytes from the start of `text`, the next time that it goes by in this direction. */
  damage(direction: Direction, text: string, at = 0): void {
    this.#damage = { direction, text: Buffer.from(text), at };
  }

  /** Ends every link at once; what is under way is lost. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(from: Socket, to: Socket, direction: Direction): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.end();
    });
    from.on("data", (chunk) => {
      const found = this.#damage?.direction === direction ? chunk.indexOf(this.#damage.text) : -1;
      if (found >= 0) {
        chunk[found + this.#damage!.at]! ^= 0x01;
        this.damaged++;
        this.#damage = undefined;
      }
      to.write(chunk);
    });
  }
}
