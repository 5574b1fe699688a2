import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocketServer } from "ws";
import { logFrame, logNews } from "../../examples/chat/frame-log.js";
import { Rows, resultToJson } from "../../src/cli/conformance/report.js";
import { encodeFrame } from "../../src/codec/index.js";
import { Goaway } from "../../src/gen/framewire/v1/session.js";
import { printable } from "../../src/index.js";
import { codePoint } from "../helpers/code-points.js";
import { fc } from "../helpers/fast-check.js";
import { scriptOf } from "../helpers/tools.js";
import { capture, shell } from "./shell.js";

/** One of every kind that a terminal obeys or hides, and text around them that must stay. */
const KINDS = {
  "an escape sequence": "\x1b]0;owned\x07",
  "a line break": "\r\nframewire: all is well",
  "a backspace and DEL": "\b\x7f",
  "a C1 control": "\u009b31m",
  "a turn of the writing's direction": "\u202e\u2066\u200f\u061c",
  "a zero-width character": "\u200b\u200d\u2060\ufeff\u00ad",
  "a line or paragraph separator": "\u2028\u2029",
  "an invisible letter": "\u3164\u115f\u{e0041}\u{e0101}",
} as const;
const HOSTILE = Object.entries(KINDS);
const ALL = `<${Object.values(KINDS).join("|")}>`;

/** What no output may hold, line breaks of our own aside. By number, not by the expression that is tested. */
function unsafe(text: string): string[] {
  const found = new Set<string>();
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    const bad =
      (code < 0x20 && code !== 0x0a) ||
      (code >= 0x7f && code < 0xa0) ||
      [0xad, 0x61c, 0x115f, 0x3164, 0xfeff].includes(code) ||
      (code >= 0x200b && code <= 0x200f) ||
      (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2060 && code <= 0x206f) ||
      (code >= 0xd800 && code <= 0xdfff) ||
      (code >= 0xe0000 && code <= 0xe0fff);
    if (bad) found.add(code.toString(16));
  }
  return [...found];
}

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

describe("printable", () => {
  it.each(HOSTILE)("escapes %s and keeps what is around it", (_name, hostile) => {
    const text = printable(`a${hostile}b`);
    expect(text).toMatch(/^a.*b$/);
    expect(unsafe(text)).toEqual([]);
    expect(text).not.toContain("\n");
    expect(JSON.parse(`"${text.replaceAll('"', '\\"')}"`)).toBe(`a${hostile}b`);
  });

  it("escapes lone surrogates, and leaves text of every language, emoji and pairs alone", () => {
    expect(printable("\ud800x\udc00")).toBe("\\ud800x\\udc00");
    const fine = "naïve Ünïcode — 漢字 العربية עברית हिन्दी 😀 ❤️ 1️⃣ e\u0301";
    expect(printable(fine)).toBe(fine);
  });

  it("leaves JSON the same JSON, whatever is in its strings", () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), fc.constantFrom(...Object.values(KINDS), "\ud800"), (text, hostile) => {
        const value = { [text]: [`${text}${hostile}`, hostile] };
        const line = printable(JSON.stringify(value));
        expect(JSON.parse(line)).toEqual(value);
        expect(unsafe(line)).toEqual([]);
        expect(line).not.toContain("\n");
      }),
      { numRuns: 300 },
    );
  });
});

/** A descriptor set whose names are hostile: nothing checks them but this program. */
function hostileSet(): string {
  const file = join(mkdtempSync(join(tmpdir(), "framewire-hostile-")), "set.binpb");
  const modules = { version: "v2", modules: [{ path: "proto" }, { path: "test/cli/fixtures/good" }] };
  const args = ["build", "--config", JSON.stringify(modules), "--path", "test/cli/fixtures/good/chat/v1/chat.proto", "-o", file];
  execFileSync(process.execPath, [scriptOf("@bufbuild/buf", "buf"), ...args], { stdio: "ignore" });
  const set = fromBinary(FileDescriptorSetSchema, readFileSync(file));
  for (const each of set.file) {
    for (const message of each.messageType) {
      if (message.name !== "SendRequest") continue;
      message.name = "SendRequest\x1b[31m\u202e";
      for (const service of each.service)
        for (const method of service.method) method.inputType = method.inputType.replace(/SendRequest$/, message.name);
    }
  }
  writeFileSync(file, toBinary(FileDescriptorSetSchema, set));
  return file;
}

