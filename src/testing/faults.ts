/** What can go wrong with a link, as data. */
import type { SeededRandom } from "./random.js";

/** From and to, both included; each time a number is drawn evenly. */
export type Span = readonly [low: number, high: number];

/** What happens to the bytes of one direction. Offsets count the bytes of that direction of that link from 0. */
export interface DirectionFaults {
  /** Time a byte is under way, in milliseconds. Default 0. */
  readonly latencyMs?: number;
  /** Up to this is added to the latency of each chunk; bytes never overtake each other. Default 0. */
  readonly jitterMs?: number;
  /** Default: no limit. */
  readonly bytesPerSecond?: number;
  /** How many bytes arrive before the link breaks, in both directions. A message of a WebSocket arrives whole or not at all. */
  readonly cutAtByte?: number;
  /** How many bytes arrive before this direction goes silent: half open, nobody is told. */
  readonly silentAtByte?: number;
  /** Share of bytes that arrive with another value, 0 to 1. Default 0. */
  readonly corruptionRate?: number;
  /** Offsets of bytes that arrive with another value. */
  readonly corruptAtBytes?: readonly number[];
}

/** What happens to one link. */
export interface LinkFaults {
  /** From the side that connected to the side that accepted. */
  readonly up?: DirectionFaults;
  /** The way back. */
  readonly down?: DirectionFaults;
  /** The link breaks this many milliseconds after it was opened. */
  readonly cutAfterMs?: number;
  /** Both directions go silent this many milliseconds after the link was opened: nobody is told. */
  readonly silentAfterMs?: number;
  /** From time to time nothing moves for a while; then everything that waited arrives. */
  readonly stalls?: { readonly everyMs: Span; readonly forMs: Span };
}

/** What happens to link after link: always the same, the name of a profile, or decided for each link, numbered from 1. */
export type FaultSource = LinkFaults | ProfileName | ((link: number, random: SeededRandom) => LinkFaults | ProfileName);

const symmetric = (faults: DirectionFaults, rest: Omit<LinkFaults, "up" | "down"> = {}): LinkFaults => ({
  up: faults,
  down: faults,
  ...rest,
});

/** Links as people have them. Figures are of the usual order, not measured on any one network. */
const PROFILES = {
  /** Nothing goes wrong. */
  clean: () => ({}),
  /** A slow phone network: 150 ms each way, 0.77 Mbit/s up, 1.6 Mbit/s down. */
  "3g": () => ({
    up: { latencyMs: 150, jitterMs: 60, bytesPerSecond: 96_000 },
    down: { latencyMs: 150, jitterMs: 60, bytesPerSecond: 200_000 },
  }),
  /** Fast, with retransmissions that hold everything up for moments. */
  "lossy-wifi": () =>
    symmetric({ latencyMs: 4, jitterMs: 25, bytesPerSecond: 3_000_000 }, { stalls: { everyMs: [200, 3_000], forMs: [40, 400] } }),
  /** From one network to the next: after 5 to 30 s the old address is gone, and nobody says so. */
  handover: (random) => symmetric({ latencyMs: 40, jitterMs: 20 }, { silentAfterMs: random.between(5_000, 30_000) }),
  /** Under a hill for 3 to 15 s, every 20 to 60 s. */
  tunnel: () =>
    symmetric(
      { latencyMs: 50, jitterMs: 20, bytesPerSecond: 1_000_000 },
      { stalls: { everyMs: [20_000, 60_000], forMs: [3_000, 15_000] } },
    ),
  /** Over a satellite far out: 300 ms each way. */
  satellite: () => symmetric({ latencyMs: 300, jitterMs: 10, bytesPerSecond: 2_000_000 }),
  /** Breaks at any byte, on average every 100 kB of a direction. */
  flaky: (random) => ({ up: { cutAtByte: random.between(0, 200_000) }, down: { cutAtByte: random.between(0, 200_000) } }),
  /** One byte in 10,000 arrives with another value, which TCP's own checksum did not see. */
  noisy: () => symmetric({ corruptionRate: 1 / 10_000 }),
} satisfies Record<string, (random: SeededRandom) => LinkFaults>;

/** The profiles there are. */
export type ProfileName = keyof typeof PROFILES;

/** The names of the profiles. */
export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];

/** What happens to the link with this number. */
export function faultsOf(source: FaultSource, link: number, random: SeededRandom): LinkFaults {
  const faults = typeof source === "function" ? source(link, random) : source;
  return typeof faults === "string" ? PROFILES[faults](random) : faults;
}
