/** The peers in other languages: how each is built, into `.cache/interop/`, and started. */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = join(ROOT, ".cache/interop");
const PROTOS = [
  "framewire/v1/data_frame.proto",
  "framewire/v1/session.proto",
  "framewire/v1/command.proto",
  "framewire/conformance/v1/conformance.proto",
  "test/v1/test_service.proto",
];

const runFile = promisify(execFile);

export interface Language {
  readonly name: string;
  /** Folder below test/interop/. */
  readonly folder: string;
  /** Builds into the folder `out`; `source` is the language's own folder. */
  build(out: string, source: string): Promise<void>;
  /** Program and arguments that start the built peer. */
  command(out: string, source: string): readonly string[];
}

async function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  await runFile(command, args, { cwd: ROOT, env: { ...process.env, ...env } });
}

function protoc(...args: string[]): Promise<void> {
  return run("protoc", ["-Iproto", "-Itest/proto", ...args, ...PROTOS]);
}

export const PYTHON: Language = {
  name: "Python",
  folder: "python",
  build: async (out) => {
    await protoc(`--python_out=${out}`);
    // A folder without this file would lose to the standard library's own `test`.
    for (const folder of ["test", "test/v1"]) writeFileSync(join(out, folder, "__init__.py"), "");
  },
  // Debian's modules belong to Debian's Python, not to whichever comes first in the path.
  command: (out, source) => [
    "/usr/bin/env",
    `PYTHONPATH=${out}:${source}`,
    "PYTHONDONTWRITEBYTECODE=1",
    "/usr/bin/python3",
    `${source}/peer.py`,
  ],
};

/** Where Go code finds what protoc generated for a package. */
const GO_PACKAGES = PROTOS.map((path) => `${path}=interop/${path.split("/").at(-3)}v1`);

export const GO: Language = {
  name: "Go",
  folder: "go",
  build: async (out, source) => {
    mkdirSync(join(out, "src"));
    await protoc(`--go_out=${join(out, "src")}`, ...GO_PACKAGES.map((option) => `--go_opt=M${option}`));
    // Debian's Go libraries are a GOPATH. What was compiled of them before is kept from build to build.
    const env = { GO111MODULE: "off", GOPATH: `${out}:/usr/share/gocode`, GOCACHE: join(CACHE, "compiled-go"), CGO_ENABLED: "0" };
    await run("/usr/bin/go", ["build", "-p", "1", "-o", join(out, "peer"), `./${relative(ROOT, source)}`], env);
  },
  command: (out) => [join(out, "peer")],
};

const PROTOBUF_JAR = "/usr/share/java/protobuf.jar";

export const JAVA: Language = {
  name: "Java",
  folder: "java",
  build: async (out, source) => {
    mkdirSync(join(out, "src"));
    await protoc(`--java_out=${join(out, "src")}`);
    const generated = readdirSync(join(out, "src"), { recursive: true, encoding: "utf8" }).map((name) => join(out, "src", name));
    const written = readdirSync(source).map((name) => join(source, name));
    const sources = [...generated, ...written].filter((path) => path.endsWith(".java"));
    await run("javac", [
      "-J-XX:TieredStopAtLevel=1",
      "-J-XX:+UseSerialGC",
      "-proc:none",
      "--release",
      "17",
      "-encoding",
      "UTF-8",
      "-nowarn",
      "-cp",
      PROTOBUF_JAR,
      "-d",
      join(out, "classes"),
      ...sources,
    ]);
  },
  // A process that lives for a second has no use for the optimising compiler.
  command: (out) => ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", `${join(out, "classes")}:${PROTOBUF_JAR}`, "peer.Main"],
};

export const CPP: Language = {
  name: "C++",
  folder: "cpp",
  build: async (out, source) => {
    await protoc(`--cpp_out=${out}`);
    // Everything as one unit: protobuf's headers take longer than the rest and are read once. Two names that each generated file has for itself are set apart.
    const generated = PROTOS.map((path, i) => {
      const file = `#include "${path.replace(".proto", ".pb.cc")}"`;
      return `#define schemas schemas${i}\n#define file_default_instances instances${i}\n${file}\n#undef schemas\n#undef file_default_instances\n`;
    });
    const written = readdirSync(source).filter((name) => name.endsWith(".cpp"));
    writeFileSync(join(out, "all.cpp"), [...generated, ...written.map((name) => `#include "${join(source, name)}"\n`)].join(""));
    const libraries = ["-lprotobuf", "-lz", "-pthread"];
    await run("g++", ["-std=c++17", "-Wall", "-I", out, "-o", join(out, "peer"), join(out, "all.cpp"), ...libraries]);
  },
  command: (out) => [join(out, "peer")],
};

/** A peer that is ready to be started. */
export class Peer {
  readonly #command: readonly string[];

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  start(...args: string[]): PeerProcess {
    return new PeerProcess([...this.#command, ...args]);
  }
}

/** Builds the peer of a language, unless the same sources were built before. */
export async function buildPeer({ folder, build, command }: Language): Promise<Peer> {
  const source = join(ROOT, "test/interop", folder);
  const out = join(CACHE, `${folder}-${hashOf(source)}`);
  if (!existsSync(out)) {
    // Built beside its place and moved there whole: a build that was interrupted is not taken for one that is done.
    const unfinished = `${out}.${process.pid}`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    await build(unfinished, source);
    renameSync(unfinished, out);
    const older = readdirSync(CACHE).filter((name) => name.startsWith(`${folder}-`) && !name.startsWith(basename(out)));
    for (const name of older) rmSync(join(CACHE, name), { recursive: true, force: true });
  }
  return new Peer(command(out, source));
}

function hashOf(folder: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ name }) => join(folder, name)).sort();
  const protos = PROTOS.map((path) => join(ROOT, path.startsWith("test/") ? "test/proto" : "proto", path));
  for (const path of [...paths, ...protos, fileURLToPath(import.meta.url)]) hash.update(path).update(readFileSync(path));
  return hash.digest("hex").slice(0, 16);
}

export class PeerProcess {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #output = "";
  #errors = "";

  constructor([program, ...args]: readonly string[]) {
    this.#process = spawn(program!, args, { cwd: dirname(fileURLToPath(import.meta.url)), stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#process.stdin.on("error", () => {});
  }

  /** The lines it has printed, what it wrote as errors behind them. */
  get lines(): string[] {
    return `${this.#output}${this.#errors}`.split("\n").slice(0, -1);
  }

  /** Waits until a printed line matches. */
  async printed(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      for (const line of this.lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (this.#process.exitCode !== null || performance.now() > deadline) {
        throw new Error(`the peer did not print ${pattern}; it printed:\n${this.lines.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Gives it its whole input and waits for its end. */
  async end(input = "", timeoutMs = 40_000): Promise<number | null> {
    this.#process.stdin.end(input);
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), timeoutMs);
    if (this.#process.exitCode === null) await once(this.#process, "close");
    clearTimeout(timer);
    return this.#process.exitCode;
  }
}
