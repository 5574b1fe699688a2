import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { encodeFrame } from "../../src/codec/index.js";
import { capture, shell } from "./shell.js";

const hello = Buffer.from("hello");
const plain = encodeFrame({ cmd: 513, payload: hello });
const empty = encodeFrame({ cmd: 1 });
const full = encodeFrame({
  version: 2,
  cmd: -7,
  payload: hello,
  timestamp: -1n,
  sequence: 18446744073709551615n,
  ack: 9007199254740993n,
  callId: 4294967295,
  kind: 2,
  status: 5,
  timeoutMs: 250,
  trace: '00-a"b\n',
  ext: Uint8Array.of(0xff, 0),
});
const junk = Buffer.from("junk");

const linesOf = (text: string) => text.split("\n").slice(0, -1);
const objectsOf = (text: string) => linesOf(text).map((line) => JSON.parse(line));

describe("framewire decode --json", () => {
  test("prints a version 1 frame with its offsets, command and payload, and no trailer", async () => {
    const { stdout, stderr, exitCode } = await shell(["decode", "--json", capture(plain)]);
    expect(stdout).toBe(`{"type":"frame","start":0,"end":${plain.length},"version":1,"cmd":513,"payload":"aGVsbG8="}\n`);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  });

  test("prints every trailer field under its name, 64-bit integers as strings and bytes as base64", async () => {
    const { stdout } = await shell(["decode", "--json", capture(full)]);
    expect(stdout).toBe(
      `{"type":"frame","start":0,"end":${full.length},"version":2,"cmd":-7,"payload":"aGVsbG8=",` +
        `"timestamp":"-1","sequence":"18446744073709551615","ack":"9007199254740993","callId":4294967295,"kind":2,"status":5,` +
        `"timeoutMs":250,"trace":"00-a\\"b\\n","ext":"/wA="}\n`,
    );
  });

  test("prints a gap before the frame behind it, with its reason", async () => {
    const { stdout } = await shell(["decode", "--json", capture(plain, junk, empty)]);
    const at = plain.length;
    expect(linesOf(stdout)[1]).toBe(`{"type":"gap","start":${at},"end":${at + 4},"reason":"garbage"}`);
    expect(objectsOf(stdout).map(({ type, start, end }) => ({ type, start, end }))).toEqual([
      { type: "frame", start: 0, end: at },
      { type: "gap", start: at, end: at + 4 },
      { type: "frame", start: at + 4, end: at + 4 + empty.length },
    ]);
  });

  test("gives an empty payload as an empty string", async () => {
    const { stdout } = await shell(["decode", "--json", capture(empty)]);
    expect(objectsOf(stdout)).toEqual([{ type: "frame", start: 0, end: empty.length, version: 1, cmd: 1, payload: "" }]);
  });

  test("prints the same for every way the input is cut", async () => {
    const stream = Buffer.concat([junk, plain, full, junk, empty, plain.subarray(0, 12)]);
    const whole = await shell(["decode", "--json", "-"], { stdin: [stream] });
    const bytes = await shell(["decode", "--json", "-"], { stdin: Array.from(stream, (byte) => Uint8Array.of(byte)) });
    expect(bytes).toEqual(whole);
    expect(objectsOf(whole.stdout)).toHaveLength(6);
  });
});

