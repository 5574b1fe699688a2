import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { generate } from "../../src/cli/generate.js";
import { codeBlocks } from "../helpers/markdown.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const readme = codeBlocks(readFileSync(join(ROOT, "README.md"), "utf8"));
const GREET = "proto/greet/v1/greet.proto";

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "framewire-generate-"));
  for (const name of ["buf.yaml", "buf.gen.yaml", GREET]) write(name, readme.get(name) ?? "");
});

afterEach(() => rmSync(cwd, { recursive: true }));

function write(name: string, text: string): void {
  mkdirSync(dirname(join(cwd, name)), { recursive: true });
  writeFileSync(join(cwd, name), text);
}

/** Puts `names` of our own tools into the project, with the package as npm would. */
function install(...names: string[]): void {
  mkdirSync(join(cwd, "node_modules/.bin"), { recursive: true });
  for (const name of names) symlinkSync(join(ROOT, "node_modules/.bin", name), join(cwd, "node_modules/.bin", name));
  symlinkSync(ROOT, join(cwd, "node_modules/framewire"));
}

test("without buf and ts-proto it names both and the command that installs them", async () => {
  const result = await generate({ cwd });
  expect(result).toEqual({
    problem: expect.stringMatching(/needs @bufbuild\/buf and ts-proto.*npm install --save-dev @bufbuild\/buf ts-proto/s),
  });
});

test("with only buf it names ts-proto alone", async () => {
  install("buf");
  const result = await generate({ cwd });
  expect(result).toEqual({ problem: expect.stringMatching(/needs ts-proto, .*npm install --save-dev ts-proto$/s) });
});

test("it writes the code of the README's proto and gives back its commands", async () => {
  install("buf", "protoc-gen-ts_proto");
  expect(await generate({ cwd })).toEqual({ commands: [{ name: "greet.v1.GreetService/Greet", cmd: 257 }] });
  expect(readFileSync(join(cwd, "gen/greet/v1/greet.ts"), "utf8")).toContain("GreetServiceDefinition");
});

test("two methods with one cmd: both are named and nothing is generated", async () => {
  install("buf", "protoc-gen-ts_proto");
  const other = (readme.get(GREET) ?? "").replaceAll("greet.v1", "wave.v1").replaceAll("Greet", "Wave");
  write("proto/wave/v1/wave.proto", other);
  expect(await generate({ cwd })).toEqual({
    problem: "cmd 257 of wave.v1.WaveService/Wave already belongs to greet.v1.GreetService/Greet; one cmd means one method",
  });
  expect(existsSync(join(cwd, "gen"))).toBe(false);
});

test("cmd 0 is refused", async () => {
  install("buf", "protoc-gen-ts_proto");
  write(GREET, (readme.get(GREET) ?? "").replace("cmd: 257", "cmd: 0"));
  expect(await generate({ cwd })).toEqual({ problem: expect.stringMatching(/GreetService\/Greet has cmd 0/) });
});

test("a proto that buf refuses: buf's own words come through", async () => {
  install("buf", "protoc-gen-ts_proto");
  write(GREET, "syntax = nonsense;");
  expect(await generate({ cwd })).toEqual({ problem: expect.stringMatching(/greet\.proto:1:\d+:/) });
});
