/** Programs of the packages in node_modules, as tests and benchmarks start them from the repository's root. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The script of a package's program, to be run by this runtime. Windows has no program of this name in node_modules/.bin, only a batch file, which needs a shell. */
export function scriptOf(packageName: string, program: string): string {
  const folder = join("node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { bin: string | Record<string, string> };
  const path = typeof bin === "string" ? bin : bin[program];
  if (path === undefined) throw new Error(`${packageName} has no program ${program}`);
  return join(folder, path);
}
