import { describe, expect, it } from "vitest";
import { type ResumeRequest, ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import { resume } from "../../src/server/resume.js";
import { ReplayBuffer } from "../../src/session/replay-buffer.js";

/** What a server has that sent `sent` frames, of which it keeps the last `kept`, and `acked` are acknowledged. */
function state({ sent, kept, acked, received }: { sent: number; kept: number; acked: number; received: number }) {
  const replay = new ReplayBuffer({ replayBytes: 1000, replayFrames: kept });
  for (let i = 0; i < sent; i++) replay.add(Uint8Array.of(i));
  replay.ack(acked);
  return { replay, received, unreported: undefined };
}

const STATE = { sent: 10, kept: 6, acked: 3, received: 20 };

function wish(said: Partial<ResumeRequest>): ResumeRequest {
  return { token: new Uint8Array(32), received: 4n, oldest: 21n, restarted: false, attempt: 0, ...said };
}

const { RESUME_VERDICT_RESUMED: RESUMED, RESUME_VERDICT_GAP: GAP } = ResumeVerdict;

describe("a client that remembers", () => {
  it.each<[string, Partial<ResumeRequest>, object]>([
    ["with nothing missing goes on", {}, { verdict: RESUMED, received: 20n }],
    ["that lacks what is not kept any more is told", { received: 3n }, { verdict: GAP, toClient: { from: 4n, to: 4n, reason: "evicted" } }],
    [
      "that cannot send all again is told",
      { oldest: 25n },
      { verdict: GAP, received: 24n, toServer: { from: 21n, to: 24n, reason: "evicted" } },
    ],
  ])("%s", (_what, said, welcome) => {
    expect(resume(state(STATE), wish(said))?.welcome).toMatchObject(welcome);
  });

  it("and may not have heard of a loss is told again, together with what it lost since", () => {
    const unreported = { from: 15, to: 20 };
    const said = (wanted: Partial<ResumeRequest>) => resume({ ...state(STATE), unreported }, wish(wanted));
    expect(said({})?.welcome).toMatchObject({ verdict: GAP, received: 20n, toServer: { from: 15n, to: 20n } });
    const more = said({ oldest: 25n });
    expect(more?.welcome).toMatchObject({ verdict: GAP, received: 24n, toServer: { from: 15n, to: 24n } });
    expect(more?.resumed.lostIn).toEqual({ direction: "in", from: 21, to: 24, reason: "evicted" });
  });

  it.each<[string, Partial<ResumeRequest>]>([
    ["has received what was never sent", { received: 11n }],
    ["has received 2^64 - 1", { received: 2n ** 64n - 1n }],
    ["can send again from 0 on", { oldest: 0n }],
    ["can send again from 2^53 on", { oldest: 2n ** 53n }],
  ])("that %s is not believed", (_what, said) => {
    expect(resume(state(STATE), wish(said))).toBeUndefined();
  });
});

describe("a client that has started anew", () => {
  const anew = wish({ restarted: true, received: 0n, oldest: 1n });

  it("goes on behind what it had acknowledged, and is told where that is", () => {
    const resumption = resume(state({ sent: 10, kept: 10, acked: 3, received: 20 }), anew);
    expect(resumption?.welcome).toEqual({
      verdict: GAP,
      received: 20n,
      toClient: { from: 1n, to: 3n, reason: "acknowledged" },
      toServer: undefined,
    });
    expect(resumption?.resumed).toEqual({ peerReceived: 3, lostOut: undefined, restarted: { side: "peer" } });
  });

  it("that had acknowledged nothing gets everything", () => {
    const resumption = resume(state({ sent: 10, kept: 10, acked: 0, received: 20 }), anew);
    expect(resumption?.welcome).toMatchObject({ verdict: RESUMED, received: 20n, toClient: undefined });
    expect(resumption?.resumed.peerReceived).toBe(0);
  });

  it("that had not acknowledged what is not kept any more is told of a loss, and so is the server", () => {
    const resumption = resume(state(STATE), anew);
    expect(resumption?.welcome.toClient).toEqual({ from: 4n, to: 4n, reason: "evicted" });
    expect(resumption?.resumed).toMatchObject({ peerReceived: 4, lostOut: { direction: "out", from: 4, to: 4 } });
  });
});
