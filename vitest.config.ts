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

export default defineConfig({
  resolve: { alias },
  test: {
    // By itself it leaves a core free: on two cores that is half the time lost.
    maxWorkers: 2,
    // What is polled for comes within milliseconds; on a machine that is busy with other things a second may pass.
    expect: { poll: { timeout: 10_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...INTEGRATION, ...COMPATIBILITY],
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
