/** What `framewire conformance` does: finds the peer, runs the cases, prints what came of them. */
import { readFileSync } from "node:fs";
import { FramewireError } from "../../errors.js";
import { type CliIo, Output } from "../io.js";
import { type Case, GROUPS } from "./case.js";
import type { Profile } from "./kit.js";
import { ConformanceListener } from "./listener.js";
import { causesOf, Rows, resultToJson, summaryOf, tellSummary } from "./report.js";
import { CASES, clientsAt, MOST_MESSAGE, type Result, runCases, type Subject, serverAt } from "./run.js";

/** What the command line said. */
export interface Flags {
  readonly connect?: URL;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly over: "tcp" | "ws";
  readonly wire?: readonly number[];
  readonly only?: (number: number) => boolean;
  readonly profile: Profile;
  readonly trace?: number;
  readonly timeout: number;
  readonly wait: number;
  readonly ca?: string;
  readonly strict?: true;
  readonly json?: true;
  readonly list?: true;
}

/** Prints the cases; gives the exit code. */
export async function list(flags: Flags, io: CliIo): Promise<number> {
  const output = new Output(io.stdout);
  for (const each of selected(flags)) {
    const { number, name, section, version = 2, peer, over, advice } = each;
    const facts = { number, group: GROUPS[Math.floor(number / 100)], name, section, version, peer, over, advice };
    const only = [peer === undefined ? [] : `${peer}s`, over === undefined ? [] : over, advice ? "advice" : []].flat();
    output.line(flags.json ? JSON.stringify({ type: "case", ...facts }) : `${number}  ${section.padEnd(4)} ${name}${tellOnly(only)}`);
  }
  await output.flush();
  return 0;
}

/** Runs the cases; gives the exit code. @throws FramewireError `invalid-option`, `connect-failed` */
export async function conformance(flags: Flags, io: CliIo): Promise<number> {
  if ((flags.connect === undefined) === (flags.listen === undefined)) {
    throw new FramewireError("invalid-option", "give one of --connect URL and --listen [HOST:]PORT");
  }
  const output = new Output(io.stdout);
  const listener = flags.listen === undefined ? undefined : new ConformanceListener(flags.over, MOST_MESSAGE);
  if (listener !== undefined && flags.listen !== undefined) {
    const { port } = await listener.listen(flags.listen.host, flags.listen.port);
    io.stderr.write(`framewire: waiting for clients at ${flags.over}://${flags.listen.host}:${port}\n`);
  }
  const rows = new Rows();
  try {
    const subject = listener === undefined ? serverOf(flags) : clientsAt(listener, flags.over, flags.wait);
    const { profile, trace, json } = flags;
    const told = async (result: Result, traced: readonly string[] = []) => {
      for (const line of [...(json ? [resultToJson(result)] : rows.of(result)), ...traced]) output.line(line);
      await output.flush();
    };
    const results = await runCases(subject, selected(flags), flags.timeout, told, { profile, trace, json });
    if (!json) for (const line of causesOf(results)) output.line(line);
    const summary = summaryOf(results);
    output.line(flags.json ? JSON.stringify({ type: "summary", ...summary }) : `\n${tellSummary(summary)}`);
    await output.flush();
    return summary.failed > 0 || (flags.strict === true && summary.advice > 0) || summary.passed === 0 ? 1 : 0;
  } finally {
    await listener?.close();
  }
}

function serverOf({ connect, ca, timeout }: Flags): Subject {
  return serverAt(connect as URL, timeout, ca === undefined ? undefined : { ca: readCa(ca) });
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new FramewireError("invalid-option", `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** The cases that the flags leave. */
function selected({ only, wire, listen, over, trace }: Flags): Case[] {
  const versions = wire ?? (listen !== undefined && over === "tcp" ? [2] : [1, 2]);
  if (listen !== undefined && over === "tcp" && versions.length > 1) {
    throw new FramewireError("invalid-option", "over TCP the client decides on the version: test 1 and 2 in two runs");
  }
  const cases = CASES.filter(
    ({ number, version = 2 }) =>
      versions.includes(version) && (only === undefined ? trace === undefined || number === trace : only(number)),
  );
  if (cases.length === 0) throw new FramewireError("invalid-option", "no case is selected; --list shows them");
  return cases;
}

function tellOnly(words: readonly string[]): string {
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}