describe("framewire decode", () => {
  const frames = (text: string) => {
    const said = Buffer.from(text);
    const message = Buffer.concat([Uint8Array.of(0x0a, said.length), said]);
    return capture(
      encodeFrame({ version: 2, cmd: 257, kind: 1, callId: 1, trace: text, payload: message }),
      // A message that is cut off within its text.
      encodeFrame({ version: 2, cmd: 257, kind: 1, callId: 3, trace: text, payload: message.subarray(0, 5) }),
    );
  };

  it.each(HOSTILE)("prints rows and JSON lines without %s of a frame", async (_name, hostile) => {
    for (const json of [[], ["--json"]]) {
      const { stdout, exitCode } = await shell([
        "decode",
        ...json,
        "--proto",
        "test/cli/fixtures/good/chat/v1/chat.proto",
        frames(hostile),
      ]);
      expect(exitCode).toBe(0);
      expect(unsafe(stdout)).toEqual([]);
      const lines = stdout.trimEnd().split("\n");
      expect(lines).toHaveLength(json.length === 0 ? 3 : 2);
      if (json.length > 0) expect(JSON.parse(lines[0] as string)).toMatchObject({ trace: hostile, message: { text: hostile } });
    }
  });

  it("prints no name of a schema as it is", async () => {
    const set = hostileSet();
    for (const json of [[], ["--json"]]) {
      const { stdout, stderr } = await shell(["decode", ...json, "--descriptor-set", set, frames("hi")]);
      expect(unsafe(stdout + stderr)).toEqual([]);
      expect(stdout + stderr).toContain("SendRequest\\u001b[31m\\u202e");
    }
  });

  it.each(HOSTILE)("tells of a wrong option, a file or a schema without %s", async (_name, hostile) => {
    const folder = mkdtempSync(join(tmpdir(), "framewire-hostile-"));
    const proto = join(folder, "a.proto");
    writeFileSync(proto, `syntax = "proto3"; message A { ${hostile} }\nimport "${hostile}";`);
    for (const args of [
      ["decode", `/nowhere/${hostile}`],
      ["decode", "--proto", proto, "-"],
      ["decode", "--proto", `/nowhere/${hostile}`, "-"],
      ["decode", "--magic", hostile, "-"],
      ["decode", `--${hostile}`],
      [hostile],
      ["conformance", "--connect", `ws://${hostile}`],
      ["conformance", "--connect", "tcp://127.0.0.1:1", "--ca", `/nowhere/${hostile}`],
      ["conformance", "--listen", hostile],
    ]) {
      const { stdout, stderr, exitCode } = await shell(args);
      expect({ args, unsafe: unsafe(stdout + stderr), exitCode }).toEqual({ args, unsafe: [], exitCode: 2 });
    }
  });
});

describe("framewire conformance", () => {
  it.each(HOSTILE)("prints a result without %s of the peer", (_name, hostile) => {
    const result = { number: 301, name: "a case", section: "5.4", version: 2, outcome: "failed", ms: 1 } as const;
    const told = { ...result, expected: `this${hostile}`, came: `that${hostile}`, why: `so${hostile}` };
    const lines = new Rows().of(told);
    expect(lines).toHaveLength(4);
    expect(unsafe(lines.join("\n"))).toEqual([]);
    expect(JSON.parse(resultToJson(told))).toMatchObject(told);
    expect(unsafe(resultToJson(told))).toEqual([]);
  });

  it("prints the reason of a peer that closes, over TCP and WebSocket, without anything that a terminal obeys", async () => {
    const goaway = encodeFrame({
      version: 2,
      cmd: 0,
      kind: 12,
      payload: Goaway.encode(Goaway.fromPartial({ reason: ALL, closeCode: 4402 })).finish(),
    });
    const tcp = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.end(goaway);
    });
    const tcpPort = await new Promise<number>((resolve) => {
      tcp.listen(0, "127.0.0.1", () => resolve((tcp.address() as { port: number }).port));
    });
    const webSocket = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await new Promise((resolve) => webSocket.once("listening", resolve));
    webSocket.on("connection", (socket) => socket.close(4402, ALL.slice(0, 40)));
    ends.push(
      () => tcp.close(),
      () => webSocket.close(),
    );
    for (const url of [`tcp://127.0.0.1:${tcpPort}`, `ws://127.0.0.1:${(webSocket.address() as { port: number }).port}`]) {
      for (const json of [[], ["--json"]]) {
        const { stdout, stderr } = await shell([
          "conformance",
          "--connect",
          url,
          "--only",
          "301",
          "--wire",
          "2",
          "--timeout",
          "500",
          ...json,
        ]);
        expect(stdout).toContain("owned");
        expect(unsafe(stdout + stderr)).toEqual([]);
      }
    }
  });
});

describe("the chat example's log", () => {
  const printed = (work: () => void) => {
    const lines: string[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
    try {
      work();
    } finally {
      log.mockRestore();
    }
    return lines;
  };
  const frame = { direction: "in", transport: "TCP", peer: "#1", version: 1, cmd: 257, kind: 0, bytes: 9 } as const;

  it.each(HOSTILE)("holds neither %s of a close reason nor of a line", (_name, hostile) => {
    const text = Buffer.from(hostile);
    const payload = Uint8Array.from([0x0a, text.length, ...text]);
    const lines = printed(() => {
      logNews(`TCP peer #1 left: 4402, ${hostile}`);
      logFrame({ ...frame, payload });
    });
    expect(lines).toHaveLength(2);
    expect(unsafe(lines.join(""))).toEqual([]);
    expect(lines.join("")).not.toContain("\n");
  });

  it("shows a frame with a cut payload, and goes on", () => {
    for (const cmd of [257, 258, 513, 514, 7]) {
      const [line] = printed(() => logFrame({ ...frame, cmd, payload: Uint8Array.of(0x0a, 0x50, 0x61) }));
      expect(line).toContain("<3 bytes");
    }
  });
});
