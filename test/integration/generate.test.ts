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

/** Puts our own copies of packages into the project, with framewire as npm would. */
function install(...names: string[]): void {
  mkdirSync(join(cwd, "node_modules/@bufbuild"), { recursive: true });
  for (const name of names) symlinkSync(join(ROOT, "node_modules", name), join(cwd, "node_modules", name));
  symlinkSync(ROOT, join(cwd, "node_modules/framewire"));
}

async function problem(): Promise<string> {
  const result = await generate({ cwd });
  if (!("problem" in result)) throw new Error(`generated ${JSON.stringify(result)}`);
  return result.problem;
}

test("without buf and ts-proto it names both and the command that installs them", async () => {
  const result = await generate({ cwd });
  expect(result).toEqual({
    problem: expect.stringMatching(/needs @bufbuild\/buf and ts-proto.*npm install --save-dev @bufbuild\/buf ts-proto/s),
  });
});

test("with only buf it names ts-proto alone", async () => {
  install("@bufbuild/buf");
  const result = await generate({ cwd });
  expect(result).toEqual({ problem: expect.stringMatching(/needs ts-proto, .*npm install --save-dev ts-proto$/s) });
});

test("it writes the code of the README's proto and gives back its commands", async () => {
  install("@bufbuild/buf", "ts-proto");
  expect(await generate({ cwd })).toEqual({ commands: [{ name: "greet.v1.GreetService/Greet", cmd: 257 }], warnings: [] });
  expect(readFileSync(join(cwd, "gen/greet/v1/greet.ts"), "utf8")).toContain("GreetServiceDefinition");
});

test("two methods with one cmd: both are named and nothing is generated", async () => {
  install("@bufbuild/buf", "ts-proto");
  const other = (readme.get(GREET) ?? "").replaceAll("greet.v1", "wave.v1").replaceAll("Greet", "Wave");
  write("proto/wave/v1/wave.proto", other);
  expect(await generate({ cwd })).toEqual({
    problem: "cmd 257 of wave.v1.WaveService/Wave already belongs to greet.v1.GreetService/Greet; one cmd means one method",
  });
  expect(existsSync(join(cwd, "gen"))).toBe(false);
});

test("cmd 0 is refused", async () => {
  install("@bufbuild/buf", "ts-proto");
  write(GREET, (readme.get(GREET) ?? "").replace("cmd: 257", "cmd: 0"));
  expect(await generate({ cwd })).toEqual({ problem: expect.stringMatching(/GreetService\/Greet has cmd 0/) });
});

test("a proto that buf refuses: buf's own words come through", async () => {
  install("@bufbuild/buf", "ts-proto");
  write(GREET, "syntax = nonsense;");
  expect(await generate({ cwd })).toEqual({ problem: expect.stringMatching(/greet\.proto:1:\d+:/) });
});

test("in a folder without buf.yaml it says so, shows one, and reads no proto of node_modules", async () => {
  install("@bufbuild/buf", "ts-proto");
  rmSync(join(cwd, "buf.yaml"));
  expect(await problem()).toBe(
    `There is no buf.yaml in ${cwd}. Run framewire generate in the folder that holds it, or create it, with the folder of your protos:\n\n` +
      "  version: v2\n  modules:\n    - path: proto\n    - path: node_modules/framewire/proto\n",
  );
});

test("without a template it names the file that is missing", async () => {
  install("@bufbuild/buf", "ts-proto");
  rmSync(join(cwd, "buf.gen.yaml"));
  expect(await problem()).toMatch(/^There is no buf\.gen\.yaml in .*Quick start/);
  expect(await generate({ cwd, template: "other.yaml" })).toEqual({
    problem: expect.stringMatching(/^There is no other\.yaml in .*--template/),
  });
});

test("without any proto it names the folder to put them into", async () => {
  install("@bufbuild/buf", "ts-proto");
  rmSync(join(cwd, "proto"), { recursive: true });
  expect(await problem()).toMatch(/Put your protos into proto, or name their folder in buf\.yaml\.$/);
});

test("a proto that uses a command without the import is told which module and import it needs", async () => {
  install("@bufbuild/buf", "ts-proto");
  write("buf.yaml", "version: v2\nmodules:\n  - path: proto\n");
  expect(await problem()).toMatch(/greet\.proto:5:1:[\s\S]*node_modules\/framewire\/proto/);
});

test("a broken proto gives its own errors, ten of them at most", async () => {
  install("@bufbuild/buf", "ts-proto");
  const fields = Array.from({ length: 30 }, (_, i) => `  Nothing${i} f${i} = ${i + 1};`).join("\n");
  write(GREET, `syntax = "proto3";\npackage greet.v1;\nmessage Broken {\n${fields}\n}\n`);
  const lines = (await problem()).split("\n");
  expect(lines).toHaveLength(11);
  expect(lines.slice(0, 10).every((line) => line.startsWith("proto/greet/v1/greet.proto:"))).toBe(true);
  expect(lines[10]).toBe("... and 20 more lines");
});

test("google's types are generated with what imports them, and a method without a command beside others is a warning", async () => {
  install("@bufbuild/buf", "ts-proto");
  write(
    GREET,
    (readme.get(GREET) ?? "")
      .replace("service GreetService {", "service GreetService {\n  rpc Wave(GreetRequest) returns (GreetResponse);")
      .replace(
        'import "framewire/v1/command.proto";',
        'import "framewire/v1/command.proto";\nimport "google/protobuf/any.proto";\nimport "google/protobuf/timestamp.proto";',
      )
      .replace("string name = 1;", "string name = 1;\n  google.protobuf.Timestamp at = 2;\n  google.protobuf.Any more = 3;"),
  );
  expect(await generate({ cwd })).toEqual({
    commands: [{ name: "greet.v1.GreetService/Greet", cmd: 257 }],
    warnings: ["greet.v1.GreetService/Wave has no command: it can be neither served nor called"],
  });
  for (const name of ["any", "timestamp"]) expect(existsSync(join(cwd, `gen/google/protobuf/${name}.ts`))).toBe(true);
});
