/** Reads the files of a schema. protobufjs does the parsing; it is optional, and loaded only when a schema is asked for. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Method, Root } from "protobufjs";
import { FramewireError } from "../errors.js";

/** A command's method. */
export interface SchemaCommand {
  readonly cmd: number;
  readonly method: Method;
}

type Protobufjs = typeof import("protobufjs");

const require = createRequire(import.meta.url);
/** The protos of this package, so that a schema's `import "framewire/v1/command.proto"` needs no copy of it. */
const OWN_PROTOS = fileURLToPath(new URL("../../proto", import.meta.url));
const COMMAND_OPTION = /^\(\.?framewire\.v1\.command\)\.cmd$/;

/**
 * The commands of .proto files and of what they import. Imports are looked for beside the importing file, then in
 * each folder above it, as the root of a proto tree is somewhere up there.
 */
export async function loadProtoFiles(files: readonly string[]): Promise<SchemaCommand[]> {
  const protobufjs = load("--proto");
  const root = new protobufjs.Root();
  root.resolvePath = (origin, target) => (origin === "" ? resolve(target) : findImport(origin, target));
  try {
    await root.load([...files]);
    root.resolveAll();
  } catch (error) {
    throw unusable("--proto", files.join(", "), error);
  }
  const commands: SchemaCommand[] = [];
  for (const method of methodsOf(root).values()) {
    for (const [option, cmd] of Object.entries(method.options ?? {})) {
      if (COMMAND_OPTION.test(option)) commands.push({ cmd: Number(cmd), method });
    }
  }
  return commands;
}

/** The commands of a serialised `google.protobuf.FileDescriptorSet`. */
export async function loadDescriptorSet(file: string): Promise<SchemaCommand[]> {
  const protobufjs = load("--descriptor-set");
  try {
    const bytes = readFileSync(file);
    const root: Root = (protobufjs.Root as unknown as { fromDescriptor(set: Uint8Array): Root }).fromDescriptor(bytes);
    root.resolveAll();
    const methods = methodsOf(root);
    // protobufjs drops options that it does not know, so the commands are read from the bytes.
    const { declaredCommands } = await import("./generate.js");
    return declaredCommands(bytes).map(({ name, cmd }) => ({ cmd, method: methods.get(name.replace("/", "."))! }));
  } catch (error) {
    throw unusable("--descriptor-set", file, error);
  }
}

/** All methods below `root`, by full name without the leading dot. */
function methodsOf(root: Root): Map<string, Method> {
  const methods = new Map<string, Method>();
  const visit = (node: object) => {
    if ("methodsArray" in node) for (const method of node.methodsArray as Method[]) methods.set(method.fullName.slice(1), method);
    if ("nestedArray" in node) for (const child of node.nestedArray as object[]) visit(child);
  };
  visit(root);
  return methods;
}

function findImport(origin: string, target: string): string {
  for (let folder = dirname(origin); ; folder = dirname(folder)) {
    const path = join(folder, target);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) break;
  }
  const own = join(OWN_PROTOS, target);
  if (existsSync(own)) return own;
  try {
    return require.resolve(`protobufjs/${target}`);
  } catch {
    throw new FramewireError("invalid-option", `${origin} imports "${target}", which is neither beside it nor in a folder above it`);
  }
}

function load(option: string): Protobufjs {
  try {
    const protobufjs = require("protobufjs") as Protobufjs;
    require("protobufjs/ext/descriptor/index.js");
    return protobufjs;
  } catch (error) {
    throw new FramewireError("invalid-option", `${option} needs protobufjs, which is not installed: npm i protobufjs`, { cause: error });
  }
}

function unusable(option: string, files: string, error: unknown): FramewireError {
  if (error instanceof FramewireError) return error;
  return new FramewireError("invalid-option", `${option} ${files}: ${(error as Error).message}`, { cause: error });
}
