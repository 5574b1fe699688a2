/**
 * A client that is going to be killed: `node outbox-client.mjs URL OUTBOX LIFE [drain]`. It prints `accepted ID` as
 * soon as a send or call is; with `drain` it sends nothing of its own and ends when all that was left has been acknowledged.
 */
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { createClient } from "framewire/client";
import { openOutbox } from "framewire/outbox";

export const TEXT = {
  /** @param {string} text */
  encode: (text) => ({ finish: () => new TextEncoder().encode(text) }),
  /** @param {Uint8Array} bytes */
  decode: (bytes) => new TextDecoder().decode(bytes),
};

export const NOTE = 0x0201;
export const CALL = 0x0202;

/** @param {string} line */
const say = (line) => writeSync(1, `${line}\n`);

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url = "", path = "", life = "", mode = ""] = process.argv.slice(2);
  const outbox = await openOutbox(path, { durability: Number(life) % 2 === 0 ? "process" : "power" });
  say(`opened with ${outbox.size}`);
  const client = createClient(url, { outbox, reconnect: { baseMs: 20, retries: Number.POSITIVE_INFINITY } });
  client.on("gap", ({ direction, from, to, reason }) => say(`gap ${direction} ${from} ${to} ${reason}`));
  client.on("state", (state, { resumed }) => state === "connected" && say(`connected ${resumed ? "resumed" : "new"}`));
  const connected = client.connect();
  if (mode === "drain") {
    await connected;
    while (outbox.size > 0) await sleep(10);
    await client.close();
  } else {
    connected.catch(() => {});
    for (let i = 0; ; i++) {
      const id = `${life}.${i}`;
      if (i % 3 === 0) {
        client.request(CALL, TEXT, id).then(
          (reply) => reply !== id && say(`wrong ${id} ${reply}`),
          (error) => say(`failed ${id} ${error}`),
        );
        await outbox.written();
      } else {
        await client.send(NOTE, TEXT, id);
      }
      say(`accepted ${id}`);
      await sleep(Math.random() * 4);
    }
  }
}
