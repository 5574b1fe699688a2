/**
 * Makes sure that the Debian packages the tests need are there. As root it installs what is missing; otherwise it
 * prints the exact command and fails.
 */
import { existsSync } from "node:fs";
import { run } from "./lib/run.mjs";

/** One line for each package: a file that only exists once it is installed, and what needs it. */
const PACKAGES = [
  { name: "chromium", file: "/usr/bin/chromium", use: "test/browser, test/compatibility" },
  { name: "firefox-esr", file: "/usr/bin/firefox-esr", use: "test/compatibility" },
  { name: "webkit2gtk-driver", file: "/usr/bin/WebKitWebDriver", use: "test/compatibility" },
  { name: "xvfb", file: "/usr/bin/Xvfb", use: "test/compatibility" },
  { name: "protobuf-compiler", file: "/usr/bin/protoc", use: "test/interop" },
  { name: "protoc-gen-go", file: "/usr/bin/protoc-gen-go", use: "test/interop" },
  { name: "golang-go", file: "/usr/bin/go", use: "test/interop" },
  { name: "golang-github-gorilla-websocket-dev", file: "/usr/share/gocode/src/github.com/gorilla/websocket/conn.go", use: "test/interop" },
  { name: "golang-google-protobuf-dev", file: "/usr/share/gocode/src/google.golang.org/protobuf/proto/proto.go", use: "test/interop" },
  { name: "default-jdk-headless", file: "/usr/bin/javac", use: "test/interop" },
  { name: "libprotobuf-java", file: "/usr/share/java/protobuf.jar", use: "test/interop" },
  { name: "g++", file: "/usr/bin/g++", use: "test/interop" },
  { name: "libprotobuf-dev", file: "/usr/include/google/protobuf/message.h", use: "test/interop" },
  { name: "python3-protobuf", file: "/usr/lib/python3/dist-packages/google/protobuf/__init__.py", use: "test/interop" },
  { name: "python3-websockets", file: "/usr/lib/python3/dist-packages/websockets/__init__.py", use: "test/interop" },
  { name: "nginx", file: "/usr/sbin/nginx", use: "test/integration" },
  { name: "haproxy", file: "/usr/sbin/haproxy", use: "test/integration" },
];

const missing = PACKAGES.filter(({ file }) => !existsSync(file));
if (missing.length === 0) {
  console.log(`all there: ${PACKAGES.map(({ name }) => name).join(", ")}`);
  process.exit(0);
}

const names = missing.map(({ name }) => name);
console.log(`missing: ${missing.map(({ name, use }) => `${name} (for ${use})`).join(", ")}`);

const root = process.getuid?.() === 0;
if (!root || !existsSync("/usr/bin/apt-get")) {
  console.error(`Install what is missing, then run this again. On Debian or Ubuntu:\n\n  sudo apt-get install -y ${names.join(" ")}\n`);
  process.exit(1);
}

const apt = { show: true, env: { DEBIAN_FRONTEND: "noninteractive" } };
const updated = await run("apt-get", ["update", "-q"], apt);
const installed = updated.ok && (await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...names], apt)).ok;
const stillMissing = missing.filter(({ file }) => !existsSync(file));
if (!installed || stillMissing.length > 0) {
  console.error(`apt-get could not install: ${stillMissing.map(({ name }) => name).join(", ") || names.join(", ")}`);
  process.exit(1);
}
