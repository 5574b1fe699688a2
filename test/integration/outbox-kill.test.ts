import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SOAK = fileURLToPath(new URL("../soak/outbox-kill.mjs", import.meta.url));

test("a client killed between accepted and answered loses nothing, and nothing is handled twice", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SOAK, "--kills", "5"]);
  expect(stdout).toMatch(/5 kills: \d+ accepted, \d+ handled, 0 lost, 0 handled twice/);
});
