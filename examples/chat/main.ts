/** Runs the chat: server, page and the phone's scripted peer. `npm start` builds everything and comes here. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FramewireError } from "framewire";
import { openChat } from "./chat.js";
import { runExchange } from "./exchange.js";
import { logFrame, logNews } from "./frame-log.js";
import { createPage } from "./page.js";

const HOST = "127.0.0.1";
const EXCHANGE_TIMEOUT_MS = 20_000;

const HELP = `Usage: npm start -- [options]

Runs the chat example: a page and WebSocket peers on one port, TCP peers on another, one room for all.

  --port <n>      port of the page and its WebSocket (default 8080; 0 picks a free one)
  --tcp-port <n>  port for TCP peers (default 9090; 0 picks a free one)
  --once          run one exchange between a web client and the TCP peer, then exit
  --help          show this
`;

/** Something that the person at the keyboard can mend: shown without a stack. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) {
    console.log(HELP);
    return;
  }
  const page = createPage(fileURLToPath(new URL("web", import.meta.url)));
  await explainTakenPort("--port", options.port, async () => {
    page.listen(options.port, HOST);
    await once(page, "listening");
  });
  const chat = await explainTakenPort("--tcp-port", options.tcpPort, () =>
    openChat({ host: HOST, page, tcpPort: options.tcpPort, onFrame: logFrame, onPeer: logNews }),
  );
  const { port } = page.address() as AddressInfo;
  console.log(`\nchat page  http://${HOST}:${port}/\nWebSocket  ws://${HOST}:${port}\nTCP        tcp://${HOST}:${chat.tcpPort}\n`);

  const phone = startPhone(chat.tcpPort);
  const close = async (): Promise<void> => {
    phone.kill();
    await chat.close();
    page.closeAllConnections();
    page.close();
  };
  process.once("SIGINT", close);
  process.once("SIGTERM", close);
  if (!options.once) return;
  try {
    await runExchange(`ws://${HOST}:${port}`, EXCHANGE_TIMEOUT_MS);
  } finally {
    await close();
  }
}

function readOptions(): { port: number; tcpPort: number; once: boolean; help: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "8080" },
        "tcp-port": { type: "string", default: "9090" },
        once: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return { port: portOf("--port", values.port), tcpPort: portOf("--tcp-port", values["tcp-port"]), once: values.once, help: values.help };
  } catch (error) {
    throw new UsageError(`${FramewireError.from(error).message}\n\n${HELP}`);
  }
}

function portOf(option: string, value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535) throw new Error(`${option} is ${value}; it must be a port, 0 to 65535`);
  return port;
}

async function explainTakenPort<T>(option: string, port: number, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    for (let cause = error as NodeJS.ErrnoException | undefined; cause !== undefined; cause = cause.cause as typeof cause) {
      if (cause.code === "EADDRINUSE") {
        throw new UsageError(`Port ${port} is taken by another program. Choose another: npm start -- ${option} ${port + 1}`);
      }
    }
    throw error;
  }
}

/** The phone is a process of its own, so that nothing of framewire is in it. */
function startPhone(port: number): ChildProcess {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const script = fileURLToPath(new URL("mobile-peer.js", import.meta.url));
  const protos = ["proto", "examples/chat/proto", "node_modules/protobufjs"].map((folder) => join(root, folder));
  return spawn(process.execPath, [script, "--port", String(port), ...protos.flatMap((folder) => ["--proto", folder])], {
    stdio: ["ignore", "inherit", "inherit"],
  });
}

await main().catch((error: unknown) => {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(1);
});
