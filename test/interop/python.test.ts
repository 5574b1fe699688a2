import { PYTHON } from "./peers.js";
import { peerSuite } from "./suites.js";

peerSuite(PYTHON, { transports: ["tcp", "ws"], server: true });
