/** The chat itself: one room, its latest lines, and the server that both transports reach. */
import type { Server as HttpServer } from "node:http";
import { FramewireError } from "framewire";
import { createServer, type ServerConnection } from "framewire/server";
import type { SeenFrame } from "./frame-log.js";
import { ChatEventsServiceDefinition, ChatServiceDefinition, type Line } from "./gen/chat/v1/chat.js";

/** Lines that a newcomer is shown. */
const KEPT_LINES = 100;

/** Longest text of one line, in UTF-16 units. */
const MAX_TEXT = 2000;

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
  const lines: Line[] = [];
  let lastId = 0n;

  server.implement(ChatServiceDefinition, {
    send({ author, text }, { connection }) {
      if (author.trim() === "" || text.trim() === "") throw new FramewireError("invalid-argument", "a line needs an author and a text");
      if (text.length > MAX_TEXT) throw new FramewireError("invalid-argument", `a line has at most ${MAX_TEXT} characters`);
      lastId += 1n;
      const via = `${transportOf(connection)} v${connection.version}`;
      const line = { id: lastId, author, text, sentAtMs: BigInt(Date.now()), via };
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      server.broadcast(posted, { line });
      return { id: line.id };
    },
    history({ limit }) {
      // Pages ask for this whenever they are connected again, which changes who is here.
      announcePresence();
      return { lines: limit === 0 ? lines : lines.slice(-limit) };
    },
  });

  let announcing: NodeJS.Immediate | undefined;
  /** Tells everybody how many are here, once for all that came and left in one turn. */
  function announcePresence(): void {
    if (announcing !== undefined) return;
    announcing = setImmediate(() => {
      announcing = undefined;
      const here = server.connections.filter(({ attached }) => attached).map(transportOf);
      const websocket = here.filter((transport) => transport === "WebSocket").length;
      server.broadcast(presence, { websocket, tcp: here.length - websocket });
    });
  }

  server.on("connection", (connection) => {
    const name = `${transportOf(connection)} peer #${connection.id}`;
    onPeer(`${name} came from ${connection.transport.remoteAddress}`);
    announcePresence();
    connection.on("detach", ({ closeCode, reason }) => {
      onPeer(`${name} left: ${closeCode}${reason === "" ? "" : `, ${reason}`}`);
      announcePresence();
    });
  });
  server.on("frame", (frame) => {
    onFrame({ ...frame, transport: transportOf(frame.connection), peer: `#${frame.connection.id}` });
  });

  const { tcp } = await server.listen({ ws: { server: page }, tcp: { host, port: tcpPort } });
  return { tcpPort: tcp?.port ?? tcpPort, close: () => server.close({ drainMs: 1000 }) };
}

function transportOf({ transport }: ServerConnection): string {
  return transport.kind === "ws" ? "WebSocket" : transport.kind.toUpperCase();
}
