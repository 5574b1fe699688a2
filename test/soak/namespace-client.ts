/** The client of the soak `namespaces`, in a network of its own: sends a numbered note every 50 ms, and tells its states as JSON lines. */
import { createClient } from "../../src/client/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";

const EVERY_MS = 50;
const client = createClient(process.argv[2] as string, { reconnect: { baseMs: 200, maxMs: 1000, retries: Number.POSITIVE_INFINITY } });
const service = client.service(TestServiceDefinition);
const tell = (event: object) => console.log(JSON.stringify({ at: Date.now(), ...event }));
client.on("state", (state, { resumed }) => tell({ state, resumed }));
await client.connect();
let sent = 0;
const timer = setInterval(() => {
  sent++;
  service.note({ text: String(sent) }).catch((error) => tell({ failed: String(error) }));
}, EVERY_MS);
process.stdin.resume();
process.stdin.once("end", async () => {
  clearInterval(timer);
  await service.echo({ text: "all sent" }, { timeoutMs: 20_000 });
  tell({ sent });
  await client.close();
});
