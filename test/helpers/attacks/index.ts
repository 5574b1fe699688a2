/**
 * What somebody might do to a server, over real sockets and with whatever bytes: each attack with the limits that have to end it. The
 * soaks run them at full size against a server in a process of its own, a test runs them small.
 */
import type { Attack } from "./attack.js";
import { FLOODS } from "./floods.js";
import { HOARDERS } from "./memory.js";
import { THIEVES } from "./sessions.js";
import { SLOW_ONES } from "./slow.js";

export const ATTACKS: readonly Attack[] = [...SLOW_ONES, ...FLOODS, ...HOARDERS, ...THIEVES];
