/** The README's Quick start, block by block as it is written, in an empty folder: only framewire comes from its packed file, and the ports are free ones. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../helpers/chromium.js";
import { codeBlocks } from "../helpers/markdown.js";
import { ROOT, UserFolder } from "./packed.js";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const section = /^## Quick start\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";

/** The ports that the page names. */
const PORTS = ["8080", "9090", "5173"] as const;
const ports = new Map<string, string>();

const folder = new UserFolder();
const running: ChildProcess[] = [];

interface Block {
  readonly language: string;
  /** Absent for commands. */
  readonly file: string | undefined;
  readonly text: string;
}

const blocks: Block[] = [...section.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(([, language = "", file, text = ""]) => ({
  language,
  file,
  text,
}));

async function freePort(): Promise<string> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return String(port);
}

function withFreePorts(text: string): string {
  return PORTS.reduce((all, port) => all.replaceAll(port, ports.get(port) as string), text);
}

/** Google's own types are what real protos import first. */
function withGoogleTypes(proto: string): string {
  const changed = proto
    .replace(/(import "framewire.*\n)/, '$1import "google/protobuf/any.proto";\nimport "google/protobuf/timestamp.proto";\n')
    .replace(/(string name = 1;)/, "$1\n  google.protobuf.Timestamp at = 2;\n  google.protobuf.Any more = 3;");
  expect(changed).toMatch(/any\.proto[\s\S]*Timestamp/);
  return changed;
}

function write({ file, text }: Block): void {
  const path = join(folder.path, file as string);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, withFreePorts(file?.endsWith(".proto") === true ? withGoogleTypes(text) : text));
}

/** Starts a command that goes on, and waits until it has printed `ready`. */
async function start(line: string, ready: RegExp): Promise<void> {
  const child = spawn("sh", ["-c", line], { cwd: folder.path, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer) => {
      printed += chunk.toString();
      if (ready.test(printed)) resolve();
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.once("exit", (code) => reject(new Error(`${line} ended with ${code}\n${printed}`)));
  });
}

function stopAll(): void {
  for (const { pid, exitCode } of running.splice(0)) if (pid !== undefined && exitCode === null) process.kill(-pid);
}

/** Runs one line of a block of commands; gives what it printed. */
async function runLine(line: string): Promise<string> {
  if (line === "npm install framewire") return folder.run("npm", "install", folder.tarball);
  if (line === "node dist/server.js") return start(line, /listening/).then(() => "");
  if (line === "npx vite") return start(`npx vite --port ${ports.get("5173")} --strictPort`, /ready in/).then(() => "");
  return folder.run("sh", "-c", line);
}

beforeAll(async () => {
  for (const port of PORTS) ports.set(port, await freePort());
  await folder.pack();
});

afterAll(() => {
  stopAll();
  folder.remove();
});

test("every command of it works in the order in which it stands, and the call is answered in Node and in a browser", async () => {
  const printed = new Map<string, string>();
  for (const block of blocks) {
    if (block.file !== undefined) write(block);
    else if (block.language === "sh") for (const line of block.text.trim().split("\n")) printed.set(line, await runLine(line));
  }
  expect(printed.get("npx framewire generate")).toBe("        257  greet.v1.GreetService/Greet\n");
  expect(printed.get("node dist/client.js")).toBe("Hello, Ada\n");
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(withFreePorts("http://localhost:5173/"));
    await page.locator("#greeting", { hasText: "Hello, Ada" }).waitFor({ timeout: 20_000 });
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
}, 240_000);

test("tsc accepts the result strictly, with the declarations of every library checked, and buf lint the proto", async () => {
  const { compilerOptions } = JSON.parse(readFileSync(join(folder.path, "tsconfig.json"), "utf8")) as {
    compilerOptions: Record<string, unknown>;
  };
  expect(compilerOptions.strict).toBe(true);
  await folder.run("npx", "tsc", "--noEmit", "--skipLibCheck", "false");
  await folder.run("npx", "buf", "lint", "proto");
});

test("the codec's lines below it report the damage, then its end, and find the frame behind it, as the page says", async () => {
  writeFileSync(join(folder.path, "codec.ts"), codeBlocks(readme).get("codec.ts") as string);
  await folder.run("npx", "tsc");
  expect(await folder.run(process.execPath, "dist/codec.js")).toBe(/^It prints\n\n```text\n([\s\S]*?)^```$/m.exec(readme)?.[1]);
});

/** The packages that importing framewire/server has loaded of those that CommonJS is used for. */
async function loaded(): Promise<string[]> {
  const script = `import "framewire/server"; import { createRequire } from "node:module";
    console.log(Object.keys(createRequire(import.meta.url).cache).join("\\n"));`;
  const files = (await folder.run(process.execPath, "--input-type=module", "-e", script)).trim().split("\n");
  return [...new Set(files.map((file) => file.split("/node_modules/")[1]?.split("/")[0] ?? ""))].sort();
}

test("ws masks with bufferutil where it is installed, and everything works without it", async () => {
  expect(await loaded()).toEqual(["bufferutil", "node-gyp-build", "ws"]);
  stopAll();
  for (const name of ["bufferutil", "node-gyp-build"]) rmSync(join(folder.path, "node_modules", name), { recursive: true });
  await start("node dist/server.js", /listening/);
  for (const url of ["ws://127.0.0.1:8080", "tcp://127.0.0.1:9090"].map(withFreePorts)) {
    const client = readFileSync(join(folder.path, "dist/client.js"), "utf8");
    writeFileSync(join(folder.path, "dist/client2.js"), client.replace(/createClient\(.*?\)/, `createClient("${url}")`));
    expect(await folder.run(process.execPath, "dist/client2.js")).toBe("Hello, Ada\n");
  }
  expect(await loaded()).toEqual(["ws"]);
  expect(readdirSync(join(folder.path, "gen"), { recursive: true })).toContain("greet/v1/greet.ts");
});
