/** `framewire decode [FILE|-]`: prints the frames and gaps of a captured or piped stream. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import { FramewireError } from "../errors.js";
import { DEFAULTS, type DecoderOptions, type Recovery } from "../options.js";
import { decodeStream, type StreamResult } from "./decode-stream.js";
import { frameToJson, gapToJson } from "./frame-json.js";
import { FrameRows } from "./frame-rows.js";
import { type CliIo, Output } from "./io.js";
import { wholeNumber } from "./numbers.js";
import { Progress } from "./progress.js";
import { loadSchema } from "./schema.js";

interface Flags {
  readonly json?: true;
  readonly strict?: true;
  readonly magic?: number;
  readonly maxPayload?: number;
  readonly minVersion?: number;
  readonly recovery?: Recovery;
  readonly checksumSeed?: number;
  readonly proto?: readonly string[];
  readonly descriptorSet?: string;
  readonly color: boolean;
}

const EXAMPLES = `
Examples:
  framewire decode capture.bin                         rows for people
  framewire decode --json capture.bin | jq .cmd        one JSON object a line
  nc localhost 7000 | framewire decode -               from a pipe, as it comes
  framewire decode --strict --min-version 2 FILE       exit 1 at the first damaged byte
  framewire decode --proto proto/chat.proto FILE       payloads as their messages

Exit codes: 0 done, gaps or not; 1 a gap under --strict or --recovery close; 2 a wrong option or an unreadable file.`;

/** Adds the command to `program`; `exit` is told the exit code. */
export function addDecodeCommand(program: Command, io: CliIo, exit: (code: number) => void): void {
  program
    .command("decode")
    .summary("print the frames and gaps of a stream")
    .description(
      "Prints each frame of a stream and each gap between frames, with offsets. A stream is one direction of one connection; FILE is a capture of its bytes, - or nothing is standard input.",
    )
    .argument("[file]", "capture to read, or - for standard input")
    .option("--json", "print JSON lines")
    .option("--strict", "stop at the first gap and exit 1")
    .option("--magic <n>", `magic of the stream, decimal or 0x (default 0x${DEFAULTS.magic.toString(16)})`, wholeNumber)
    .option("--max-payload <bytes>", `largest payload accepted (default ${DEFAULTS.maxPayload})`, wholeNumber)
    .option(
      "--min-version <n>",
      `lowest wire version accepted; 2 requires checksums (default ${DEFAULTS.minVersion}, 2 after a hello)`,
      wholeNumber,
    )
    .addOption(
      new Option("--recovery <how>", `what to do after damage (default ${DEFAULTS.recovery}: look for the next frame)`).choices([
        "resync",
        "close",
      ]),
    )
    .option("--checksum-seed <n>", "seed of the checksums (default: that of the stream's hello or welcome frame, else none)", wholeNumber)
    .option("--proto <file>", "decode payloads by the commands in this .proto file; may be repeated", append)
    .option("--descriptor-set <file>", "the same from a compiled descriptor set (buf build -o, protoc -o)")
    .option("--no-color", "plain text on a terminal, as with NO_COLOR set")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string | undefined, flags: Flags) => exit(await decode(file ?? "-", flags, io)));
}

async function decode(file: string, flags: Flags, io: CliIo): Promise<number> {
  const schema = await loadSchema(flags.proto ?? [], flags.descriptorSet);
  const output = new Output(io.stdout);
  const rows = flags.json ? undefined : new FrameRows({ width: io.stdout.columns, colour: useColour(flags, io) });
  const progress = new Progress(io, await sizeOf(file));
  if (rows !== undefined) output.line(rows.header());
  const result = await decodeStream(
    open(file, io),
    { decoder: decoderOptions(flags), strict: flags.strict === true, schema },
    {
      frame: (frame, message) => output.line(rows === undefined ? frameToJson(frame, message) : rows.frame(frame, message)),
      gap: (gap) => output.line(rows === undefined ? gapToJson(gap) : rows.gap(gap)),
      chunk: async (result) => {
        progress.show(result);
        await output.flush();
        return !output.closed;
      },
    },
  );
  progress.clear();
  if (result.gaps > 0) io.stderr.write(`${summary(result)}\n`);
  if (result.refused !== undefined) io.stderr.write(`framewire: the stream was refused: ${result.refused.message}\n`);
  return result.refused !== undefined || (flags.strict && result.gaps > 0) ? 1 : 0;
}

function decoderOptions(flags: Flags): DecoderOptions {
  const { magic, maxPayload, minVersion, recovery, checksumSeed } = flags;
  return {
    ...(magic === undefined ? {} : { magic }),
    ...(maxPayload === undefined ? {} : { maxPayload }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(recovery === undefined ? {} : { recovery }),
    ...(checksumSeed === undefined ? {} : { checksumSeed }),
  };
}

/** `3 gaps of 51 bytes in 1024 (checksum 2, truncated 1), 17 frames` */
function summary({ frames, gaps, gapBytes, bytes, reasons }: StreamResult): string {
  const why = [...reasons].map(([reason, count]) => `${reason} ${count}`).join(", ");
  return `framewire: ${plural(gaps, "gap")} of ${plural(gapBytes, "byte")} in ${bytes} (${why}), ${plural(frames, "frame")}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

async function* open(file: string, io: CliIo): AsyncIterable<Uint8Array> {
  if (file === "-") {
    yield* io.stdin;
    return;
  }
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Uint8Array;
  } catch (error) {
    throw unreadable(file, error);
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  if (file === "-") return undefined;
  try {
    return (await stat(file)).size;
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): FramewireError {
  const { message } = error as Error;
  return new FramewireError("invalid-option", `cannot read ${file}: ${message}`, { cause: error });
}

/** Colour is for terminals only, and never against the user's wish: https://no-color.org */
function useColour({ color }: Flags, { stdout, env }: CliIo): boolean {
  return color && stdout.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
}

function append(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
