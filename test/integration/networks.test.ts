import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { NETWORKS, networkRow } from "../helpers/network-profiles.js";
import { runNetwork } from "../helpers/network-run.js";

const page = readFileSync(new URL("../../docs/networks.md", import.meta.url), "utf8");

test.each(NETWORKS.map((options) => [options.name, options] as const))("%s: the page tells what came of it", async (_name, options) => {
  const report = await runNetwork({ ...options, seed: 1 });
  expect(report).toMatchObject({ lost: 0, doubled: 0 });
  expect(page).toContain(networkRow(report));
});
