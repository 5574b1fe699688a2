import { createServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createClient as createPageClient } from "../../src/client/browser.js";
import { createClient, type StateDetail } from "../../src/client/index.js";
import { redactedUrl } from "../../src/runtime/redacted-url.js";
import { MemoryNetwork } from "../../src/testing/memory-network.js";
import { shell } from "../cli/shell.js";
import { fc } from "../helpers/fast-check.js";

afterEach(() => vi.unstubAllGlobals());

const SECRET = "s3cret";

/** All that anybody could print of an error: its text, its properties, its stack and the same of its causes. */
function everything(error: unknown): string {
  const parts: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    const { message, stack } = each;
    parts.push(message, stack ?? "", JSON.stringify({ ...each }), String((each as { input?: unknown }).input));
  }
  return parts.join("\n");
}

describe("an address in a text", () => {
  it.each([
    ["ws://host/path", "ws://host/path"],
    ["tcp://[::1]:9000", "tcp://[::1]:9000"],
    ["ws://host/@me/x", "ws://host/@me/x"],
    ["wss://user:s3cret@host:1/p?token=s3cret&x=s3cret#s3cret", "wss://***@host:1/p?token=***&x=***#***"],
    ["ws://s3cret@host", "ws://***@host"],
    ["ws://user:p@s3cret@host/", "ws://***@host/"],
    ["ws://host?s3cret", "ws://host?***"],
    ["ws://host?a=b?c=s3cret", "ws://host?a=***"],
    ["user:s3cret@host/path", "***@host/path"],
    ["//user:s3cret@host", "***@host"],
    ["ws:/user:s3/cret@host", "***@host"],
    ["tcp://user:s3cret@host:99999", "tcp://***@host:99999"],
    ["  ws://user:s3cret@a host/?token=s3cret", "ws://***@a host/?token=***"],
    ["?s3cret", "?***"],
  ])("%s is shown as %s", (url, shown) => {
    expect(redactedUrl(url)).toBe(shown);
    expect(redactedUrl(shown)).toBe(shown);
  });

  it("shows neither password nor query of any URL, valid or not", () => {
    const noise = fc.string({ unit: fc.constantFrom("a", "%", "/", ":", "?", "#", "@", " ", "\n", "&", "=", "[", "]", "."), maxLength: 8 });
    fc.assert(
      fc.property(
        fc.constantFrom("ws://", "tcp://", "wss:", ""),
        noise,
        noise,
        fc.constantFrom("", ":80", ":x"),
        (scheme, user, after, port) => {
          expect(redactedUrl(`${scheme}${user.replace(/[/?#]/g, "")}:${SECRET}@host${port}/`)).not.toContain(SECRET);
          expect(redactedUrl(`${scheme}host${port}/?token=${SECRET}${after}`)).not.toContain(SECRET);
          expect(redactedUrl(`${scheme}host${port}/?${after}&${SECRET}`)).not.toContain(SECRET);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("no text about a failed attempt holds a secret of its address", () => {
  const user = `user:${SECRET}@`;
  const query = `/p?token=${SECRET}&${SECRET}`;

  async function outcome(client: ReturnType<typeof createClient>): Promise<string> {
    const texts: string[] = [];
    client.on("state", (_state, { reason, error }: StateDetail) => texts.push(reason, everything(error)));
    await client.connect().catch((error: unknown) => texts.push(everything(error)));
    await client.close();
    expect(texts.length).toBeGreaterThan(1);
    return texts.join("\n");
  }

  it.each(["ws", "wss", "tcp", "tls"])("%s to a port where nobody listens, and where somebody hangs up", async (protocol) => {
    const listener = createServer((socket) => socket.destroy());
    const port = await new Promise<number>((resolve) => {
      listener.listen(0, "127.0.0.1", () => resolve((listener.address() as { port: number }).port));
    });
    for (const target of [`127.0.0.1:${port}`, "127.0.0.1:1"]) {
      const text = await outcome(createClient(`${protocol}://${user}${target}${query}`, { logger: false, reconnect: false }));
      // Over plain TCP a link is there at once; that it ended names no address.
      if (protocol !== "tcp" || target.endsWith(":1")) expect(text).toContain(`${protocol}://***@${target}/p?token=***`);
      expect(text).not.toContain(SECRET);
    }
    listener.close();
  });

  it("a protocol that there is none for, and a network in memory that is down", async () => {
    const network = Object.assign(new MemoryNetwork(), { reachable: false });
    for (const client of [
      createClient(`http://${user}host${query}`, { logger: false, reconnect: false }),
      createPageClient(`tcp://${user}host${query}`, { logger: false, reconnect: false }),
      createClient(`ws://${user}host${query}`, { logger: false, reconnect: false, connector: network.connector({ accept() {} }) }),
    ]) {
      expect(await outcome(client)).not.toContain(SECRET);
    }
  });

  it("a page whose WebSocket refuses the address, or fails", async () => {
    class Refusing {
      constructor(url: string) {
        throw new SyntaxError(`The URL '${url}' is invalid`);
      }
    }
    vi.stubGlobal("WebSocket", Refusing);
    const text = await outcome(createPageClient(`ws://${user}host${query}`, { logger: false, reconnect: false }));
    expect(text).toContain("could not connect to ws://***@host/p?token=***&***: SyntaxError");
    expect(text).not.toContain(SECRET);
  });

  it.each([`ws://${user}a b/${query}`, `//${user}host`, `tcp://${user}host:99999`, `http://[${SECRET}@`])("what is no URL: %s", (url) => {
    for (const create of [createClient, createPageClient]) {
      let thrown: unknown;
      try {
        create(url);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: "invalid-option" });
      expect(everything(thrown)).not.toContain(SECRET);
    }
  });

  it.each([
    ["an address that it cannot take", `http://${user}host${query}`],
    ["a peer that is not there", `ws://${user}127.0.0.1:1${query}`],
  ])("framewire conformance with %s", async (_name, url) => {
    for (const json of [[], ["--json"]]) {
      const { stdout, stderr } = await shell(["conformance", "--connect", url, "--only", "301", "--timeout", "500", ...json]);
      expect(stdout + stderr).toContain("***@");
      expect(stdout + stderr).not.toContain(SECRET);
    }
  });
});
