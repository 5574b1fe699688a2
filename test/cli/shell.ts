/** Runs a command line in this process and keeps what it printed. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import type { TerminalStream } from "../../src/cli/io.js";
import { run } from "../../src/cli/program.js";

export interface ShellOptions {
  /** Chunks on standard input. */
  readonly stdin?: readonly Uint8Array[];
  readonly env?: Readonly<Record<string, string>>;
  /** Makes standard output a terminal of this width. */
  readonly terminal?: number;
  /** Makes standard error a terminal. */
  readonly errorTerminal?: boolean;
}

export interface ShellResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A stream that keeps its text. */
export class Screen extends Writable {
  text = "";
  readonly isTTY?: boolean;
  readonly columns?: number;

  constructor(columns?: number) {
    super();
    if (columns !== undefined) {
      this.isTTY = true;
      this.columns = columns;
    }
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** `framewire ARGS…` */
export async function shell(args: readonly string[], options: ShellOptions = {}): Promise<ShellResult> {
  const stdout = new Screen(options.terminal);
  const stderr = new Screen(options.errorTerminal ? 100 : undefined);
  const exitCode = await run(args, {
    stdin: Readable.from(options.stdin ?? []),
    stdout: stdout as TerminalStream,
    stderr: stderr as TerminalStream,
    env: options.env ?? {},
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** Writes `bytes` to a new file and gives its path. */
export function capture(...parts: readonly Uint8Array[]): string {
  const file = join(mkdtempSync(join(tmpdir(), "framewire-cli-")), "capture.bin");
  writeFileSync(file, Buffer.concat(parts));
  return file;
}
