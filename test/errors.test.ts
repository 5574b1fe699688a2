import { expect, it } from "vitest";
import { FramewireError, peersError } from "../src/errors.js";

it("an error that a peer makes has no stack, and those behind it have theirs", () => {
  const error = peersError("invalid-argument", "nonsense", "because");
  expect(error).toMatchObject({ code: "invalid-argument", message: "nonsense", fault: "remote", cause: "because" });
  expect(error.stack ?? "").not.toMatch(/\n\s+at /);
  expect(new FramewireError("internal", "ours").stack).toMatch(/\n\s+at /);
});
