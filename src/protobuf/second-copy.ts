/** Finds codecs of ts-proto whose `@bufbuild/protobuf` is not the one that framewire has loaded. */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { logOfProcess } from "../runtime/limited-log.js";
import type { TsProtoCodec } from "./messages.js";

/** What the writer of every copy has. */
const METHODS = ["fork", "join", "raw", "tag"] as const;

/** Whether the codec, which does not take our reader and writer, writes with those of another copy. */
export function usesSecondCopy(codec: TsProtoCodec): boolean {
  try {
    const writer = codec.encode(codec.fromPartial({})) as unknown as Record<string, unknown>;
    return METHODS.every((method) => typeof writer[method] === "function") && writer.constructor !== BinaryWriter;
  } catch {
    return false;
  }
}

let reported = false;

/** Says once what a second copy costs and how to get rid of it. */
export function reportSecondCopy(): void {
  if (reported) return;
  reported = true;
  const hint =
    "`npm ls @bufbuild/protobuf` shows the copies; `npm dedupe`, one version for all packages, or a linked package that has it in peerDependencies leaves one";
  const message =
    "generated code uses another copy of @bufbuild/protobuf than framewire does, so its messages take the slow way: calls cost about twice as much";
  logOfProcess()("warn", { hint }, message);
}
