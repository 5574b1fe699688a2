/** What the test page and the server behind it share. */

/** The bytes come back as they are. */
export const MIRROR = 0x0201;
/** A numbered message; the server writes the number down. */
export const NOTE = 0x0202;
/** A numbered call; the server writes the number down and answers with its double. */
export const CALL = 0x0203;
/** The server makes calls of all kinds to whoever asks, and answers with what went wrong, if anything. */
export const CALL_ME = 0x0204;

/** Bytes as they are. */
export const RAW = {
  encode: (bytes: Uint8Array) => ({ finish: () => bytes }),
  decode: (bytes: Uint8Array) => bytes.slice(),
};

export const TEXT = {
  encode: (text: string) => ({ finish: () => new TextEncoder().encode(text) }),
  decode: (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
};

/** The calls of all kinds that both sides put each other through; the text says what is wrong, `""` = nothing. */
export interface Callee {
  echo(request: { text: string; id: bigint; data: Uint8Array }): Promise<{ text: string; id: bigint; data: Uint8Array }>;
  count(request: { count: number; padding: number }): AsyncIterable<{ number: number; padding: Uint8Array }>;
  sum(requests: Iterable<{ number: bigint }>): Promise<{ sum: bigint }>;
  chat(requests: Iterable<{ text: string }>): AsyncIterable<{ text: string }>;
}

export async function callsOfAllKinds(callee: Callee): Promise<void> {
  const echo = await callee.echo({ text: "zwölf Boxkämpfer 🥊 \u0000 \ufeff", id: -(2n ** 63n), data: Uint8Array.of(0, 255) });
  equal("echo", [echo.text, echo.id, [...echo.data]], ["zwölf Boxkämpfer 🥊 \u0000 \ufeff", -(2n ** 63n), [0, 255]]);

  const numbers: number[] = [];
  for await (const { number, padding } of callee.count({ count: 20, padding: 10 })) numbers.push(number * padding.length);
  equal(
    "count",
    numbers,
    Array.from({ length: 20 }, (_, index) => (index + 1) * 10),
  );

  const { sum } = await callee.sum([{ number: 2n ** 62n }, { number: -1n }, { number: 7n }]);
  equal("sum", sum, 2n ** 62n + 6n);

  const answers: string[] = [];
  for await (const { text } of callee.chat([{ text: "one" }, { text: "größer" }])) answers.push(text);
  equal("chat", answers, ["ONE", "GRÖSSER"]);
}

/** @throws Error if the two do not print the same. */
export function equal(what: string, actual: unknown, expected: unknown): void {
  const [is, ought] = [print(actual), print(expected)];
  if (is !== ought) throw new Error(`${what}: ${is.slice(0, 500)} in place of ${ought.slice(0, 500)}`);
}

function print(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
}
