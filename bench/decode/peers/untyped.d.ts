declare module "length-prefixed-stream" {
  import type { Transform } from "node:stream";
  export function decode(): Transform;
}
