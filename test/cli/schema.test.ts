import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeFrame, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello } from "../../src/gen/framewire/v1/session.js";
import { scriptOf } from "../helpers/tools.js";
import { capture, shell } from "./shell.js";

const GOOD = "test/cli/fixtures/good";
const PROTO = `${GOOD}/chat/v1/chat.proto`;
let descriptorSet = "";

beforeAll(() => {
  descriptorSet = join(mkdtempSync(join(tmpdir(), "framewire-set-")), "set.binpb");
  const modules = { version: "v2", modules: [{ path: "proto" }, { path: GOOD }] };
  const args = ["build", "--config", JSON.stringify(modules), "--path", PROTO, "-o", descriptorSet];
  execFileSync(process.execPath, [scriptOf("@bufbuild/buf", "buf"), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}, 60_000);

// SendRequest {text: "hi"} and SendResponse {id: 5}: field 1 is a string in one and a varint in the other.
const sendRequest = Uint8Array.of(0x0a, 2, 0x68, 0x69);
const sendResponse = Uint8Array.of(0x08, 5);
const request = { messageType: "chat.v1.SendRequest", message: { text: "hi" } };
const response = { messageType: "chat.v1.SendResponse", message: { id: "5" } };

async function decoded(frames: readonly FrameInit[], ...options: string[]) {
  const { stdout, stderr, exitCode } = await shell(["decode", "--json", ...options, capture(...frames.map((frame) => encodeFrame(frame)))]);
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const { messageType, message, messageError } = JSON.parse(line);
      return messageType === undefined ? undefined : { messageType, ...(messageError === undefined ? { message } : { messageError }) };
    });
}

describe.each([
  ["--proto", () => ["--proto", PROTO]],
  ["--descriptor-set", () => ["--descriptor-set", descriptorSet]],
] as const)("%s", (_name, options) => {
  test("decodes payloads by command", async () => {
    const frames = [
      { cmd: 257, payload: sendRequest },
      { version: 2, cmd: 258, kind: FrameKind.FRAME_KIND_REQUEST, payload: sendRequest },
      { version: 2, cmd: -3, payload: sendRequest },
      { cmd: 999, payload: sendRequest },
    ];
    expect(await decoded(frames, ...options())).toEqual([request, request, request, undefined]);
  });

  test("the kind says whether it is the request or the response", async () => {
    const frames = [
      { version: 2, cmd: 257, callId: 1, kind: FrameKind.FRAME_KIND_REQUEST, payload: sendRequest },
      { version: 2, cmd: 257, callId: 1, kind: FrameKind.FRAME_KIND_RESPONSE, payload: sendResponse },
      { version: 2, cmd: 258, callId: 3, kind: FrameKind.FRAME_KIND_ITEM, payload: sendResponse },
    ];
    expect(await decoded(frames, ...options())).toEqual([request, response, response]);
  });
});

/** The type as protobufjs has it, to write messages with every kind of field. */
async function sendRequestType(): Promise<protobuf.Type> {
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => (origin === "" ? target : target.startsWith("chat/") ? `${GOOD}/${target}` : null) as string;
  await root.load(PROTO);
  return root.lookupType("chat.v1.SendRequest");
}

