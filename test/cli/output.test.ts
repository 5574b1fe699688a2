import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { Output } from "../../src/cli/io.js";

function failing(code: string): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(`write ${code}`), { code })),
  });
}

describe("Output", () => {
  test("flush waits until the stream has taken the text", async () => {
    let taken = "";
    const slow = new Writable({
      write: (chunk, _encoding, done) => {
        setTimeout(() => {
          taken += chunk;
          done();
        }, 5);
      },
    });
    const output = new Output(slow);
    output.line("one");
    output.line("two");
    await output.flush();
    expect(taken).toBe("one\ntwo\n");
  });

  test("nothing is written when nothing was collected", async () => {
    let writes = 0;
    const output = new Output(
      new Writable({
        write: (_chunk, _encoding, done) => {
          writes++;
          done();
        },
      }),
    );
    await output.flush();
    expect(writes).toBe(0);
  });

  test("a reader that has gone away closes the output without an error", async () => {
    const output = new Output(failing("EPIPE"));
    output.line("x");
    await output.flush();
    expect(output.closed).toBe(true);
    output.line("y");
    await output.flush();
  });

  test("a full disk is an error", async () => {
    const output = new Output(failing("ENOSPC"));
    output.line("x");
    await expect(output.flush()).rejects.toThrow("ENOSPC");
    expect(output.closed).toBe(false);
  });
});
