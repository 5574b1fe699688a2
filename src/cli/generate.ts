/**
 * `framewire generate`: runs buf and ts-proto, which a project installs itself, and checks what only a look at all
 * protos at once can show: that every cmd means one method.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { CommandOptions } from "../gen/framewire/v1/command.js";

/** Number of the `framewire.v1.command` option. */
const COMMAND_OPTION = 50311;

/** The packages that do the work, and what each calls its program. */
const TOOLS = [
  { name: "@bufbuild/buf", program: "buf" },
  { name: "ts-proto", program: "protoc-gen-ts_proto" },
] as const;

/** A buf.yaml to start from; the README shows the same. */
const BUF_YAML = `version: v2
modules:
  - path: proto
  - path: node_modules/framewire/proto
`;

/** Errors of buf that are printed; the number of the others is. */
const MAX_ERRORS = 10;

/** One rpc that is a command. */
export interface DeclaredCommand {
  /** `package.Service/Method`. */
  readonly name: string;
  readonly cmd: number;
}

export interface GenerateOptions {
  /** The project's folder: where buf.yaml is. */
  readonly cwd: string;
  /** The template, a path in it. Default: buf's own, buf.gen.yaml. */
  readonly template?: string | undefined;
}

/** What was generated, or a problem in words for the reader. */
export type GenerateResult = Generated | { readonly problem: string };

export interface Generated {
  readonly commands: readonly DeclaredCommand[];
  /** What is allowed and probably not meant, a line each. */
  readonly warnings: readonly string[];
}

/** Generates the code of the project in `cwd`. Nothing is generated while two methods share a cmd. */
export async function generate({ cwd, template }: GenerateOptions): Promise<GenerateResult> {
  const problem = missingTools(cwd) ?? missingFiles(cwd, template);
  if (problem !== undefined) return { problem };
  const script = programOf(cwd, "@bufbuild/buf", "buf") as string;
  const options = { cwd, env: withBinaries(cwd), encoding: "buffer", maxBuffer: 256 * 1024 * 1024 } as const;
  // The package's script by this Node, not the shim in node_modules/.bin: Windows has that as a .cmd file, which is no program.
  const buf = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args], options);
  try {
    const image = await buf("build", "--as-file-descriptor-set", "-o", "-#format=binpb");
    const { commands, undeclared } = readCommands(image.stdout);
    const conflicts = describeConflicts(commands);
    if (conflicts !== undefined) return { problem: conflicts };
    await buf("generate", ...(template === undefined ? [] : ["--template", template]));
    const warnings = undeclared.map((name) => `${name} has no command: it can be neither served nor called`);
    return { commands, warnings };
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: Buffer; stdout?: Buffer };
    const output = `${stderr ?? ""}${stdout ?? ""}`.trim();
    return { problem: output === "" ? String(error) : explain(output) };
  }
}

function missingTools(cwd: string): string | undefined {
  const missing = TOOLS.filter(({ name, program }) => programOf(cwd, name, program) === undefined).map(({ name }) => name);
  if (missing.length === 0) return undefined;
  const names = missing.join(" and ");
  return `Generating code needs ${names}, which framewire does not install for you:\n\n  npm install --save-dev ${missing.join(" ")}`;
}

/** Without its files buf reads every proto below the folder, those of node_modules included, and reports errors in these. */
function missingFiles(cwd: string, template: string | undefined): string | undefined {
  if (!existsSync(join(cwd, "buf.yaml"))) {
    const why = `There is no buf.yaml in ${cwd}. Run framewire generate in the folder that holds it, or create it`;
    return `${why}, with the folder of your protos:\n\n${BUF_YAML.replaceAll(/^(?=.)/gm, "  ")}`;
  }
  const plan = template ?? "buf.gen.yaml";
  if (existsSync(resolve(cwd, plan))) return undefined;
  const hint = template === undefined ? "The Quick start in framewire's README shows one" : "--template names a file in this folder";
  return `There is no ${plan} in ${cwd}, which says what code to generate. ${hint}.`;
}

