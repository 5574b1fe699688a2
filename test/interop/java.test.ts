import { JAVA } from "./peers.js";
import { peerSuite } from "./suites.js";

peerSuite(JAVA, { transports: ["tcp", "ws"], server: false });
