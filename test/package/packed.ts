/** The packed package in a folder of its own, as a user has it. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const run = promisify(execFile);

/** An empty folder, and beside it the file that npm would download. */
export class UserFolder {
  readonly #above = mkdtempSync(join(tmpdir(), "framewire-user-"));
  readonly path = mkdtempSync(join(this.#above, "project-"));
  tarball = "";

  /** Packs the package. The first call. */
  async pack(): Promise<void> {
    await run("npm", ["pack", "--pack-destination", this.#above], { cwd: ROOT });
    const name = readdirSync(this.#above).find((file) => file.endsWith(".tgz"));
    if (name === undefined) throw new Error("npm pack wrote no tarball");
    this.tarball = join(this.#above, name);
  }

  /** Runs a command in the folder; what it prints on failure becomes the test's message. */
  async run(command: string, ...args: string[]): Promise<string> {
    try {
      // What a registry has given once is not asked for again.
      const env = { ...process.env, npm_config_prefer_offline: "true", npm_config_audit: "false", npm_config_fund: "false" };
      return (await run(command, args, { cwd: this.path, env, maxBuffer: 64 * 1024 * 1024 })).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`${command} ${args.join(" ")}\n${stdout ?? ""}${stderr ?? String(error)}`);
    }
  }

  remove(): void {
    rmSync(this.#above, { recursive: true, force: true });
  }
}
