/** The exchange that `--once` runs in place of a person: a web client writes, the phone answers, both see both. */
import { printable } from "framewire";
import { createClient } from "framewire/client";
import { ChatEventsServiceDefinition, ChatServiceDefinition, type Line } from "./gen/chat/v1/chat.js";

const AUTHOR = "A script";
const TEXT = "Is anybody there?";

/**
 * Connects to `url` as a web page would, waits until the phone is there, posts a line and waits for its answer.
 * @throws Error if that takes longer than `timeoutMs`.
 */
export async function runExchange(url: string, timeoutMs: number): Promise<void> {
  const client = createClient(url, { peer: { name: "scripted web client" } });
  const lines = new Lines();
  client.implement(ChatEventsServiceDefinition, {
    posted({ line }) {
      if (line !== undefined) lines.add(line);
    },
  });
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    await client.connect();
    const chat = client.service(ChatServiceDefinition);
    for (const line of (await chat.history({}, { signal })).lines) lines.add(line);
    await lines.find(({ author }) => author !== AUTHOR, signal);
    const { id } = await chat.send({ author: AUTHOR, text: TEXT }, { signal });
    await lines.find((line) => line.id === id && line.author === AUTHOR, signal);
    const answer = await lines.find(({ author, text }) => author !== AUTHOR && text.includes(TEXT), signal);
    console.log(printable(`exchange complete: ${answer.author} answered over ${answer.via}: ${answer.text}`));
  } catch (error) {
    throw signal.aborted ? new Error(`the exchange was not complete after ${timeoutMs / 1000} s`) : error;
  } finally {
    await client.close();
  }
}

/** The lines seen so far, and those who wait for one. */
class Lines {
  readonly #seen: Line[] = [];
  #news: (() => void)[] = [];

  add(line: Line): void {
    this.#seen.push(line);
    for (const tell of this.#news.splice(0)) tell();
  }

  /** The first line that `wanted` says yes to, now or later. Rejects when `signal` aborts. */
  async find(wanted: (line: Line) => boolean, signal: AbortSignal): Promise<Line> {
    for (;;) {
      const line = this.#seen.find(wanted);
      if (line !== undefined) return line;
      await new Promise<void>((resolve, reject) => {
        this.#news.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
  }
}
