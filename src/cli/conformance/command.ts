/** `framewire conformance`: runs the cases of the kit against a peer. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { FramewireError } from "../../errors.js";
import { redactedUrl } from "../../runtime/redacted-url.js";
import type { CliIo } from "../io.js";
import { wholeNumber } from "../numbers.js";
import type { Flags } from "./main.js";

const EXAMPLES = `
Examples:
  framewire conformance --connect tcp://127.0.0.1:9090             a server over TCP
  framewire conformance --connect wss://host/path --ca ca.pem      a server behind TLS
  framewire conformance --listen 7000 --over ws                    clients that come to port 7000
  framewire conformance --connect ws://127.0.0.1:8080 --only 3xx,501
  framewire conformance --connect tcp://127.0.0.1:9090 --trace 301
  framewire conformance --list                                     the cases

The peer serves the service of proto/framewire/conformance/v1/conformance.proto; docs/conformance.md says what else it
takes. A client must come again each time that it is sent away.

Exit codes: 0 every case passed that applies; 1 one failed; 2 a wrong option.`;

/** Adds the command to `program`; `exit` is told the exit code. */
export function addConformanceCommand(program: Command, io: CliIo, exit: (code: number) => void): void {
  program
    .command("conformance")
    .summary("test a peer in any language against the wire page")
    .description("Runs numbered cases against a peer, each over new connections, and prints what was expected and what the peer did.")
    .option("--connect <url>", "test the server at tcp://, tls://, ws:// or wss://", readUrl)
    .option("--listen <address>", "[HOST:]PORT to listen on for the client to test (host 127.0.0.1)", readAddress)
    .addOption(new Option("--over <transport>", "transport of --listen").choices(["tcp", "ws"]).default("tcp"))
    .option(
      "--wire <versions>",
      "versions to test: 1, 2 or 1,2 (default 1,2; with --listen over TCP 2, as the client decides)",
      readVersions,
    )
    .option("--only <cases>", "numbers, ranges and groups, for example 101,301-310,6xx", readSelection)
    .addOption(
      new Option("--profile <name>", "minimal: a peer without sequences, resends and resume, as section 8.2 of the wire page allows")
        .choices(["full", "minimal"])
        .default("full"),
    )
    .option("--trace <case>", "print the frames of this case; without --only, run it alone", wholeNumber)
    .option("--timeout <ms>", "longest wait for an expected frame or close", wholeNumber, 3000)
    .option("--wait <ms>", "longest wait for a client to connect", wholeNumber, 10_000)
    .option("--ca <file>", "certificates to trust, in PEM")
    .option("--strict", "exit 1 also if the peer does not follow the page's advice")
    .option("--json", "print JSON lines")
    .option("--list", "print the cases and run none")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: Flags) => {
      // Only this command needs the sockets and the cases.
      const { conformance, list } = await import("./main.js");
      exit(await (flags.list === true ? list : conformance)(flags, io));
    });
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["tcp:", "tls:", "ws:", "wss:"].includes(url.protocol)) {
    // Not an InvalidArgumentError, for which commander prints the argument as it is.
    throw new FramewireError("invalid-option", `--connect is ${redactedUrl(text)}; it must be a URL with tcp://, tls://, ws:// or wss://`);
  }
  return url;
}

function readAddress(text: string): { host: string; port: number } {
  const match = /^(?:(.+):)?(\d+)$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) throw new InvalidArgumentError("It must be PORT or HOST:PORT.");
  return { host: match[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port };
}

function readVersions(text: string): number[] {
  const versions = text.split(",").map(Number);
  if (!versions.every((version) => version === 1 || version === 2)) throw new InvalidArgumentError("It must be 1, 2 or 1,2.");
  return versions;
}

/** `101,301-310,6xx` */
function readSelection(text: string): (number: number) => boolean {
  const parts = text.split(",").map((part) => {
    const match = /^(\d)xx$|^(\d{3})(?:-(\d{3}))?$/i.exec(part.trim());
    if (match === null) throw new InvalidArgumentError("It must be numbers, ranges and groups, for example 101,301-310,6xx.");
    const [, group, from, to = from] = match;
    return group === undefined ? [Number(from), Number(to)] : [Number(group) * 100, Number(group) * 100 + 99];
  });
  return (number) => parts.some(([from = 0, to = 0]) => number >= from && number <= to);
}
