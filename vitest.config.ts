import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const src = fileURLToPath(new URL("src", import.meta.url));

/** A folder with other versions of the peer dependencies, which sources and tests then use: scripts/oldest-peers.mjs. */
const peers = process.env.FRAMEWIRE_PEERS;
const otherPeers =
  peers === undefined
    ? []
    : [
        { find: /^@bufbuild\/protobuf$/, replacement: `${peers}/node_modules/@bufbuild/protobuf/dist/esm/index.js` },
        { find: /^@bufbuild\/protobuf\/(.+)$/, replacement: `${peers}/node_modules/@bufbuild/protobuf/dist/esm/$1/index.js` },
        { find: /^protobufjs(\/.*)?$/, replacement: `${peers}/node_modules/protobufjs$1` },
      ];

/** Examples and tests may import the package by its own name; both then run from the sources. */
const alias = [
  ...otherPeers,
  { find: /^framewire$/, replacement: `${src}/index.ts` },
  { find: /^framewire\/(codec|client|server|outbox|testing)$/, replacement: `${src}/$1/index.ts` },
];

/** Tests that need sockets between processes, a browser, another language, a build or a lot of time. */
const INTEGRATION = ["test/{package,browser,react-native,interop,integration,bench}/**/*.test.ts"];

/** Tests in three browser engines, with a table of what they do. */
const COMPATIBILITY = ["test/compatibility/**/*.test.ts"];

/**
 * Each worker loads the modules once for all of these files, as an application does: to load them for each file took longer than the tests. They
 * import the server or the codec, which put Node's fast ways in place, or nothing that such ways replace; so none depends on the files before it.
 * A test of what a page has, of memory or of cost, or one that replaces modules or globals, belongs to the others, which run alone.
 */
const TOGETHER = [
  "test/{errors,options}.test.ts",
  "test/cli/*.test.ts",
  "test/client/{lifecycle,offline,reconnect,reconnect-page,sockets-end}.test.ts",
  "test/codec/{frame-decoder,frame-encoder,frame-view,guarantee.property,oracle.property,prefix-crc,protobufjs}.test.ts",
  "test/codec/{shared-decoder,shared-frame,streams,varint,vectors,wire-page-vectors}.test.ts",
  "test/connection/{call-map,control-messages.property,entrance,pump,send-queue.property,timer-queue}.test.ts",
  "test/connection/{aliasing,busy-peer,call-model,calls,codecs,flipped-bits,interleavings,loss-timers,message-values,metadata}.test.ts",
  "test/connection/{middleware,peer-limits,reentrance,refused,resume,resume-runs,session-vectors,silent-peer,slow-consumer,sources,wire-edges}.test.ts",
  "test/fuzz/fuzz.test.ts",
  "test/outbox/{file-log,file-storage,guarded-transport,lives,outbox}.test.ts",
  "test/server/{accept,account,authentication,authorize,callbacks,client-address,close-code,drain,invalid,late-handlers}.test.ts",
  "test/server/{admission,limits,listen,logging,origin,pending-sockets,resume,security-page,sessions-server}.test.ts",
  "test/server/{tls,upgrades,version1-port}.test.ts",
  "test/testing/*.test.ts",
  "test/transport/{message-boundary,sockets}.test.ts",
];

export default defineConfig({
  resolve: { alias },
  test: {
    // By itself it leaves a core free: on two cores that is half the time lost.
    maxWorkers: 2,
    setupFiles: ["test/setup.ts"],
    // What is polled for comes within milliseconds; on a machine that is busy with other things a second may pass.
    expect: { poll: { timeout: 10_000, interval: 5 } },
    projects: [
      {
        extends: true,
        test: { name: "unit", include: TOGETHER, pool: "threads", isolate: false, testTimeout: 20_000 },
      },
      {
        extends: true,
        test: {
          name: "unit-alone",
          include: ["test/**/*.test.ts"],
          exclude: [...TOGETHER, ...INTEGRATION, ...COMPATIBILITY],
          pool: "threads",
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        // One file at a time: these tests measure and start processes, and CI has two cores.
        test: { name: "integration", include: INTEGRATION, testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false },
      },
      {
        extends: true,
        test: { name: "compatibility", include: COMPATIBILITY, testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
      },
    ],
  },
});
