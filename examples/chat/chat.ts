/** The chat itself: one room, its latest lines, and the server that both transports reach. */
import { randomUUID } from "node:crypto";
import type { Server as HttpServer } from "node:http";
import { FramewireError } from "framewire";
import { createServer, type ServerConnection } from "framewire/server";
import type { SeenFrame } from "./frame-log.js";
import { ChatEventsServiceDefinition, ChatServiceDefinition, type Line } from "./gen/chat/v1/chat.js";

/** Lines that a new peer is shown. */
const KEPT_LINES = 100;

/** Longest text of one line, and longest name, in UTF-16 units. */
const MAX_TEXT = 2000;
const MAX_AUTHOR = 64;

export interface ChatOptions {
  readonly host: string;
  /** The page's server; WebSockets attach to it. */
  readonly page: HttpServer;
  readonly tcpPort: number;
  /** Sees every frame that comes or goes, once the handshake is done. */
  readonly onFrame: (frame: SeenFrame) => void;
  /** Hears in words who comes and goes. */
  readonly onPeer: (news: string) => void;
}

export interface Chat {
  /** The port that TCP peers connect to. */
  readonly tcpPort: number;
  close(): Promise<void>;
}

/** Opens the chat for WebSocket peers of `page` and for TCP peers. */
export async function openChat({ host, page, tcpPort, onFrame, onPeer }: ChatOptions): Promise<Chat> {
  const { posted, presence } = ChatEventsServiceDefinition.methods;
  const server = createServer({ peer: { name: "framewire chat" } });
  const room = randomUUID();
  const lines: Line[] = [];
  const names = new WeakMap<ServerConnection, string>();
  let lastId = 0n;

  /** Keeps the name that a peer goes by. */
  function setName(connection: ServerConnection, author: string): void {
    if (author.length > MAX_AUTHOR) throw new FramewireError("invalid-argument", `a name has at most ${MAX_AUTHOR} characters`);
    if (names.get(connection) === author) return;
    names.set(connection, author);
    announcePresence();
  }

  server.implement(ChatServiceDefinition, {
    send({ author, text, key }, { connection }) {
      if (author.trim() === "" || text.trim() === "") throw new FramewireError("invalid-argument", "a line needs an author and a text");
      if (text.length > MAX_TEXT) throw new FramewireError("invalid-argument", `a line has at most ${MAX_TEXT} characters`);
      setName(connection, author);
      const before = key === "" ? undefined : lines.find((line) => line.key === key);
      if (before !== undefined) return { id: before.id };
      lastId += 1n;
      const line = { id: lastId, author, text, sentAtMs: BigInt(Date.now()), via: viaOf(connection), peer: connection.id, key };
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      server.broadcast(posted, { line });
      return { id: line.id };
    },
    history({ limit, author }, { connection }) {
      if (author.trim() !== "") setName(connection, author);
      // Pages ask for this whenever they are connected again, which changes who is here.
      announcePresence();
      return { lines: limit === 0 ? lines : lines.slice(-limit), peer: connection.id, room };
    },
  });

  let announcing: NodeJS.Immediate | undefined;
  /** Tells everybody who is here, once for all that came and left in one turn. */
  function announcePresence(): void {
    if (announcing !== undefined) return;
    announcing = setImmediate(() => {
      announcing = undefined;
      const here = server.connections.filter(({ attached }) => attached);
      const websocket = here.filter((connection) => transportOf(connection) === "WebSocket").length;
      const peers = here.map((connection) => ({ id: connection.id, name: names.get(connection) ?? "", via: viaOf(connection) }));
      server.broadcast(presence, { websocket, tcp: here.length - websocket, peers });
    });
  }

  server.on("connection", (connection) => {
    const peer = `${transportOf(connection)} peer #${connection.id}`;
    onPeer(`${peer} came from ${connection.transport.remoteAddress}`);
    announcePresence();
    connection.on("detach", ({ closeCode, reason }) => {
      onPeer(`${peer} left: ${closeCode}${reason === "" ? "" : `, ${reason}`}`);
      announcePresence();
    });
  });
  server.on("frame", (frame) => {
    onFrame({ ...frame, transport: transportOf(frame.connection), peer: `#${frame.connection.id}` });
  });

  const { tcp } = await server.listen({ ws: { server: page }, tcp: { host, port: tcpPort } });
  return { tcpPort: tcp?.port ?? tcpPort, close: () => server.close({ drainMs: 1000 }) };
}

/** Transport and version, as people read them. */
function viaOf(connection: ServerConnection): string {
  return `${transportOf(connection)} v${connection.version}`;
}

function transportOf({ transport }: ServerConnection): string {
  return transport.kind === "ws" ? "WebSocket" : transport.kind.toUpperCase();
}
