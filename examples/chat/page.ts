/** The chat page: an http.Server that hands out the files vite has built. The WebSocket server attaches to it. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Serves every file under `folder` from memory, `index.html` as `/`. Not yet listening. */
export function createPage(folder: string): Server {
  const files = new Map<string, { readonly type: string; readonly body: Buffer }>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const url = path.slice(folder.length).replaceAll("\\", "/").replace(/^\/?/, "/");
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    files.set(url === "/index.html" ? "/" : url, { type, body: readFileSync(path) });
  }
  return createServer((request, response) => {
    const file = files.get((request.url ?? "/").replace(/[?#].*$/, ""));
    if (file === undefined) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    response.writeHead(200, { "content-type": file.type, "cache-control": "no-cache", "x-content-type-options": "nosniff" });
    response.end(request.method === "HEAD" ? undefined : file.body);
  });
}
