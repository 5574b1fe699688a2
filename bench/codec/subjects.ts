/** Who takes part in the codec benchmark. Each is loaded only in its own process. */
import type { OrderCodec } from "./codecs/codec.js";

/** One contestant: a library, in one way of using it. */
export interface CodecSubject {
  readonly name: string;
  /** The npm packages that do its work. */
  readonly from: readonly string[];
  readonly load: () => Promise<OrderCodec>;
}

/** The contestant that all ratios refer to. */
export const BASE = "ts-proto, stock";

export const SUBJECTS: readonly CodecSubject[] = [
  { name: BASE, from: ["ts-proto", "@bufbuild/protobuf"], load: async () => (await import("./codecs/ts-proto.js")).stock },
  { name: "ts-proto, framewire, in place", from: [], load: async () => (await import("./codecs/ts-proto.js")).inPlace() },
  { name: "ts-proto, framewire, own bytes", from: [], load: async () => (await import("./codecs/ts-proto.js")).ownBytes() },
  { name: "protobufjs static", from: ["protobufjs"], load: async () => (await import("./codecs/protobufjs.js")).staticModule() },
  { name: "protobufjs reflection", from: [], load: async () => (await import("./codecs/protobufjs.js")).reflection() },
  { name: "protobuf-es", from: [], load: async () => (await import("./codecs/protobuf-es.js")).protobufEs() },
  { name: "pbf", from: ["pbf"], load: async () => (await import("./codecs/pbf.js")).pbf() },
  { name: "msgpackr", from: ["msgpackr"], load: async () => (await import("./codecs/schemaless.js")).msgpackr() },
  { name: "msgpackr, records", from: [], load: async () => (await import("./codecs/schemaless.js")).msgpackrRecords() },
  { name: "JSON", from: [], load: async () => (await import("./codecs/schemaless.js")).json },
];

/** @throws Error if there is none of that name */
export function subjectNamed(name: string): CodecSubject {
  const found = SUBJECTS.find((subject) => subject.name === name);
  if (found === undefined) throw new Error(`no contestant is called ${name}`);
  return found;
}
