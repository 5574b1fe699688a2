/**
 * A phone's side of the chat, as any language would write it: version 1 frames over TCP with nothing but a
 * protobuf library and a socket. It knows the two .proto files and docs/wire.md; no framewire code runs here.
 */
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import protobuf from "protobufjs";

const MAGIC = 0x7eddfcf5;
const SEND = 257;
const POSTED = 513;
const AUTHOR = "Mia's phone";
const SCRIPT = [
  "Hi, this is Mia, on a plain TCP socket.",
  "My frames are version 1: five protobuf fields and no framewire code.",
  "Write something and I answer.",
];

interface DataFrame {
  readonly cmd: number;
  readonly payload: Uint8Array;
}

interface Posted {
  readonly line: { readonly author: string; readonly text: string };
}

const { values } = parseArgs({
  options: { host: { type: "string" }, port: { type: "string" }, proto: { type: "string", multiple: true } },
});

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => values.proto?.map((folder) => join(folder, target)).find(existsSync) ?? target;
await root.load(["framewire/v1/data_frame.proto", "chat/v1/chat.proto"]);
const dataFrame = root.lookupType("framewire.v1.DataFrame");
const sendRequest = root.lookupType("chat.v1.SendRequest");
const postedRequest = root.lookupType("chat.v1.PostedRequest");

const socket = connect({ host: values.host ?? "127.0.0.1", port: Number(values.port ?? 9090), noDelay: true });
socket.on("error", (error) => {
  console.error(`the mobile peer lost its connection: ${error.message}`);
  process.exit(1);
});
socket.on("close", () => process.exit(0));

let rest: Uint8Array = new Uint8Array(0);
socket.on("data", (chunk) => {
  rest = Buffer.concat([rest, chunk]);
  for (;;) {
    // The optional tail of a frame without payload: 2A 00.
    if (rest[0] === 0x2a && rest[1] === 0) rest = rest.subarray(2);
    const size = frameSize(rest);
    if (size === undefined) return;
    receive(dataFrame.decode(rest.subarray(0, size)) as unknown as DataFrame);
    rest = rest.subarray(size);
  }
});

for (const text of SCRIPT) {
  await delay(400);
  send(text);
}

/** How many bytes the first frame has; `undefined` while it has not all arrived. */
function frameSize(bytes: Uint8Array): number | undefined {
  const reader = protobuf.Reader.create(bytes);
  try {
    reader.uint32();
    if (reader.int32() !== MAGIC) throw new Error("not a frame");
    reader.uint32();
    const length = reader.int32();
    const tag = reader.uint32();
    if (tag === 0x18) {
      reader.int32();
      reader.uint32();
    }
    reader.int32();
    if (length === 0) return reader.pos;
    reader.uint32();
    reader.uint32();
    return reader.pos + length <= bytes.length ? reader.pos + length : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function send(text: string): void {
  const payload = sendRequest.encode({ author: AUTHOR, text }).finish();
  socket.write(dataFrame.encode({ magic: MAGIC, length: payload.length, cmd: SEND, payload }).finish());
}

function receive({ cmd, payload }: DataFrame): void {
  if (cmd !== POSTED) return;
  const { line } = postedRequest.decode(payload) as unknown as Posted;
  if (line.author === AUTHOR) return;
  setTimeout(() => send(`Got it, ${line.author}: “${line.text}”`), 500);
}
