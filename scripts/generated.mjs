/** Fails if generated code is not what the protos and the generator give: generates into a temporary folder and compares. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run } from "./lib/run.mjs";

/** Each template with the folder that its `out` names. */
const TEMPLATES = [
  { template: "buf.gen.yaml", out: "src/gen" },
  { template: "examples/chat/buf.gen.yaml", out: "examples/chat/gen" },
  { template: "test/buf.gen.yaml", out: "test/gen" },
  { template: "bench/buf.gen.yaml", out: "bench/gen" },
];

/** @param {string} folder */
function filesOf(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

const fresh = mkdtempSync(join(tmpdir(), "framewire-generated-"));
let differences = 0;
try {
  for (const { template, out } of TEMPLATES) {
    const result = await run("buf", ["generate", "--template", template, "--output", fresh]);
    if (!result.ok) {
      console.error(result.output);
      process.exitCode = 1;
      continue;
    }
    const kept = join(ROOT, out);
    const made = join(fresh, out);
    for (const file of new Set([...filesOf(kept), ...filesOf(made)])) {
      const before = existsSync(join(kept, file)) ? readFileSync(join(kept, file), "utf8") : undefined;
      const after = existsSync(join(made, file)) ? readFileSync(join(made, file), "utf8") : undefined;
      if (before === after) continue;
      differences += 1;
      console.error(`${out}/${file}: ${before === undefined ? "missing" : after === undefined ? "no proto makes it" : "differs"}`);
    }
  }
} finally {
  rmSync(fresh, { recursive: true });
}
if (differences > 0) {
  console.error("Run `npm run generate` and commit what it writes.");
  process.exitCode = 1;
}
