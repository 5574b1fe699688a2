/** `framewire/outbox` in React Native, which has no IndexedDB: `Outbox.over` takes a storage of yours. */
export { Outbox } from "./outbox.js";
export type { OutboxContents, OutboxFrame, OutboxSession, OutboxStorage } from "./storage.js";
