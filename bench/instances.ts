/**
 * Several instances of one module in one process. The optimizer specialises code for the way it is used, and a program uses
 * the decoder in one way; a benchmark that shows several ways side by side would measure a blend that no program has.
 */
import { register } from "node:module";

// Carries `?instance=` from an importing file over to the files it imports by a relative path.
const HOOKS = `
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  const instance = context.parentURL === undefined ? null : new URL(context.parentURL).searchParams.get("instance");
  if (instance === null || !specifier.startsWith(".")) return resolved;
  const url = new URL(resolved.url);
  url.searchParams.set("instance", instance);
  return { ...resolved, url: url.href };
}`;

let registered = false;

/** Loads `url` and all that it imports by relative paths anew, once for each `instance`. */
export async function importInstance(url: URL, instance: string): Promise<unknown> {
  if (!registered) register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
  registered = true;
  const own = new URL(url);
  own.searchParams.set("instance", instance);
  return import(own.href);
}