describe("framewire decode, exit codes and standard error", () => {
  test("gaps are told in one line and do not fail the command", async () => {
    const cut = plain.subarray(0, plain.length - 1);
    const { stderr, exitCode } = await shell(["decode", "--json", capture(junk, plain, junk, empty, cut)]);
    const bytes = 8 + plain.length + empty.length + cut.length;
    expect(stderr).toBe(`framewire: 3 gaps of ${8 + cut.length} bytes in ${bytes} (garbage 2, truncated 1), 2 frames\n`);
    expect(exitCode).toBe(0);
  });

  test("one gap of one byte is told in the singular", async () => {
    const { stderr } = await shell(["decode", "--json", capture(Uint8Array.of(0), plain)]);
    expect(stderr).toBe(`framewire: 1 gap of 1 byte in ${plain.length + 1} (garbage 1), 1 frame\n`);
  });

  test("--strict stops at the first gap and exits 1", async () => {
    const { stdout, stderr, exitCode } = await shell(["decode", "--json", "--strict", capture(plain, junk, plain, junk, plain)]);
    expect(objectsOf(stdout).map(({ type }) => type)).toEqual(["frame", "gap"]);
    expect(stderr).toContain("1 gap of 4 bytes");
    expect(exitCode).toBe(1);
  });

  test("--strict exits 1 for a frame that the end of the stream cuts off", async () => {
    const { exitCode } = await shell(["decode", "--strict", capture(plain, plain.subarray(0, 9))]);
    expect(exitCode).toBe(1);
  });

  test("--strict exits 0 for a stream without gaps", async () => {
    const { exitCode, stderr } = await shell(["decode", "--strict", capture(plain, full)]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  });

  test("--recovery close prints what came before the damage, says why it stopped, and exits 1", async () => {
    const broken = Uint8Array.from(plain);
    broken[broken.length - hello.length - 1]! ^= 1;
    const { stdout, stderr, exitCode } = await shell(["decode", "--json", "--recovery", "close", capture(plain, broken, plain)]);
    expect(objectsOf(stdout).map(({ type }) => type)).toEqual(["frame", "gap"]);
    expect(stderr).toContain("the stream was refused");
    expect(exitCode).toBe(1);
  });

  test("a file that is not there exits 2 and is named", async () => {
    const { stdout, stderr, exitCode } = await shell(["decode", "/no/such/capture.bin"]);
    expect(stderr).toMatch(/^framewire: cannot read \/no\/such\/capture\.bin: ENOENT/);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
  });

  test("a folder exits 2", async () => {
    const { stderr, exitCode } = await shell(["decode", "/"]);
    expect(stderr).toMatch(/cannot read \/: EISDIR/);
    expect(exitCode).toBe(2);
  });

  test.each([
    [["--magic", "zero"], "It must be a whole number"],
    [["--magic", "1"], "magic is 1; it must be an integer from 268435456 to 2147483647"],
    [["--max-payload", "-1"], "It must be a whole number"],
    [["--recovery", "guess"], "Allowed choices are resync, close"],
    [["--checksum-seed", "0x100000000"], "checksumSeed is 4294967296"],
    [["--unknown"], "unknown option '--unknown'"],
    [["--descriptor-set", "/no/such/set.binpb"], "--descriptor-set /no/such/set.binpb: ENOENT"],
  ])("%j exits 2 and says what is wrong", async (options, message) => {
    const { stdout, stderr, exitCode } = await shell(["decode", ...options, capture(plain)]);
    expect(stderr).toContain(message);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
  });

  test("no command at all exits 2 and prints the help", async () => {
    const { stderr, exitCode } = await shell([]);
    expect(stderr).toContain("Usage: framewire");
    expect(exitCode).toBe(2);
  });

  test("--help shows examples and exit codes, and --version the package's version", async () => {
    const help = await shell(["decode", "--help"]);
    expect(help.stdout).toContain("framewire decode --json capture.bin | jq .cmd");
    expect(help.stdout).toContain("Exit codes:");
    expect(help.exitCode).toBe(0);
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await shell(["--version"])).toEqual({ stdout: `${version}\n`, stderr: "", exitCode: 0 });
  });
});

describe("framewire decode, decoder options", () => {
  test("--magic reads a stream with another magic, in decimal or hexadecimal", async () => {
    const file = capture(encodeFrame({ cmd: 3 }, { magic: 0x10203040 }));
    for (const magic of ["0x10203040", `${0x10203040}`]) {
      const { stdout } = await shell(["decode", "--json", "--magic", magic, file]);
      expect(objectsOf(stdout)).toMatchObject([{ type: "frame", cmd: 3 }]);
    }
  });

  test("--max-payload turns larger frames into gaps", async () => {
    const { stdout } = await shell(["decode", "--json", "--max-payload", "4", capture(plain)]);
    expect(objectsOf(stdout)).toMatchObject([{ type: "gap", reason: "oversize" }]);
  });

  test("--min-version 2 turns version 1 frames into gaps", async () => {
    const { stdout } = await shell(["decode", "--json", "--min-version", "2", capture(plain, full)]);
    expect(objectsOf(stdout)).toMatchObject([
      { type: "gap", reason: "version" },
      { type: "frame", version: 2 },
    ]);
  });

  test("--checksum-seed reads the frames of a session whose opening was not captured", async () => {
    const file = capture(encodeFrame({ version: 2, cmd: 5 }, { checksumSeed: 0xabcdef01 }));
    expect(objectsOf((await shell(["decode", "--json", file])).stdout)).toMatchObject([{ type: "gap", reason: "checksum" }]);
    const seeded = await shell(["decode", "--json", "--checksum-seed", "0xabcdef01", file]);
    expect(objectsOf(seeded.stdout)).toMatchObject([{ type: "frame", cmd: 5 }]);
  });
});
