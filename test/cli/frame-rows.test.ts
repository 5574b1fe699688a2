import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { encodeFrame, type FrameInit } from "../../src/codec/index.js";
import { capture, shell } from "./shell.js";

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i);
const request: FrameInit = { version: 2, cmd: 257, payload: bytes(3), kind: 1, callId: 3, sequence: 7n, ack: 6n, timeoutMs: 500 };

const plain = stripVTControlCharacters;
const rowsOf = (text: string) => text.split("\n").slice(0, -1);

describe("rows", () => {
  test("are aligned, one for each frame and gap", async () => {
    const file = capture(
      encodeFrame({ cmd: 513, payload: bytes(20) }),
      Buffer.from("?"),
      encodeFrame(request),
      encodeFrame({ version: 2, cmd: 1, kind: 99, ext: bytes(2) }),
    );
    const { stdout } = await shell(["decode", file]);
    expect(rowsOf(stdout)).toEqual([
      "     start        end  ver      cmd  kind        bytes  payload",
      "         0         33  v1       513                 20  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f…",
      "        33         34  gap                           1  garbage",
      "        34         68  v2       257  request         3  00 01 02                                         call=3 seq=7 ack=6 timeout=500ms",
      "        68         91  v2         1  kind 99         0                                                   ext=2B",
    ]);
  });

  test("look as docs/cli.md shows them", async () => {
    const file = capture(encodeFrame({ cmd: 513, payload: bytes(20) }), Buffer.from("?"), encodeFrame(request));
    const { stdout, stderr } = await shell(["decode", file]);
    expect(readFileSync("docs/cli.md", "utf8")).toContain(`$ framewire decode capture.bin\n${stdout}${stderr}`);
  });

  test("are plain where standard output is no terminal", async () => {
    const { stdout } = await shell(["decode", capture(encodeFrame(request))]);
    expect(stdout).toBe(plain(stdout));
  });

  test("are coloured on a terminal, with the same text", async () => {
    const file = capture(encodeFrame(request), Buffer.from("?"));
    const coloured = await shell(["decode", file], { terminal: 200 });
    const bare = await shell(["decode", "--no-color", file], { terminal: 200 });
    expect(coloured.stdout).not.toBe(bare.stdout);
    expect(plain(coloured.stdout)).toBe(bare.stdout);
  });

  test.each([
    ["NO_COLOR", { NO_COLOR: "1" }],
    ["TERM=dumb", { TERM: "dumb" }],
  ])("%s keeps colour off a terminal", async (_name, env) => {
    const { stdout } = await shell(["decode", capture(encodeFrame(request))], { terminal: 120, env });
    expect(stdout).toBe(plain(stdout));
  });

  test("an empty NO_COLOR is none, as no-color.org has it", async () => {
    const { stdout } = await shell(["decode", capture(encodeFrame(request))], { terminal: 120, env: { NO_COLOR: "" } });
    expect(stdout).not.toBe(plain(stdout));
  });

  test.each([20, 60, 80, 120])("never exceed a terminal of %i characters", async (terminal) => {
    const file = capture(encodeFrame({ ...request, payload: bytes(100), trace: "t".repeat(300) }), Buffer.from("?".repeat(50)));
    const { stdout } = await shell(["decode", file], { terminal });
    const widths = rowsOf(plain(stdout)).map((row) => row.length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(terminal);
    expect(widths).toContain(terminal);
  });

  test("show nothing from the wire that a terminal would obey", async () => {
    const { stdout } = await shell(["decode", capture(encodeFrame({ ...request, trace: "\x1b]0;owned\x07\u009b31m\u202eabc" }))]);
    expect(stdout).toContain("trace=\\u001b]0;owned\\u0007\\u009b31m\\u202eabc");
  });
});

describe("progress", () => {
  const large = Array.from({ length: 20 }, () => new Uint8Array(2 ** 20));

  test("is shown on a terminal for a large input whose output goes elsewhere, and taken away at the end", async () => {
    const { stderr } = await shell(["decode", "--json", "-"], { stdin: large, errorTerminal: true });
    expect(stripVTControlCharacters(stderr)).toMatch(/^\r\d+ MB, \d+ MB\/s, 0 frames, 0 gaps/);
    expect(stderr).toContain("\r\x1b[Kframewire: 1 gap");
  });

  test("tells the part that is done of a file", async () => {
    const { stderr } = await shell(["decode", "--json", capture(...large)], { errorTerminal: true });
    expect(stderr).toMatch(/\d+ %, \d+ MB/);
  });

  test.each([
    ["a small input", { stdin: [new Uint8Array(100)], errorTerminal: true }],
    ["standard error that is no terminal", { stdin: large }],
    ["rows on the same terminal", { stdin: large, errorTerminal: true, terminal: 80 }],
  ])("is not shown for %s", async (_name, options) => {
    const { stderr } = await shell(["decode", "-"], options);
    expect(stderr).not.toContain("MB/s");
  });
});
