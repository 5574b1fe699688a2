/** The benchmarks' protos as descriptors, for libraries that work from these. */
import { execFileSync } from "node:child_process";
import { createFileRegistry, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { scriptOf } from "../test/helpers/tools.js";

/** Reads `bench/proto` with buf. Works from the repository's root, where npm starts scripts. */
export function benchRegistry(): FileRegistry {
  const bytes = execFileSync(process.execPath, [
    scriptOf("@bufbuild/buf", "buf"),
    "build",
    "bench/proto",
    "--as-file-descriptor-set",
    "-o",
    "-",
  ]);
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}
