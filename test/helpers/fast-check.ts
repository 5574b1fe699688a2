/** fast-check as all property tests use it: a property that is slow on a busy machine ends with the cases it has tried, before the test's own time is over. */
import fc from "fast-check";

fc.configureGlobal({ interruptAfterTimeLimit: 15_000 });

export { fc };
