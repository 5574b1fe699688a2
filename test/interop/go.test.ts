import { GO } from "./peers.js";
import { peerSuite } from "./suites.js";

peerSuite(GO, { transports: ["tcp", "ws"], server: true });
