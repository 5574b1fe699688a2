/** Real proxies in front of a test's server, with the files of deploy/: only places and times are changed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tlsFixture } from "../helpers/transports.js";

const DEPLOY = fileURLToPath(new URL("../../deploy", import.meta.url));

/** Silence that ends a connection in these tests, in milliseconds; the deployed files say 75 s. */
export const IDLE_MS = 1500;

export interface RealProxy {
  readonly ws: string;
  /** Only HAProxy. */
  readonly tls: string;
  /** Takes its configuration anew, as an operator makes it do; what is open ends a second later. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** Replaces text of a deployed file. It must be there: the test is about that file. */
function change(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`deploy/ does not say ${from}`);
    return before.replaceAll(from, to);
  }, text);
}

async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(
    Array.from({ length: count }, async () => {
      const probe = createServer();
      probe.listen(0, "127.0.0.1");
      await once(probe, "listening");
      return probe;
    }),
  );
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}

/** Runs a proxy in the foreground. */
class Running {
  readonly #process: ChildProcess;
  #errors = "";

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (data) => {
        this.#errors += String(data);
      });
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Waits until something listens at the port. */
  async listens(port: number): Promise<void> {
    const { connect } = await import("node:net");
    for (let i = 0; i < 100; i++) {
      const socket = connect(port, "127.0.0.1");
      const open = await new Promise((resolve) => socket.once("connect", () => resolve(true)).once("error", () => resolve(false)));
      socket.destroy();
      if (open) return;
      if (this.#process.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`it does not listen: ${this.#errors}`);
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "close");
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 3000);
    await ended;
    clearTimeout(timer);
  }
}

function workFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "framewire-proxy-"));
  writeFileSync(join(folder, "server.pem"), tlsFixture("server.pem") + tlsFixture("server.key"));
  writeFileSync(join(folder, "server.key"), tlsFixture("server.key"));
  return folder;
}

/** nginx with deploy/nginx.conf. `more`: further changes of it. */
export async function startNginx(upstream: number, more: Readonly<Record<string, string>> = {}): Promise<RealProxy> {
  const folder = workFolder();
  const [port = 0] = await freePorts(1);
  const seconds = `${IDLE_MS}ms`;
  const config = change(readFileSync(join(DEPLOY, "nginx.conf"), "utf8"), {
    "worker_processes auto": "worker_processes 1",
    "/run/nginx.pid": `${folder}/nginx.pid`,
    "/var/log/nginx/error.log": `${folder}/error.log`,
    "worker_shutdown_timeout 30s": "worker_shutdown_timeout 1s",
    "worker_connections 20000": "worker_connections 256",
    "server 127.0.0.1:8080": `server 127.0.0.1:${upstream}`,
    "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
    "/etc/nginx/tls": folder,
    "proxy_read_timeout 75s": `proxy_read_timeout ${seconds}`,
    "proxy_send_timeout 75s": `proxy_send_timeout ${seconds}`,
    "access_log off;": ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .concat("access_log off;")
      .join("\n"),
    ...more,
  });
  writeFileSync(join(folder, "nginx.conf"), config);
  const nginx = new Running("/usr/sbin/nginx", [
    "-c",
    join(folder, "nginx.conf"),
    "-p",
    folder,
    "-e",
    join(folder, "error.log"),
    "-g",
    "daemon off;",
  ]);
  await nginx.listens(port);
  return {
    ws: `wss://localhost:${port}`,
    tls: "",
    reload: async () => nginx.signal("SIGHUP"),
    close: async () => {
      await nginx.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** HAProxy with deploy/haproxy.cfg. */
export async function startHaproxy(upstream: { readonly ws: number; readonly tcp: number }): Promise<RealProxy> {
  const folder = workFolder();
  const [ws = 0, stream = 0] = await freePorts(2);
  const config = change(readFileSync(join(DEPLOY, "haproxy.cfg"), "utf8"), {
    "maxconn 40000": "maxconn 256",
    "hard-stop-after 30s": "hard-stop-after 1s",
    "timeout client 75s": `timeout client ${IDLE_MS}ms`,
    "timeout server 75s": `timeout server ${IDLE_MS}ms`,
    "timeout tunnel 75s": `timeout tunnel ${IDLE_MS}ms`,
    "bind :443": `bind 127.0.0.1:${ws}`,
    "bind :9443": `bind 127.0.0.1:${stream}`,
    "/etc/haproxy/tls": folder,
    "127.0.0.1:8080": `127.0.0.1:${upstream.ws}`,
    "127.0.0.1:9090": `127.0.0.1:${upstream.tcp}`,
  });
  writeFileSync(join(folder, "haproxy.cfg"), config);
  const haproxy = new Running("/usr/sbin/haproxy", ["-W", "-f", join(folder, "haproxy.cfg")]);
  await haproxy.listens(ws);
  return {
    ws: `wss://localhost:${ws}`,
    tls: `tls://localhost:${stream}`,
    reload: async () => haproxy.signal("SIGUSR2"),
    close: async () => {
      await haproxy.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
