import { defineConfig } from "vite";

/** Bundles the page as a project of its own would: `framewire/client` comes from the built package. */
export default defineConfig({
  root: "examples/chat/web",
  base: "./",
  logLevel: "warn",
  build: { outDir: "../dist/web", emptyOutDir: true, target: "es2022" },
});
