/**
 * Whether this process may have servers. In a page nothing calls `useServing`: a bundler takes the variable for `false` there and leaves out what only
 * servers do.
 */
export let serving = false;

export function useServing(): void {
  serving = true;
}
