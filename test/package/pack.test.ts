import { type ChildProcess, execFile, spawn } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeBlocks } from "../helpers/markdown.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAX_PACKAGES = 8;
const MAX_BYTES = 10_000_000;

const run = promisify(execFile);
const readme = codeBlocks(readFileSync(join(ROOT, "README.md"), "utf8"));
const project = mkdtempSync(join(tmpdir(), "framewire-pack-"));
const installed: string[] = [];
let server: ChildProcess | undefined;

/** Runs a command in the new project; what it prints on failure becomes the test's message. */
async function inProject(command: string, ...args: string[]): Promise<string> {
  try {
    return (await run(command, args, { cwd: project })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")}\n${stdout ?? ""}${stderr ?? String(error)}`);
  }
}

const npmInstall = (...packages: string[]): Promise<string> =>
  inProject("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...packages);

function bytesUnder(path: string): number {
  const info = lstatSync(path);
  return info.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0) : info.size;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

beforeAll(async () => {
  await run("npm", ["pack", "--pack-destination", project], { cwd: ROOT });
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack wrote no tarball");
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "quick-start", private: true, type: "module" }));
  await npmInstall(`./${tarball}`);
  const lock = JSON.parse(readFileSync(join(project, "node_modules/.package-lock.json"), "utf8")) as { packages: object };
  installed.push(...Object.keys(lock.packages));
});

afterAll(() => {
  server?.kill();
  rmSync(project, { recursive: true, force: true });
});

test("the install adds at most 8 packages and 10 MB", () => {
  const bytes = bytesUnder(join(project, "node_modules"));
  console.log(`npm install framewire: ${installed.length} packages, ${(bytes / 1e6).toFixed(1)} MB (${installed.join(", ")})`);
  expect(installed).toContain("node_modules/framewire");
  expect(installed.length).toBeLessThanOrEqual(MAX_PACKAGES);
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});

test("without the generator's packages, framewire generate names them and the command that installs them", async () => {
  await expect(inProject("npx", "framewire", "generate")).rejects.toThrow("npm install --save-dev @bufbuild/buf ts-proto");
});

test("the package holds what it promises and nothing of the workshop", () => {
  const names = readdirSync(join(project, "node_modules/framewire")).sort();
  expect(names).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "dist", "docs", "package.json", "proto", "src", "test"]);
});

describe("the README's quick start, in an empty project", () => {
  test("buf and ts-proto generate its messages and service from the protos inside the package", async () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { devDependencies: Record<string, string> };
    const tools = ["@bufbuild/buf", "ts-proto", "typescript", "@types/node"];
    await npmInstall("--save-dev", ...tools.map((name) => `${name}@${devDependencies[name]}`));
    for (const name of ["proto/greet/v1/greet.proto", "buf.yaml", "buf.gen.yaml", "server.ts", "client.ts", "codec.ts", "tsconfig.json"]) {
      const text = readme.get(name);
      if (text === undefined) throw new Error(`the README shows no ${name}`);
      mkdirSync(dirname(join(project, name)), { recursive: true });
      writeFileSync(join(project, name), text);
    }
    await inProject("npx", "buf", "lint", "proto");
    expect(await inProject("npx", "framewire", "generate")).toContain("greet.v1.GreetService/Greet");
    expect(readdirSync(join(project, "gen"), { recursive: true })).toContain("greet/v1/greet.ts");
  });

  test("tsc accepts it, strictly and with the declarations of every library checked", async () => {
    const { compilerOptions } = JSON.parse(readFileSync(join(project, "tsconfig.json"), "utf8")) as {
      compilerOptions: Record<string, unknown>;
    };
    expect(compilerOptions.strict).toBe(true);
    await inProject("npx", "tsc", "--skipLibCheck", "false");
  });

  test("its codec lines find the frame behind the garbage", async () => {
    expect(await inProject(process.execPath, "dist/codec.js")).toBe("lost 0 to 3: garbage\n257 any bytes\n");
  });

  /** Starts the server and lets a client call it over both transports. */
  async function exchange(): Promise<void> {
    const [ws, tcp] = [await freePort(), await freePort()];
    const env = { ...process.env, WS_PORT: String(ws), TCP_PORT: String(tcp) };
    const running = spawn(process.execPath, ["dist/server.js"], { cwd: project, env, stdio: ["ignore", "pipe", "inherit"] });
    server = running;
    await new Promise<void>((resolve, reject) => {
      running.stdout.once("data", () => resolve());
      running.once("exit", (code) => reject(new Error(`the server ended with ${code} before it said anything`)));
    });
    for (const url of [`ws://127.0.0.1:${ws}`, `tcp://127.0.0.1:${tcp}`]) {
      expect(await inProject(process.execPath, "dist/client.js", url)).toBe("Hello, Ada\n");
    }
    running.kill();
  }

  /** The packages that importing framewire/server has loaded of those that CommonJS is used for. */
  async function loaded(): Promise<string[]> {
    const script = `import "framewire/server"; import { createRequire } from "node:module";
      console.log(Object.keys(createRequire(import.meta.url).cache).join("\\n"));`;
    const files = (await inProject(process.execPath, "--input-type=module", "-e", script)).trim().split("\n");
    return [...new Set(files.map((file) => file.split("/node_modules/")[1]?.split("/")[0] ?? ""))].sort();
  }

  test("server and client run and talk by WebSocket and by TCP, and ws masks with bufferutil", async () => {
    await exchange();
    expect(await loaded()).toEqual(["bufferutil", "node-gyp-build", "ws"]);
  });

  test("both do so without bufferutil, which is optional", async () => {
    for (const name of ["bufferutil", "node-gyp-build"]) rmSync(join(project, "node_modules", name), { recursive: true });
    await exchange();
    expect(await loaded()).toEqual(["ws"]);
  });
});