/** buf's own words, and what to do where they leave that open. */
function explain(output: string): string {
  const lines = output.split("\n");
  const shown = lines.slice(0, MAX_ERRORS);
  if (lines.length > MAX_ERRORS) shown.push(`... and ${lines.length - MAX_ERRORS} more lines`);
  const emptyModule = /Module "path: "(.+?)"" had no \.proto files/.exec(output)?.[1];
  if (emptyModule?.includes("node_modules"))
    shown.push(`There are no protos in ${emptyModule}: run npm install, or mend the path in buf.yaml.`);
  else if (emptyModule !== undefined) shown.push(`Put your protos into ${emptyModule}, or name their folder in buf.yaml.`);
  if (/`?framewire\.v1\.command`?/.test(output)) {
    shown.push(
      'For "framewire/v1/command.proto", buf.yaml lists the module "path: node_modules/framewire/proto", and the proto imports it.',
    );
  }
  return shown.join("\n");
}

/** Lies beside the protos that every project imports, and is served by few: its commands are no concern of theirs. */
const CONFORMANCE = "framewire.conformance.v1";

/** The commands that a serialised google.protobuf.FileDescriptorSet declares, in its order. */
export function declaredCommands(fileDescriptorSet: Uint8Array): DeclaredCommand[] {
  return readCommands(fileDescriptorSet).commands;
}

/** The commands of a descriptor set, and the methods without one in services that have commands. */
function readCommands(fileDescriptorSet: Uint8Array): { commands: DeclaredCommand[]; undeclared: string[] } {
  const commands: DeclaredCommand[] = [];
  const undeclared: string[] = [];
  for (const file of fromBinary(FileDescriptorSetSchema, fileDescriptorSet).file) {
    if (file.package === CONFORMANCE) continue;
    for (const service of file.service) {
      const without: string[] = [];
      for (const method of service.method) {
        const name = `${file.package === "" ? "" : `${file.package}.`}${service.name}/${method.name}`;
        const option = method.options?.$unknown?.findLast(({ no }) => no === COMMAND_OPTION);
        if (option === undefined) {
          without.push(name);
          continue;
        }
        const reader = new BinaryReader(option.data);
        const { cmd } = CommandOptions.decode(reader, reader.uint32());
        commands.push({ name, cmd });
      }
      if (without.length < service.method.length) undeclared.push(...without);
    }
  }
  return { commands, undeclared };
}

/** What is wrong with the numbers, `undefined` if nothing is. */
function describeConflicts(commands: readonly DeclaredCommand[]): string | undefined {
  const lines: string[] = [];
  const byCmd = new Map<number, string>();
  for (const { name, cmd } of commands) {
    const taken = byCmd.get(cmd);
    if (cmd === 0) lines.push(`${name} has cmd 0, which belongs to the protocol; give it another number`);
    else if (taken !== undefined) lines.push(`cmd ${cmd} of ${name} already belongs to ${taken}; one cmd means one method`);
    else byCmd.set(cmd, name);
  }
  return lines.length === 0 ? undefined : lines.join("\n");
}

/** The script behind a package's program, for the package as the project in `cwd` has it; `undefined` if it has not. */
function programOf(cwd: string, name: string, program: string): string | undefined {
  try {
    const description = createRequire(join(cwd, "package.json")).resolve(`${name}/package.json`);
    const { bin } = JSON.parse(readFileSync(description, "utf8")) as { bin: Record<string, string> };
    return bin[program] === undefined ? undefined : join(dirname(description), bin[program]);
  } catch {
    return undefined;
  }
}

/** The environment with the programs of the project's packages on the path, as npm's scripts have them: a template may name a plugin so. */
function withBinaries(cwd: string): NodeJS.ProcessEnv {
  const folders: string[] = [];
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    folders.push(join(folder, "node_modules", ".bin"));
    if (folder === dirname(folder)) break;
  }
  // Windows calls it "Path".
  const key = Object.keys(process.env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  return { ...process.env, [key]: [...folders, process.env[key] ?? ""].join(delimiter) };
}
