/**
 * `framewire generate`: runs buf and ts-proto, which a project installs itself, and checks what only a look at all
 * protos at once can show: that every cmd means one method.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { CommandOptions } from "../gen/framewire/v1/command.js";

/** Number of the `framewire.v1.command` option. */
const COMMAND_OPTION = 50311;

/** The tools, by the file that each puts into node_modules/.bin. */
const TOOLS = [
  { name: "@bufbuild/buf", binary: "buf" },
  { name: "ts-proto", binary: "protoc-gen-ts_proto" },
] as const;

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

/** What came of it: the commands, or what stands in the way, in words for the reader. */
export type GenerateResult = { readonly commands: readonly DeclaredCommand[] } | { readonly problem: string };

/** Generates the code of the project in `cwd`. Nothing is generated while two methods share a cmd. */
export async function generate({ cwd, template }: GenerateOptions): Promise<GenerateResult> {
  const missing = TOOLS.filter(({ binary }) => findBinary(cwd, binary) === undefined).map(({ name }) => name);
  if (missing.length > 0) {
    return {
      problem: `Generating code needs ${missing.join(" and ")}, which framewire does not install for you:\n\n  npm install --save-dev ${missing.join(" ")}`,
    };
  }
  const buf = findBinary(cwd, "buf") ?? "buf";
  const path = `${dirname(buf)}:${process.env.PATH ?? ""}`;
  const run = promisify(execFile);
  const options = { cwd, env: { ...process.env, PATH: path }, encoding: "buffer", maxBuffer: 256 * 1024 * 1024 } as const;
  try {
    const image = await run(buf, ["build", "--as-file-descriptor-set", "-o", "-#format=binpb"], options);
    const commands = declaredCommands(image.stdout);
    const problem = describeConflicts(commands);
    if (problem !== undefined) return { problem };
    await run(buf, ["generate", ...(template === undefined ? [] : ["--template", template])], options);
    return { commands };
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: Buffer; stdout?: Buffer };
    const said = `${stdout ?? ""}${stderr ?? ""}`.trim();
    return { problem: said === "" ? String(error) : said };
  }
}

/** Lies beside the protos that every project imports, and is served by few: its commands are no concern of theirs. */
const CONFORMANCE = "framewire.conformance.v1";

/** The commands that a serialised google.protobuf.FileDescriptorSet declares, in its order. */
export function declaredCommands(fileDescriptorSet: Uint8Array): DeclaredCommand[] {
  const commands: DeclaredCommand[] = [];
  for (const file of fromBinary(FileDescriptorSetSchema, fileDescriptorSet).file) {
    if (file.package === CONFORMANCE) continue;
    for (const service of file.service) {
      for (const method of service.method) {
        const option = method.options?.$unknown?.findLast(({ no }) => no === COMMAND_OPTION);
        if (option === undefined) continue;
        const reader = new BinaryReader(option.data);
        const { cmd } = CommandOptions.decode(reader, reader.uint32());
        commands.push({ name: `${file.package === "" ? "" : `${file.package}.`}${service.name}/${method.name}`, cmd });
      }
    }
  }
  return commands;
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

/** The tool's path in the nearest node_modules/.bin, from `folder` upwards. */
function findBinary(folder: string, binary: string): string | undefined {
  const path = join(folder, "node_modules/.bin", binary);
  if (existsSync(path)) return path;
  const above = dirname(folder);
  return above === folder ? undefined : findBinary(above, binary);
}
