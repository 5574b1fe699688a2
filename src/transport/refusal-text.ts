/** What the body of an HTTP answer says, for the text of an error. */
import type { IncomingMessage } from "node:http";
import { cutText } from "../protocol/cut-text.js";

/** Read at most, in bytes, and shown of it. */
const MAX_BODY = 1024;
const MAX_SHOWN = 160;

/** A server that does not end its answer is not waited for longer, in milliseconds. */
const WAIT_MS = 500;

/** The first line of a plain text; `""` for any other body. */
export function refusalText(answer: IncomingMessage): Promise<string> {
  if (!/^text\/plain\b/i.test(answer.headers["content-type"] ?? "")) return Promise.resolve("");
  return new Promise((resolve) => {
    let text = "";
    const done = () => {
      clearTimeout(timer);
      resolve(cutText(text.trimStart().split(/[\r\n]/, 1)[0] ?? "", MAX_SHOWN));
    };
    const timer = setTimeout(done, WAIT_MS);
    answer.setEncoding("utf8");
    answer.on("data", (part: string) => {
      text += part;
      if (text.length >= MAX_BODY) done();
    });
    answer.once("end", done).once("error", done).once("close", done);
  });
}
