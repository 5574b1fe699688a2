import { CPP } from "./peers.js";
import { peerSuite } from "./suites.js";

peerSuite(CPP, { transports: ["tcp"], server: false });
