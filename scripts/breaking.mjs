/**
 * Fails if the protos break what peers in the field rely on: compares them with the latest release tag, or with
 * the last commit while there is no release.
 */
import { run } from "./lib/run.mjs";

const tag = await run("git", ["describe", "--tags", "--abbrev=0", "--match", "v*"]);
const ref = tag.ok ? tag.output.trim() : "HEAD";

const result = await run("buf", ["breaking", "proto", "--against", `.git#ref=${ref},subdir=proto`], { show: true });
if (result.ok) console.log(`protos are compatible with ${ref}`);
process.exit(result.ok ? 0 : 1);