describe("--proto", () => {
  test("writes 64-bit integers and enums as strings, bytes as base64, and numbers that JSON lacks as strings", async () => {
    const type = await sendRequestType();
    const counts = Object.create(null);
    Object.defineProperty(counts, "__proto__", { value: "1", enumerable: true });
    const message = type.create({
      id: "-9007199254740993",
      raw: Uint8Array.of(1, 2),
      level: Number.NaN,
      mood: 1,
      counts,
      at: { seconds: "7" },
    });
    const payload = type.encode(message).finish();
    const { stdout } = await shell(["decode", "--json", "--proto", PROTO, capture(encodeFrame({ cmd: 257, payload }))]);
    expect(stdout).toContain(
      `"message":{"id":"-9007199254740993","raw":"AQI=","level":"NaN","counts":{"__proto__":"1"},"at":{"seconds":"7"},"mood":"MOOD_GOOD"}`,
    );
  });

  test("frames that carry no message have none", async () => {
    const frames = [
      // Talk streams its requests: they are items.
      { version: 2, cmd: -3, callId: 1, kind: FrameKind.FRAME_KIND_REQUEST },
      // Watch streams its responses, and a failed call has none.
      { version: 2, cmd: 258, callId: 1, kind: FrameKind.FRAME_KIND_RESPONSE },
      { version: 2, cmd: 257, callId: 1, kind: FrameKind.FRAME_KIND_RESPONSE, status: 5 },
      { version: 2, cmd: 257, callId: 1, kind: FrameKind.FRAME_KIND_END },
      { version: 2, cmd: 257, callId: 1, kind: FrameKind.FRAME_KIND_CANCEL },
      { version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_PING },
    ];
    expect(await decoded(frames, "--proto", PROTO)).toEqual(frames.map(() => undefined));
  });

  test("an item both of whose ends stream is what the stream's sender and the call's number say", async () => {
    const seed = 1;
    const opening = encodeFrame({
      version: 2,
      cmd: 0,
      kind: FrameKind.FRAME_KIND_HELLO,
      payload: Hello.encode(Hello.fromPartial({ checksumSeed: seed })).finish(),
    });
    const item = (callId: number) =>
      encodeFrame(
        { version: 2, cmd: -3, callId, kind: FrameKind.FRAME_KIND_ITEM, payload: callId % 2 === 1 ? sendRequest : sendResponse },
        { checksumSeed: seed },
      );
    const { stdout } = await shell(["decode", "--json", "--proto", PROTO, capture(opening, item(1), item(2))]);
    const types = stdout.split("\n").slice(1, -1);
    expect(types.map((line) => JSON.parse(line).messageType)).toEqual(["chat.v1.SendRequest", "chat.v1.SendResponse"]);
  });

  test("a version 1 reply, which nothing marks, is tried as a response when it is no request", async () => {
    expect(await decoded([{ cmd: 257, payload: sendResponse }], "--proto", PROTO)).toEqual([response]);
  });

  test("a version 1 reply with fields of every wire type fits its response only", async () => {
    const type = await sendRequestType();
    const message = {
      text: "x",
      id: 1,
      raw: [1],
      level: 2,
      counts: { a: 3 },
      at: {},
      mood: 1,
      scores: [-1, 2],
      hash: 4,
      offset: 5,
      ratio: 6,
      urgent: true,
    };
    const payload = type.encode(type.fromObject(message)).finish();
    expect(await decoded([{ cmd: 259, payload }], "--proto", PROTO)).toMatchObject([{ messageType: "chat.v1.SendRequest" }]);
  });

  test("a payload that is no such message keeps its frame and says why", async () => {
    const [result] = await decoded([{ version: 2, cmd: 257, payload: Uint8Array.of(0x0a, 0x7f) }], "--proto", PROTO);
    expect(result).toEqual({ messageType: "chat.v1.SendRequest", messageError: expect.stringMatching(/index out of range/) });
  });

  test("rows show the message", async () => {
    const { stdout } = await shell(["decode", "--proto", PROTO, capture(encodeFrame({ cmd: 257, payload: sendRequest }))]);
    expect(stdout).toMatch(/ {4}4 {2}chat\.v1\.SendRequest \{"text":"hi"\}\n$/);
  });

  test("rows show the bytes and the error of a payload that does not decode", async () => {
    const { stdout } = await shell([
      "decode",
      "--proto",
      PROTO,
      capture(encodeFrame({ version: 2, cmd: 257, payload: Uint8Array.of(0x0a, 0x7f) })),
    ]);
    expect(stdout).toMatch(/0a 7f +chat\.v1\.SendRequest: index out of range/);
  });

  test.each([
    [
      "two methods with one command",
      "clash.proto",
      /command 257 is declared by clash\.v1\.ClashService\.First and by clash\.v1\.ClashService\.Second/,
    ],
    [
      "an import that is nowhere",
      "lost-import.proto",
      /imports "nowhere\/to\/be\/found\.proto", which is neither beside it nor in a folder above it/,
    ],
    ["a file that is not there", "absent.proto", /--proto .*absent\.proto: ENOENT/],
    ["a file that is no proto", "not-a-proto.proto", /--proto .*not-a-proto\.proto: illegal token/],
    ["a schema without commands", "no-command.proto", /the schema declares no command/],
  ])("%s exits 2", async (_name, file, message) => {
    const { stdout, stderr, exitCode } = await shell(["decode", "--proto", `test/cli/fixtures/bad/${file}`, capture()]);
    expect(stderr).toMatch(message);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
  });
});
