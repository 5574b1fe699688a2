/** `framewire generate`: the command around `generate`. */
import type { Command } from "commander";
import { FramewireError } from "../errors.js";
import { printable } from "../printable.js";
import type { CliIo } from "./io.js";

interface Flags {
  readonly template?: string;
}

/** Adds the command to `program`. */
export function addGenerateCommand(program: Command, io: CliIo): void {
  program
    .command("generate")
    .summary("generate messages and services from .proto files")
    .description(
      "Checks that every command number means one method, then runs buf and ts-proto over the protos of the project in this folder.",
    )
    .option("--template <file>", "buf template (default buf.gen.yaml)")
    .action(async ({ template }: Flags) => {
      // Only this command needs the descriptor types that come with it.
      const { generate } = await import("./generate.js");
      const result = await generate({ cwd: process.cwd(), template });
      if ("problem" in result) throw new FramewireError("invalid-option", result.problem);
      for (const warning of result.warnings) io.stderr.write(`warning: ${printable(warning)}\n`);
      for (const { name, cmd } of result.commands) io.stdout.write(`${String(cmd).padStart(11)}  ${printable(name)}\n`);
    });
}
