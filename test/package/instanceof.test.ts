import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Classes that `instanceof` may be asked about, and why it cannot be wrong there. */
const ALLOWED: Readonly<Record<string, string>> = {
  FramewireError: "recognises those of every copy of the package",
  HookError: "made and caught in runtime/guard.ts, never seen outside",
  Connection: "owners of links, which this copy made",
  Acceptance: "guests of the waiting room, which this copy made",
  InPlaceSocket: "a socket that this copy opened",
  Mismatch: "made and caught in cli/conformance",
  NotApplicable: "made and caught in cli/conformance",
  PeerGone: "made and caught in cli/conformance",
  Violation: "made and caught in cli/conformance",
  TcpTransport: "opened by cli/conformance itself",
  CommanderError: "thrown by the one copy of commander that the command imports",
  UsageError: "made and caught in the example's main.ts",
  RangeError: "thrown by a DataView of the example's own process",
  HTMLElement: "elements of the page's own document",
  type: "elements of the page's own document",
};
/** In the writer of links: frames that this copy has just made. */
const ALLOWED_THERE: Readonly<Record<string, readonly string[]>> = { "src/link/lending-writer.ts": ["Uint8Array"] };

function filesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .filter((file) => !/(^|\/)(gen|node_modules|dist)\//.test(file));
}

test("instanceof is not asked of what comes from elsewhere: promises, errors, bytes, other copies of the package", () => {
  const wrong: string[] = [];
  for (const file of [...filesOf("src"), ...filesOf("examples")]) {
    for (const [line, text] of readFileSync(join(ROOT, file), "utf8").split("\n").entries()) {
      if (/^\s*(\*|\/\/|\/\*)/.test(text)) continue;
      for (const [, name = ""] of text.matchAll(/\binstanceof\s+([\w.]+)/g)) {
        if (ALLOWED[name] === undefined && ALLOWED_THERE[file]?.includes(name) !== true)
          wrong.push(`${file}:${line + 1} instanceof ${name}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});
