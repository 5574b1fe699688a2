/** Peers that are wrong, each in one way: a right peer of ours behind a line that changes what passes (conformance-rig.ts). */
import { encodeFrame, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Credit, Goaway, ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import type { ConnectionOptions } from "../../src/options.js";
import { type Mutation, type Passing, plain, resealed } from "./conformance-rig.js";

const {
  FRAME_KIND_MESSAGE: MESSAGE,
  FRAME_KIND_REQUEST: REQUEST,
  FRAME_KIND_RESPONSE: RESPONSE,
  FRAME_KIND_ITEM: ITEM,
  FRAME_KIND_CREDIT: CREDIT,
  FRAME_KIND_CANCEL: CANCEL,
  FRAME_KIND_HELLO: HELLO,
  FRAME_KIND_WELCOME: WELCOME,
  FRAME_KIND_PING: PING,
  FRAME_KIND_PONG: PONG,
  FRAME_KIND_ACK: ACK,
  FRAME_KIND_GOAWAY: GOAWAY,
} = FrameKind;

const FAIL = 65284;
const SLEEP = 65285;
const DATA_LOSS = 15;

export interface Mutant {
  /** What it does wrong. */
  readonly does: string;
  /** The cases of the kit that must catch it. */
  readonly caughtBy: readonly number[];
  readonly peer: "server" | "client";
  /** Default TCP. */
  readonly over?: "ws";
  /** Default 2. */
  readonly version?: 1;
  /** Options of the right peer behind it. */
  readonly options?: ConnectionOptions;
  /** Made anew for each run. */
  readonly make: () => Mutation;
}

const kindOf = ({ kind = 0 }: Passing) => kind;
const sequenceOf = ({ sequence = 0n }: Passing) => Number(sequence);

/** A frame that means nothing, in place of one that must not be missing. */
function blank({ sequence, ack, version }: Passing): FrameInit {
  return { version, cmd: 77, kind: 98, sequence, ack };
}

/** Changes the frames of a kind that come from the peer; `undefined` takes them away. */
function answer(kind: number, change: (frame: FrameInit) => FrameInit | undefined): () => Mutation {
  return () => ({
    fromPeer: (frame) => {
      if (kindOf(frame) !== kind) return undefined;
      const changed = change(plain(frame));
      return changed === undefined ? [] : [changed];
    },
  });
}

/** Changes responses of a status. */
function response(status: number, change: (frame: FrameInit) => FrameInit): () => Mutation {
  return answer(RESPONSE, (frame) => (frame.status === status ? change(frame) : frame));
}

/** Does not let frames of a kind through to the peer; where they have a sequence, something else takes it. */
function deaf(match: (frame: Passing) => boolean): () => Mutation {
  return () => ({ toPeer: (frame) => (match(frame) ? (sequenceOf(frame) > 0 ? [blank(frame)] : []) : undefined) });
}

/** Frames that were on the line before do not get there again. */
function sendsNothingAgain(): Mutation {
  let highest = 0;
  return {
    fromPeer: (frame) => {
      const sequence = sequenceOf(frame);
      if (sequence > 0 && sequence <= highest) return [];
      highest = Math.max(highest, sequence);
      return undefined;
    },
  };
}

const servers: readonly Omit<Mutant, "peer">[] = [
  // Frames
  {
    does: "seals its frames without its seed",
    caughtBy: [201, 301],
    make: () => ({ fromPeer: (frame) => ((frame.kind ?? 0) === WELCOME ? undefined : [encodeFrame(plain(frame))]) }),
  },
  {
    does: "does not look at checksums",
    caughtBy: [112, 113, 114],
    make: () => ({ damaged: (bytes, reason, line) => (reason === "checksum" ? resealed(bytes, line.toPeer.seed) : undefined) }),
  },
  {
    does: "takes frames without the seed of the session",
    caughtBy: [113],
    make: () => ({
      damaged: (bytes, reason, line) =>
        reason === "checksum" && Buffer.compare(resealed(bytes, undefined), bytes) === 0 ? resealed(bytes, line.toPeer.seed) : undefined,
    }),
  },
  {
    does: "closes at the first damage",
    caughtBy: [111, 112],
    make: () => ({
      damaged: (_bytes, _reason, line) => {
        line.close();
        return new Uint8Array(0);
      },
    }),
  },
  {
    does: "does not compare the two lengths of a frame",
    caughtBy: [116],
    make: () => ({
      damaged: (bytes, reason, line) => {
        if (reason !== "redundancy") return undefined;
        bytes[7]!--;
        return resealed(bytes, line.toPeer.seed);
      },
    }),
  },
  {
    does: "takes frames of version 1 in a session",
    caughtBy: [115],
    make: () => ({
      damaged: (bytes, reason, line) => {
        if (reason !== "version") return undefined;
        // A mark: the prefix, LEN, CMD in four bytes, the payload's tag and length.
        return encodeFrame({ version: 2, cmd: 65286, payload: bytes.slice(14) }, { checksumSeed: line.toPeer.seed });
      },
    }),
  },
  {
    does: "reads only the first frame of each chunk",
    caughtBy: [102],
    make: () => ({ toPeer: ({ indexInChunk }) => (indexInChunk > 0 ? [] : undefined) }),
  },
  {
    does: "reads only frames that come in one chunk",
    caughtBy: [101],
    make: () => ({ toPeer: ({ straddles }) => (straddles ? [] : undefined) }),
  },
  {
    does: "drops frames with trailer fields that it does not know",
    caughtBy: [121],
    make: () => ({ toPeer: (frame) => (frame.raw.length > encodeFrame(plain(frame)).length + 9 ? [blank(frame)] : undefined) }),
  },
  {
    does: "drops frames with a long trailer",
    caughtBy: [123],
    make: deaf(({ trace = "" }) => trace.length > 200),
  },
  {
    does: "takes a damaged length for one that was meant, and closes",
    caughtBy: [134],
    make: () => ({
      damaged: (bytes, reason, line) => {
        if (reason === "redundancy" && bytes[7] === 0xff) line.close();
        return undefined;
      },
    }),
  },
  {
    does: "takes trailers of any length",
    caughtBy: [135],
    options: { maxTrailer: 8192 },
    make: () => ({ welcome: (welcome) => ({ ...welcome, limits: { ...welcome.limits!, maxTrailer: 1024 } }) }),
  },
  {
    does: "waits for all of a payload that is larger than it allows",
    caughtBy: [132],
    over: "ws",
    options: { maxPayload: 8 * 1024 * 1024 },
    make: () => ({ welcome: (welcome) => ({ ...welcome, limits: { ...welcome.limits!, maxPayload: 1024 * 1024 } }) }),
  },
  {
    does: "sends larger payloads than the client allows",
    caughtBy: [133],
    make: () => ({ hello: (hello) => ({ ...hello, limits: { ...hello.limits!, maxPayload: 1024 * 1024 } }) }),
  },
  {
    does: "writes several frames into one message, unasked",
    caughtBy: [302],
    over: "ws",
    make: () => {
      let held: Passing | undefined;
      return {
        fromPeer: (frame, line) => {
          if (kindOf(frame) !== RESPONSE || frame.cmd !== SLEEP) return undefined;
          if (held === undefined) {
            held = frame;
            return [];
          }
          const both = [held, frame].map((each) => encodeFrame(plain(each), { checksumSeed: line.fromPeer.seed }));
          held = undefined;
          return [Buffer.concat(both)];
        },
      };
    },
  },
  // Negotiation
  {
    does: "welcomes clients whatever their versions",
    caughtBy: [206],
    make: () => ({ hello: (hello) => ({ ...hello, minVersion: 1, maxVersion: 2 }) }),
  },
  {
    does: "takes a max_payload of 1 at its word and sends no pong",
    caughtBy: [214],
    make: () => {
      let least = 0;
      return {
        hello: (hello) => {
          least = hello.limits?.maxPayload ?? 0;
          return hello;
        },
        fromPeer: (frame) => (kindOf(frame) === PONG && least === 1 ? [] : undefined),
      };
    },
  },
  {
    does: "takes a hello of any length",
    caughtBy: [215],
    make: () => ({ hello: (hello) => ({ ...hello, credentials: hello.credentials.slice(0, 100) }) }),
  },
  {
    does: "sends a welcome of more than 1,024 bytes",
    caughtBy: [201],
    make: () => ({ welcome: (welcome) => ({ ...welcome, peer: { name: "x".repeat(1024), version: "", platform: "" } }) }),
  },
  {
    does: "chooses the highest version of the client",
    caughtBy: [205],
    make: () => {
      let highest = 2;
      return {
        hello: (hello) => {
          highest = hello.maxVersion;
          return hello;
        },
        welcome: (welcome) => ({ ...welcome, version: highest }),
      };
    },
  },
  {
    does: "has the same seed for all",
    caughtBy: [204],
    make: () => {
      const seeds = { told: 4711, real: 0 };
      return {
        welcome: (welcome) => {
          seeds.real = welcome.checksumSeed;
          return { ...welcome, checksumSeed: seeds.told };
        },
        fromPeer: (frame) => [encodeFrame(plain(frame), { checksumSeed: seeds.told })],
      };
    },
  },
  {
    does: "has the seed of the hello",
    caughtBy: [217],
    make: () => {
      let seed = 0;
      return {
        hello: (hello) => {
          seed = hello.checksumSeed;
          return hello;
        },
        welcome: (welcome) => ({ ...welcome, checksumSeed: seed }),
        fromPeer: (frame) => [encodeFrame(plain(frame), { checksumSeed: seed })],
      };
    },
  },
  {
    does: "says nothing to a hello that it cannot decode",
    caughtBy: [218],
    make: () => ({ toPeer: (f) => (kindOf(f) === HELLO ? [] : undefined) }),
  },
  { does: "ignores a second hello", caughtBy: [209], make: deaf((frame) => kindOf(frame) === HELLO) },
  {
    does: "closes without saying why",
    caughtBy: [206, 209],
    make: answer(GOAWAY, () => undefined),
  },
  {
    does: "closes WebSockets with the code 1000 whatever the reason",
    caughtBy: [209, 306],
    over: "ws",
    make: () => ({ closing: () => 1000 }),
  },
  {
    does: "closes at kinds of frames that it does not know",
    caughtBy: [212, 213],
    make: () => ({
      toPeer: (frame, line) => {
        if (kindOf(frame) > GOAWAY) line.close();
        return undefined;
      },
    }),
  },
  {
    does: "takes frames of kinds that it does not know for messages",
    caughtBy: [212, 213],
    make: () => ({ toPeer: (frame) => (kindOf(frame) > GOAWAY ? [{ ...plain(frame), kind: undefined }] : undefined) }),
  },
  {
    does: "does not count frames of kinds that it does not know",
    caughtBy: [213],
    make: () => ({ toPeer: (frame) => (kindOf(frame) > GOAWAY ? [] : undefined) }),
  },
  // Calls
  {
    does: "says nothing to unknown commands",
    caughtBy: [303],
    make: () => ({ fromPeer: (f) => (f.status === 12 ? [blank(f)] : undefined) }),
  },
  { does: "answers unknown commands with internal", caughtBy: [303], make: response(12, (frame) => ({ ...frame, status: 13 })) },
  { does: "answers what it cannot decode with internal", caughtBy: [304, 408], make: response(3, (frame) => ({ ...frame, status: 13 })) },
  { does: "does not send the text of failures", caughtBy: [305], make: response(9, ({ ext: _, ...frame }) => frame) },
  { does: "sends failures as success", caughtBy: [305], make: response(9, ({ status: _, ...frame }) => frame) },
  {
    does: "answers a call twice",
    caughtBy: [301],
    make: () => {
      let more = 0;
      return {
        fromPeer: (frame) => {
          const shifted = sequenceOf(frame) === 0 ? plain(frame) : { ...plain(frame), sequence: sequenceOf(frame) + more };
          if (kindOf(frame) !== RESPONSE) return [shifted];
          more++;
          return [shifted, { ...shifted, sequence: sequenceOf(frame) + more }];
        },
      };
    },
  },
  {
    does: "answers under another call id",
    caughtBy: [301],
    make: answer(RESPONSE, (frame) => ({ ...frame, callId: frame.callId! + 2 })),
  },
  {
    does: "takes requests with call ids of the wrong parity",
    caughtBy: [307],
    make: () => ({
      toPeer: (frame) => (kindOf(frame) === REQUEST && frame.callId! % 2 === 0 ? [{ ...plain(frame), callId: 777 }] : undefined),
    }),
  },
  {
    does: "takes requests with the call id 0",
    caughtBy: [306],
    make: () => ({ toPeer: (frame) => (kindOf(frame) === REQUEST && frame.callId === 0 ? [{ ...plain(frame), callId: 777 }] : undefined) }),
  },
  {
    does: "takes a call id that is in use",
    caughtBy: [308],
    make: () => {
      const used = new Set<number>();
      return {
        toPeer: (frame) => {
          if (kindOf(frame) !== REQUEST) return undefined;
          if (used.has(frame.callId!)) return [{ ...plain(frame), callId: frame.callId! + 1000 }];
          used.add(frame.callId!);
          return undefined;
        },
      };
    },
  },
  { does: "answers cancelled calls", caughtBy: [310], make: deaf((frame) => kindOf(frame) === CANCEL) },
  {
    does: "ignores the time that a caller gives",
    caughtBy: [311],
    make: () => ({ toPeer: (frame) => (frame.timeoutMs === undefined ? undefined : [{ ...plain(frame), timeoutMs: undefined }]) }),
  },
  {
    does: "takes more calls than it says",
    caughtBy: [315],
    options: { maxCalls: 10_000 },
    make: () => ({ welcome: (welcome) => ({ ...welcome, limits: { ...welcome.limits!, maxCalls: 100 } }) }),
  },
  {
    does: "opens calls with odd ids",
    caughtBy: [321],
    make: () => ({
      fromPeer: (frame) => (kindOf(frame) === REQUEST ? [{ ...plain(frame), callId: frame.callId! + 1 }] : undefined),
    }),
  },
  { does: "sends no cancel", caughtBy: [323, 423], make: () => ({ fromPeer: (f) => (kindOf(f) === CANCEL ? [blank(f)] : undefined) }) },
  {
    does: "opens more calls than its peer takes",
    caughtBy: [324],
    make: () => ({ hello: (hello) => ({ ...hello, limits: { ...hello.limits!, maxCalls: 0 } }) }),
  },
  // Streams
  {
    does: "streams without credit",
    caughtBy: [404, 421],
    make: () => ({ hello: (hello) => ({ ...hello, limits: { ...hello.limits!, initialCredit: 2 ** 30 } }) }),
  },
  {
    does: "counts the payloads of its items only",
    caughtBy: [404, 421],
    // The cases have payloads of 104 bytes, which cost 168.
    make: () => ({
      hello: (hello) => ({ ...hello, limits: { ...hello.limits!, initialCredit: Math.ceil((hello.limits!.initialCredit * 168) / 104) } }),
    }),
  },
  {
    does: "gives credit back for the payloads of items only",
    caughtBy: [413],
    make: () => {
      const costs: number[] = [];
      return {
        toPeer: (frame) => {
          if (kindOf(frame) === ITEM) costs.push(frame.payload!.length + 64);
          return undefined;
        },
        fromPeer: (frame) => {
          if (kindOf(frame) !== CREDIT) return undefined;
          let { bytes } = Credit.decode(frame.payload!);
          for (let left = bytes; left > 0; bytes -= 64) left -= costs.shift()!;
          return [{ ...plain(frame), payload: Credit.encode({ bytes }).finish() }];
        },
      };
    },
  },
  {
    does: "takes a credit that is not told for none",
    caughtBy: [405],
    make: () => ({ hello: (hello) => ({ ...hello, limits: { ...hello.limits!, initialCredit: hello.limits!.initialCredit || 1 } }) }),
  },
  {
    does: "gives no credit back",
    caughtBy: [406, 422],
    make: () => ({ fromPeer: (f) => (kindOf(f) === CREDIT ? [blank(f)] : undefined) }),
  },
  {
    does: "gives half of the credit back",
    caughtBy: [406],
    make: answer(CREDIT, (frame) => ({
      ...frame,
      payload: Credit.encode({ bytes: Credit.decode(frame.payload!).bytes >> 1 }).finish(),
    })),
  },
  {
    does: "lets items without credit pass",
    caughtBy: [407, 414],
    options: { initialCredit: 64 * 1024 * 1024 },
    make: () => ({ welcome: (welcome) => ({ ...welcome, limits: { ...welcome.limits!, initialCredit: 65_536 } }) }),
  },
  {
    does: "mixes up the order of items",
    caughtBy: [401],
    make: () => {
      let held: Passing | undefined;
      return {
        fromPeer: (frame) => {
          if (kindOf(frame) !== ITEM) return undefined;
          if (held === undefined) {
            held = frame;
            return [];
          }
          // The sequences in order, what they carry not.
          const pair = [
            { ...plain(frame), sequence: held.sequence },
            { ...plain(held), sequence: frame.sequence },
          ];
          held = undefined;
          return pair;
        },
      };
    },
  },
  {
    does: "goes on with streams that were cancelled",
    caughtBy: [410],
    make: deaf((frame) => kindOf(frame) === CANCEL && frame.cmd === 65282),
  },
  // Liveness
  {
    does: "sends pongs without the payload of the ping",
    caughtBy: [501],
    make: answer(PONG, (frame) => ({ ...frame, payload: new Uint8Array(0) })),
  },
  { does: "sends no pongs", caughtBy: [501, 502], make: answer(PONG, () => undefined) },
  { does: "sends no pings", caughtBy: [504], make: answer(PING, () => undefined) },
  {
    does: "never closes for silence",
    caughtBy: [505],
    make: () => ({
      fromPeer: (frame, line) => {
        if (kindOf(frame) === PING) line.toPeer.write({ version: 2, cmd: 0, kind: PONG, payload: frame.payload });
        return undefined;
      },
    }),
  },
  {
    does: "drops its socket behind its goaway",
    caughtBy: [511],
    make: () => ({
      fromPeer: (frame, line) => {
        if (kindOf(frame) !== GOAWAY) return undefined;
        line.fromPeer.write(frame.raw);
        line.destroy();
        return [];
      },
    }),
  },
  // Sequences
  {
    does: "asks for what was damaged only when a frame follows",
    caughtBy: [615, 616],
    over: "ws",
    make: () => {
      let silent = false;
      return {
        damaged: () => {
          silent = true;
          return undefined;
        },
        toPeer: (frame) => {
          if (sequenceOf(frame) > 0) silent = false;
          return undefined;
        },
        fromPeer: (frame) => (silent && frame.status === DATA_LOSS && kindOf(frame) === ACK ? [] : undefined),
      };
    },
  },
  {
    does: "sends what it has when it keeps no more what is asked for",
    caughtBy: [617],
    make: () => {
      let acked = 0n;
      return {
        toPeer: (frame) => {
          if ((frame.ack ?? 0n) > acked) acked = frame.ack!;
          return frame.status === DATA_LOSS && kindOf(frame) === ACK ? [{ ...plain(frame), ack: acked }] : undefined;
        },
      };
    },
  },
  {
    does: "acknowledges nothing",
    caughtBy: [602, 614],
    make: () => ({ fromPeer: (frame) => (kindOf(frame) === ACK ? [] : [{ ...plain(frame), ack: undefined }]) }),
  },
  {
    does: "acknowledges what never came",
    caughtBy: [602],
    make: () => ({ fromPeer: (frame) => (frame.ack === undefined ? undefined : [{ ...plain(frame), ack: frame.ack + 5n }]) }),
  },
  {
    does: "handles repetitions again",
    caughtBy: [603],
    make: () => {
      let highest = 0;
      return {
        toPeer: (frame) => {
          const sequence = sequenceOf(frame);
          if (sequence > highest) highest = sequence;
          else if (sequence > 0 && kindOf(frame) === MESSAGE) return [{ ...plain(frame), sequence: undefined }];
          return undefined;
        },
      };
    },
  },
  {
    does: "handles what comes behind a hole at once",
    caughtBy: [604],
    make: () => {
      let highest = 0;
      return {
        toPeer: (frame) => {
          const sequence = sequenceOf(frame);
          if (sequence === 0) return undefined;
          const early = sequence > highest + 1;
          if (!early) highest = Math.max(highest, sequence);
          return early && kindOf(frame) === MESSAGE ? [plain(frame), { ...plain(frame), sequence: undefined }] : undefined;
        },
      };
    },
  },
  {
    does: "never asks for what was lost",
    caughtBy: [112, 604],
    make: () => ({ fromPeer: (frame) => (kindOf(frame) === ACK && frame.status === DATA_LOSS ? [] : undefined) }),
  },
  {
    does: "asks again for each frame that comes too early",
    caughtBy: [605],
    make: () => ({
      fromPeer: (frame) =>
        kindOf(frame) === ACK && frame.status === DATA_LOSS ? Array.from({ length: 20 }, () => plain(frame)) : undefined,
    }),
  },
  {
    does: "asks only once",
    caughtBy: [606],
    make: () => {
      let asked = 0;
      return { fromPeer: (frame) => (frame.status === DATA_LOSS && kindOf(frame) === ACK && asked++ > 0 ? [] : undefined) };
    },
  },
  { does: "sends nothing again", caughtBy: [607], make: deaf((frame) => kindOf(frame) === ACK && frame.status === DATA_LOSS) },
  {
    does: "sends only one frame again",
    caughtBy: [607],
    make: () => {
      let highest = 0;
      let again = 0;
      return {
        fromPeer: (frame) => {
          const sequence = sequenceOf(frame);
          if (sequence > highest) highest = sequence;
          else if (sequence > 0 && again++ > 0) return [];
          return undefined;
        },
      };
    },
  },
  {
    does: "lets acks pass for what it never sent",
    caughtBy: [609],
    make: () => {
      let highest = 0n;
      return {
        fromPeer: (frame) => {
          if ((frame.sequence ?? 0n) > highest) highest = frame.sequence!;
          return undefined;
        },
        toPeer: (frame) => ((frame.ack ?? 0n) > highest ? [{ ...plain(frame), ack: highest }] : undefined),
      };
    },
  },
  {
    does: "drops frames with the sequence 0",
    caughtBy: [611],
    make: () => ({ toPeer: (frame) => (frame.sequence === 0n ? [] : undefined) }),
  },
  {
    does: "drops frames without a sequence",
    caughtBy: [612],
    make: deaf((frame) => kindOf(frame) < HELLO && frame.sequence === undefined),
  },
  {
    does: "lets any sequence pass",
    caughtBy: [613],
    make: () => ({ toPeer: (frame) => (sequenceOf(frame) > 2 ** 52 ? [] : undefined) }),
  },
  {
    does: "leaves numbers out",
    caughtBy: [301, 601],
    make: () => ({ fromPeer: (f) => (sequenceOf(f) > 0 ? [{ ...plain(f), sequence: sequenceOf(f) * 2 - 1 }] : undefined) }),
  },
  {
    does: "puts sequences on pongs",
    caughtBy: [501],
    make: answer(PONG, (frame) => ({ ...frame, sequence: 1n })),
  },
  // Resume
  {
    does: "knows no session again",
    caughtBy: [701],
    make: () => ({ hello: (hello) => ({ ...hello, resume: hello.resume && { ...hello.resume, token: new Uint8Array(32) } }) }),
  },
  {
    does: "takes a lost session for a new one, without a word",
    caughtBy: [706],
    make: () => ({ hello: (hello) => ({ ...hello, resume: undefined }) }),
  },
  {
    does: "goes on with a session, but sends nothing again",
    caughtBy: [702],
    make: sendsNothingAgain,
  },
  {
    does: "sends everything again when a session goes on",
    caughtBy: [703],
    make: () => {
      const all: FrameInit[] = [];
      let resumed = false;
      return {
        welcome: (welcome) => {
          resumed = welcome.verdict === ResumeVerdict.RESUME_VERDICT_RESUMED;
          return welcome;
        },
        fromPeer: (frame) => {
          if (resumed) {
            resumed = false;
            return [...all, plain(frame)];
          }
          if (sequenceOf(frame) > 0) all.push(plain(frame));
          return undefined;
        },
      };
    },
  },
  {
    does: "does not say what it has got",
    caughtBy: [701, 705],
    make: () => ({ welcome: (welcome) => ({ ...welcome, received: 0n }) }),
  },
  {
    does: "leaves the older connection open",
    caughtBy: [707],
    make: () => ({
      fromPeer: (frame) => (kindOf(frame) === GOAWAY ? [] : undefined),
      closing: (code) => (code === 1006 || code === 1000 ? "stay open" : code),
    }),
  },
  {
    does: "does not look at the attempt",
    caughtBy: [708],
    make: () => ({ hello: (hello) => ({ ...hello, resume: hello.resume && { ...hello.resume, attempt: 0 } }) }),
  },
  {
    does: "believes whatever a client says it has got",
    caughtBy: [709],
    make: () => {
      let highest = 0n;
      return {
        fromPeer: (frame) => {
          if ((frame.sequence ?? 0n) > highest) highest = frame.sequence!;
          return undefined;
        },
        hello: (hello) => {
          const { resume } = hello;
          return resume && resume.received > highest ? { ...hello, resume: { ...resume, received: highest } } : hello;
        },
      };
    },
  },
  {
    does: "keeps sessions that their clients have left",
    caughtBy: [710],
    make: () => ({
      toPeer: (frame, line) => {
        if (kindOf(frame) !== GOAWAY) return undefined;
        line.destroy();
        return [];
      },
    }),
  },
  {
    does: "does not see what a client lost",
    caughtBy: [712],
    make: () => ({ hello: (hello) => ({ ...hello, resume: hello.resume && { ...hello.resume, oldest: 1n } }) }),
  },
  {
    does: "goes on with the streams of a client that has started anew",
    caughtBy: [715],
    make: () => {
      let highest = 0n;
      return {
        fromPeer: (frame) => {
          if ((frame.sequence ?? 0n) > highest) highest = frame.sequence!;
          return undefined;
        },
        hello: (hello) => ({ ...hello, resume: hello.resume && { ...hello.resume, restarted: false, received: highest } }),
      };
    },
  },
  // Version 1
  {
    does: "answers in version 1 out of order",
    caughtBy: [802],
    version: 1,
    make: () => {
      let held: Passing | undefined;
      return {
        fromPeer: (frame) => {
          if (frame.cmd !== SLEEP || held !== undefined)
            return held === undefined || frame.cmd !== SLEEP ? undefined : [plain(frame), plain(held)];
          held = frame;
          return [];
        },
      };
    },
  },
  {
    does: "answers version 1 with frames of version 2",
    caughtBy: [801],
    version: 1,
    make: () => ({ fromPeer: (frame) => [{ ...plain(frame), version: 2 }] }),
  },
  {
    does: "skips what a damaged frame claims",
    caughtBy: [807],
    version: 1,
    make: () => {
      let skip = false;
      return {
        damaged: (bytes) => {
          skip = bytes.length > 7;
          return undefined;
        },
        toPeer: () => {
          if (!skip) return undefined;
          skip = false;
          return [];
        },
      };
    },
  },
  {
    does: "answers failed requests in version 1",
    caughtBy: [810],
    version: 1,
    make: () => ({
      toPeer: (frame, line) => {
        if (frame.cmd === FAIL) line.fromPeer.write({ cmd: FAIL, payload: new Uint8Array(0) });
        return undefined;
      },
    }),
  },
  {
    does: "closes at frames of version 2 on a link of version 1",
    caughtBy: [811],
    version: 1,
    make: () => ({
      toPeer: (frame, line) => {
        if ((frame.version ?? 1) > 1) line.close();
        return undefined;
      },
    }),
  },
];

const clients: readonly Omit<Mutant, "peer">[] = [
  {
    does: "speaks the versions 3 and 4 only",
    caughtBy: [202],
    make: () => ({ hello: (hello) => ({ ...hello, minVersion: 3, maxVersion: 4 }) }),
  },
  {
    does: "opens calls with even ids",
    caughtBy: [321],
    make: () => ({ fromPeer: (frame) => (kindOf(frame) === REQUEST ? [{ ...plain(frame), callId: frame.callId! + 1 }] : undefined) }),
  },
  {
    does: "streams without credit",
    caughtBy: [404],
    make: () => ({ welcome: (welcome) => ({ ...welcome, limits: { ...welcome.limits!, initialCredit: 2 ** 30 } }) }),
  },
  {
    does: "has the same seed for all sessions",
    caughtBy: [216],
    make: () => ({
      hello: (hello) => ({ ...hello, checksumSeed: 4711 }),
      fromPeer: (frame) => [encodeFrame(plain(frame), { checksumSeed: 4711 })],
    }),
  },
  {
    does: "goes on waiting after a welcome that it cannot decode",
    caughtBy: [219],
    make: () => ({ toPeer: (frame) => (kindOf(frame) === WELCOME ? [] : undefined) }),
  },
  {
    does: "does not come back after a goaway with the close code 0",
    caughtBy: [510],
    make: () => {
      let left = false;
      return {
        toPeer: (frame) => {
          if (kindOf(frame) === GOAWAY && Goaway.decode(frame.payload!).closeCode === 0) left = true;
          return undefined;
        },
        refuses: () => left,
      };
    },
  },
  { does: "sends no pongs", caughtBy: [501], make: answer(PONG, () => undefined) },
  {
    does: "never pings",
    caughtBy: [507],
    make: () => ({ welcome: (welcome) => ({ ...welcome, heartbeatIntervalMs: 0, heartbeatTimeoutMs: 0 }) }),
  },
  {
    does: "acknowledges nothing",
    caughtBy: [602],
    make: () => ({ fromPeer: (frame) => (kindOf(frame) === ACK ? [] : [{ ...plain(frame), ack: undefined }]) }),
  },
  { does: "begins a new session after each cut", caughtBy: [751], make: () => ({ hello: (hello) => ({ ...hello, resume: undefined }) }) },
  {
    does: "does not count its attempts",
    caughtBy: [751],
    make: () => ({ hello: (hello) => ({ ...hello, resume: hello.resume && { ...hello.resume, attempt: 1 } }) }),
  },
  {
    does: "does not say what it has got",
    caughtBy: [751],
    make: () => ({ hello: (hello) => ({ ...hello, resume: hello.resume && { ...hello.resume, received: 0n } }) }),
  },
  {
    does: "sends nothing again",
    caughtBy: [752],
    make: sendsNothingAgain,
  },
  {
    does: "goes on counting after its session was rejected",
    caughtBy: [755],
    make: () => {
      let before = 0;
      let more = 0;
      return {
        welcome: (welcome) => {
          more = welcome.verdict === ResumeVerdict.RESUME_VERDICT_REJECTED ? before : 0;
          return welcome;
        },
        fromPeer: (frame) => {
          const sequence = sequenceOf(frame);
          if (sequence === 0) return undefined;
          if (more === 0) before = Math.max(before, sequence);
          return [{ ...plain(frame), sequence: sequence + more }];
        },
      };
    },
  },
  {
    does: "does not go on behind a gap",
    caughtBy: [756],
    make: () => ({
      welcome: (welcome) => ({ ...welcome, toClient: undefined, verdict: welcome.verdict && ResumeVerdict.RESUME_VERDICT_RESUMED }),
    }),
  },
];

export const MUTANTS: readonly Mutant[] = [
  ...servers.map((each) => ({ ...each, peer: "server" as const })),
  ...clients.map((each) => ({ ...each, peer: "client" as const })),
];
