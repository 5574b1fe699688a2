import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, createWriteStream, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = join(ROOT, "dist/cli/index.js");
const folder = mkdtempSync(join(tmpdir(), "framewire-cli-"));
const LARGE = join(folder, "large.bin");
const LARGE_FRAMES = 128 * 1024;
const frame = encodeFrame({ version: 2, cmd: 513, payload: new Uint8Array(1000) });

/** Prints the process's peak memory as the last line of its standard error. */
const PEAK = `data:text/javascript,process.on("exit",()=>process.stderr.write("peak "+process.resourceUsage().maxRSS+"\\n"))`;

beforeAll(async () => {
  const file = createWriteStream(LARGE);
  const block = Buffer.concat(Array.from({ length: 1024 }, () => frame));
  for (let i = 0; i < LARGE_FRAMES / 1024; i++) if (!file.write(block)) await once(file, "drain");
  file.end();
  await finished(file);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the built binary in a shell, as users do. */
function sh(command: string, cwd = ROOT): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const shell = spawn("bash", ["-o", "pipefail", "-c", command], { cwd, env: { ...process.env, NO_COLOR: "1" } });
  let stdout = "";
  let stderr = "";
  shell.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  shell.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => shell.once("close", (code) => resolve({ code, stdout, stderr })));
}

const peakMegabytes = (stderr: string) => Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024;

describe("framewire decode in a pipe", () => {
  test("head ends it quietly, long before the end of the file", async () => {
    const { code, stdout, stderr } = await sh(`node ${CLI} decode --json ${LARGE} | head -n 2`);
    expect(stdout.split("\n")).toHaveLength(3);
    expect(JSON.parse(stdout.split("\n")[1]!)).toMatchObject({ type: "frame", start: frame.length, cmd: 513 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  test("a frame is printed when it has arrived, not when the stream ends", async () => {
    const decode = spawn("node", [CLI, "decode", "--json", "-"]);
    decode.stdin.write(frame);
    const line = await new Promise<string>((resolve) => decode.stdout.once("data", (chunk) => resolve(String(chunk))));
    expect(JSON.parse(line)).toMatchObject({ type: "frame", end: frame.length });
    decode.stdin.end();
    expect(await new Promise((resolve) => decode.once("close", resolve))).toBe(0);
  });

  test("a large file is read in bounded memory, also by a reader that takes its time", async () => {
    const tiny = await sh(`node --import '${PEAK}' ${CLI} decode --json - < /dev/null`);
    const fast = await sh(`node --import '${PEAK}' ${CLI} decode --json ${LARGE} | wc -l`);
    const slow = await sh(`node --import '${PEAK}' ${CLI} decode ${LARGE} | (sleep 2; wc -l)`);
    expect(Number(fast.stdout)).toBe(LARGE_FRAMES);
    expect(Number(slow.stdout)).toBe(LARGE_FRAMES + 1);
    // The file is 128 MiB and its JSON 190 MiB; what is allowed is the young generation that Node lets grow.
    expect(peakMegabytes(fast.stderr) - peakMegabytes(tiny.stderr)).toBeLessThan(96);
    expect(peakMegabytes(slow.stderr) - peakMegabytes(tiny.stderr)).toBeLessThan(96);
  });

  test("--strict ends with 1 through a pipe", async () => {
    const { code, stdout } = await sh(`printf 'junk' | node ${CLI} decode --strict --json | cat`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '{"type":"gap","start":0,"end":4,"reason":"garbage"}\n' });
  });
});

test("without protobufjs --proto says how to install it, and everything else works", async () => {
  const project = join(folder, "project");
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "@bufbuild"), { recursive: true });
  cpSync(join(ROOT, "dist"), join(modules, "framewire/dist"), { recursive: true });
  copyFileSync(join(ROOT, "package.json"), join(modules, "framewire/package.json"));
  for (const name of ["commander", "@bufbuild/protobuf"]) symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  writeFileSync(join(project, "capture.bin"), frame);
  const cli = "node_modules/framewire/dist/cli/index.js";
  expect(await sh(`node ${cli} decode --proto any.proto capture.bin`, project)).toEqual({
    code: 2,
    stdout: "",
    stderr: "framewire: --proto needs protobufjs, which is not installed: npm i protobufjs\n",
  });
  expect(await sh(`node ${cli} decode --json --strict capture.bin`, project)).toMatchObject({ code: 0 });
});
