/** The `framewire` command line: its commands, and what becomes of their errors. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { FramewireError } from "../errors.js";
import { addConformanceCommand } from "./conformance/command.js";
import { addDecodeCommand } from "./decode.js";
import { addGenerateCommand } from "./generate-command.js";
import { type CliIo, printableLines } from "./io.js";

const { version } = createRequire(import.meta.url)("../../package.json") as { readonly version: string };

/** Exit code of a wrong option, an unreadable file, and everything else that kept a command from its work. */
export const EXIT_FAILED = 2;

/**
 * Runs one command line.
 * @param args what stands behind `framewire`.
 * @returns the exit code; nothing is thrown.
 */
export async function run(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  const program = new Command("framewire")
    .description("Tools for framewire streams: protobuf frames over WebSocket and TCP.")
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(printableLines(text)),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError("(see framewire COMMAND --help)");
  addDecodeCommand(program, io, (code) => {
    exitCode = code;
  });
  addGenerateCommand(program, io);
  addConformanceCommand(program, io, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // commander has printed its own message already, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_FAILED;
    io.stderr.write(`framewire: ${printableLines(error instanceof FramewireError ? error.message : String(error))}\n`);
    return EXIT_FAILED;
  }
}
